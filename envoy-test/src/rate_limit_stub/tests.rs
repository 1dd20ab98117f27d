//! Asked by a client of our own, and by Envoy's own filter.

use std::time::Duration;

use prost::Message as _;
use tokio::net::TcpStream;

use super::*;
use crate::rls::{HeaderValue, OVER_LIMIT};

/// What a call came to: gRPC's status and the bytes of the body, or no answer at all.
async fn ask(stub: &RateLimitStub, question: &RateLimitRequest) -> Option<(Option<String>, Bytes)> {
    let stream = TokioIo::new(TcpStream::connect(stub.address).await.unwrap());
    let (mut requests, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let body = Full::new(engine::frame(&question.encode_to_vec()).unwrap());
    let request = Request::post(format!("http://stub/{}", rls::METHOD)).body(body).unwrap();
    let (parts, body) = requests.send_request(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?;
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status")).or(parts.headers.get("grpc-status"));
    Some((status.map(|status| status.to_str().unwrap().to_owned()), body.to_bytes()))
}

fn framed(answer: &RateLimitResponse) -> Bytes {
    engine::frame(&answer.encode_to_vec()).unwrap()
}

#[tokio::test]
async fn it_keeps_the_questions_and_follows_the_script() {
    let stub = RateLimitStub::start().unwrap();
    let question = RateLimitRequest { hits_addend: 7, ..RateLimitRequest::new("edge", &[("user", "a"), ("b", "")]) };
    let (ok, status) = (framed(&RateLimitResponse::code(rls::OK)), |status: &str| Some(status.to_owned()));
    assert_eq!(ask(&stub, &question).await, Some((status("0"), ok.clone())));
    assert_eq!(stub.questions(), std::slice::from_ref(&question));

    let over = RateLimitResponse {
        response_headers_to_add: vec![HeaderValue::new(":status", b"\r\n")],
        raw_body: b"slow down".to_vec(),
        ..RateLimitResponse::code(OVER_LIMIT)
    };
    stub.script([
        Reply::rate_limits(&over).times(1),
        Reply::grpc_error(13).times(1),
        Reply::grpc(0).body(&b"\xff"[..]).times(1),
        Reply::close().times(1),
        Reply::garbage(&b"no frames at all"[..]).times(1),
        Reply::status(200).body(&b"\0\0\0\0\x05\x08"[..]).times(1),
    ]);
    for expected in [
        Some((status("0"), framed(&over))),
        Some((status("13"), Bytes::new())),
        Some((status("0"), Bytes::from(&b"\0\0\0\0\x01\xff"[..]))),
        None,
        None,
        Some((None, Bytes::from(&b"\0\0\0\0\x05\x08"[..]))),
        Some((status("0"), ok)),
    ] {
        assert_eq!(ask(&stub, &question).await, expected);
    }
    assert_eq!((stub.asked(), stub.questions().len()), (8, 8));
}

#[tokio::test]
async fn it_waits_as_it_is_told() {
    let stub = RateLimitStub::start().unwrap();
    let question = RateLimitRequest::new("edge", &[("user", "a")]);
    let over = RateLimitResponse::code(OVER_LIMIT);
    stub.script([Reply::rate_limits(&over).held()]);
    let mut asking = Box::pin(ask(&stub, &question));
    tokio::select! {
        answer = &mut asking => panic!("{answer:?}"),
        () = stub.was_asked(1) => {}
    }
    stub.release(1);
    assert_eq!(asking.await, Some((Some("0".to_owned()), framed(&over))));
    let late = Duration::from_millis(50);
    stub.script([Reply::rate_limits(&over).after(late)]);
    let start = std::time::Instant::now();
    assert!(ask(&stub, &question).await.is_some());
    assert!(start.elapsed() >= late);
}
