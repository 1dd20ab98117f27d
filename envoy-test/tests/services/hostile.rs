//! A service that says what no service should: the request is treated as `failureModeDeny` says, and the next one is well.

mod frames;

use std::time::Duration as Time;

use anyhow::Result;
use envoy_test::rls::{DescriptorStatus, Duration, HeaderValue, OK, OVER_LIMIT, RateLimit, RateLimitResponse};
use envoy_test::{Envoy, Reply, Test, tests};
use serde_json::json;

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![
        messages,
        grpc_statuses,
        broken_transport,
        other_answers,
        statuses_of_another_length,
        a_huge_body,
        all_at_once
    ]
}

/// What a request comes to that the service answers so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Passes,
    IsRefused,
    /// As the configuration says.
    Fails,
}
use Expected::{Fails, IsRefused, Passes};

/// Each reply, with both modules and both ways to fail, and a proper one after it on the same worker.
async fn judged(envoy: &Envoy, cases: Vec<(String, Reply, Expected)>) -> Result<()> {
    for module in [WHOLE, SLIM] {
        for deny in [true, false] {
            let (stub, upstream) = stub(envoy).await?;
            let limit = by_user("", &upstream, json!({"failureModeDeny": deny, "domain": upstream.name()}));
            let listener = listener(envoy, module, json!([limit])).await?;
            let mark = listener.mark();
            let mut connection = listener.connect().await?;
            let mut failed = 0;
            for (place, (what, reply, expected)) in cases.iter().enumerate() {
                stub.script([reply.clone().times(1)]);
                let of_case = listener.get("/").header("user", format!("of {place}"));
                let status = match (expected, deny) {
                    (Passes, _) | (Fails, false) => 200,
                    (Fails, true) => 500,
                    (IsRefused, _) => 429,
                };
                failed += u64::from(*expected == Fails);
                let answer = connection.send(of_case.clone()).await?;
                assert_eq!(answer.status, status, "{module} deny: {deny}, {what}: {answer}");
                if status == 200 {
                    assert_eq!(answer.echo().header("user"), Some(&*format!("of {place}")));
                }
                let next = listener.get("/").header("user", format!("after {place}"));
                assert_eq!(connection.send(next).await?.status, 200, "{module} deny: {deny}, after {what}");
            }
            assert_eq!(of_service(envoy, "service_errors", upstream.name()).await?, failed, "{module} {deny}");
            all_is_over(envoy, &listener, &upstream).await?;
            // A VM that is lost is loaded again, and nobody would know.
            let log = listener.log_since(mark);
            assert!(!log.iter().any(|line| line.contains("[error]") || line.contains("[critical]")), "{log:#?}");
        }
    }
    Ok(())
}

async fn messages(envoy: &Envoy) -> Result<()> {
    let over = RateLimitResponse { raw_body: vec![b'x'; 100], ..RateLimitResponse::code(OVER_LIMIT) };
    let whole = prost::Message::encode_to_vec(&over);
    let mut cases = vec![
        ("garbage", b"\xff\xff\xff\xff".to_vec(), Fails),
        ("text", b"<html>".to_vec(), Fails),
        ("a code of four bytes", b"\x0d\x02\0\0\0".to_vec(), Fails),
        ("a code that is text", b"\x0a\x01\x02".to_vec(), Fails),
        ("statuses that are numbers", b"\x08\x02\x10\x01".to_vec(), Fails),
        ("a group", b"\x33\x34".to_vec(), Fails),
        ("nothing", vec![], Passes),
        ("no code that is known", b"\x08\x07".to_vec(), Passes),
        ("a negative code", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), Passes),
        ("a code of more bits than there are", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), Fails),
        ("two codes", b"\x08\x02\x08\x01".to_vec(), Passes),
        ("two codes, the other way", b"\x08\x01\x08\x02".to_vec(), IsRefused),
        ("fields that nobody knows", b"\x08\x02\xf2\xff\x01\x03abc".to_vec(), IsRefused),
    ];
    for length in [1, 3, 4, 50, whole.len() - 1] {
        cases.push(("half a message", whole[..length].to_vec(), Fails));
    }
    let cases = cases.into_iter().map(|(what, bytes, expected)| {
        (format!("{what} {:?}", bytes.escape_ascii().to_string()), Reply::grpc(0).body(bytes), expected)
    });
    judged(envoy, cases.collect()).await
}

/// Whatever the message says beside it.
async fn grpc_statuses(envoy: &Envoy) -> Result<()> {
    let over = prost::Message::encode_to_vec(&RateLimitResponse::code(OVER_LIMIT));
    let mut cases = Vec::new();
    for status in (1..=17).chain([99, 1_000_000, u32::MAX]) {
        cases.push((format!("status {status}"), Reply::grpc_error(status), Fails));
        cases.push((format!("a message and status {status}"), Reply::grpc(status).body(over.clone()), Fails));
    }
    let grpc = || Reply::status(200).header("content-type", "application/grpc");
    let framed = [&b"\0\0\0\0\x02"[..], &over].concat();
    for status in ["-1", "abc", "", "0x0", "4294967296", "18446744073709551616"] {
        let reply = grpc().body(framed.clone()).trailer("grpc-status", status);
        cases.push((format!("status {status:?}"), reply, Fails));
    }
    cases.push(("no status".to_owned(), grpc().body(framed), Fails));
    judged(envoy, cases).await
}

async fn broken_transport(envoy: &Envoy) -> Result<()> {
    let over = prost::Message::encode_to_vec(&RateLimitResponse::code(OVER_LIMIT));
    let grpc = |body: Vec<u8>| {
        Reply::status(200).header("content-type", "application/grpc").body(body).trailer("grpc-status", "0")
    };
    let cases = [
        ("a stream that is reset", Reply::close(), Fails),
        ("a connection that says no HTTP", Reply::garbage("HTTP/1.1 200 OK\r\n\r\n"), Fails),
        ("a connection that ends", Reply::garbage(""), Fails),
        ("a connection that ends in a message", Reply::garbage(frames::half_an_answer(&over)), Fails),
        ("a frame without its message", grpc(b"\0\0\0\0\x09\x08".to_vec()), Fails),
        ("half a frame's head", grpc(b"\0\0".to_vec()), Fails),
        ("a frame of four gigabytes", grpc([&b"\0\xff\xff\xff\xff"[..], &over].concat()), Fails),
        ("a frame that is compressed", grpc([&b"\x01\0\0\0\x02"[..], &over].concat()), Fails),
        ("a frame of a kind that there is not", grpc([&b"\x07\0\0\0\x02"[..], &over].concat()), Fails),
        ("no frame", grpc(vec![]), Fails),
    ];
    judged(envoy, cases.map(|(what, reply, expected)| (what.to_owned(), reply, expected)).into()).await
}

async fn other_answers(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for status in [204, 301, 400, 401, 403, 404, 429, 500, 502, 503, 504] {
        cases.push((format!("HTTP {status}"), Reply::status(status).body("no"), Fails));
    }
    cases.push(("a web page".to_owned(), Reply::status(200).header("content-type", "text/html").body("<p>"), Fails));
    cases.push((
        "late".to_owned(),
        Reply::rate_limits(&RateLimitResponse::code(OVER_LIMIT)).after(Time::from_millis(20)),
        IsRefused,
    ));
    judged(envoy, cases).await
}

/// Whose each is is not known. What counts is the code of them all.
async fn statuses_of_another_length(envoy: &Envoy) -> Result<()> {
    let status = |code: i32| DescriptorStatus {
        code,
        current_limit: Some(RateLimit { requests_per_unit: 1, unit: 1, name: b"\xff\"\r\n".to_vec() }),
        limit_remaining: u32::MAX,
        duration_until_reset: Some(Duration { seconds: -1, nanos: -1 }),
    };
    let mut cases = Vec::new();
    for (length, (overall, expected)) in [0, 2, 3, 64, 65, 2_000]
        .into_iter()
        .flat_map(|length| [(length, (OK, Passes)), (length, (OVER_LIMIT, IsRefused))])
    {
        for own in [OK, OVER_LIMIT, 9, -1] {
            let answer = RateLimitResponse { statuses: vec![status(own); length], ..RateLimitResponse::code(overall) };
            cases.push((format!("{length} of {own}, {overall}"), Reply::rate_limits(&answer), expected));
        }
    }
    judged(envoy, cases).await
}

/// More than anybody should fetch from the proxy is no answer; less of it is cut.
async fn a_huge_body(envoy: &Envoy) -> Result<()> {
    let with_body = |length: usize| {
        let answer = RateLimitResponse { raw_body: vec![b'x'; length], ..RateLimitResponse::code(OVER_LIMIT) };
        Reply::rate_limits(&answer)
    };
    let header = HeaderValue::new("x-huge", vec![b'x'; 1 << 20]);
    let headers =
        RateLimitResponse { response_headers_to_add: vec![header; 10], ..RateLimitResponse::code(OVER_LIMIT) };
    let cases = [
        ("60 kB", with_body(60_000), IsRefused),
        ("200 kB", with_body(200_000), IsRefused),
        ("10 MB", with_body(10 << 20), Fails),
        ("10 MB of headers", Reply::rate_limits(&headers), Fails),
    ];
    judged(envoy, cases.map(|(what, reply, expected)| (what.to_owned(), reply, expected)).into()).await
}

/// Many requests whose service does everything wrong, one thing after the other.
async fn all_at_once(envoy: &Envoy) -> Result<()> {
    let wrong = [
        Reply::grpc_error(14),
        Reply::close(),
        Reply::grpc(0).body("garbage"),
        Reply::garbage("no frames"),
        Reply::status(503),
        Reply::rate_limits(&RateLimitResponse::code(OVER_LIMIT)).after(Time::from_millis(5)),
        Reply::rate_limits(&RateLimitResponse::code(OK)).after(Time::from_millis(5)),
    ];
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let limit = by_user("", &upstream, json!({"timeout": "0.01s"}));
        let listener = listener(envoy, module, json!([limit])).await?;
        stub.script((0..100).flat_map(|_| wrong.clone().map(|reply| reply.times(1))));
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..10 {
            let (request, mut connection) = (listener.get("/"), listener.connect().await?);
            clients.spawn(async move {
                for number in 0..70 {
                    let request = request.clone().header("user", format!("{client}-{number}"));
                    let status = connection.send(request).await?.status;
                    anyhow::ensure!([200, 429, 500].contains(&status), "{status}");
                }
                Ok(())
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        all_is_over(envoy, &listener, &upstream).await?;
        stub.script([]);
        // Envoy finds out by itself which of its connections are broken.
        let well = async || Ok((listener.get("/").header("user", "a").send().await?.status == 200).then_some(()));
        envoy.admin().until("the service is asked again", well).await?;
    }
    Ok(())
}
