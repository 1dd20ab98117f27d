//! What an aborted and a delayed request is answered.

use anyhow::Result;
use envoy_test::{Envoy, RawHttp1, Request, Test, tests};
use serde_json::json;

use super::{Case, GRPC_STATUSES, Judged};

pub fn tests() -> Vec<Test> {
    tests![
        http_statuses,
        grpc_statuses,
        statuses_without_a_body_to_grpc,
        statuses_without_a_body,
        a_delay_and_an_abort,
        a_body_waits,
    ]
}

/// Every kind of request that is answered in its own way.
fn requests(judged: &Judged) -> Vec<Request> {
    let kind = |method: &str, kind: &str| judged.request(method).header("content-type", kind).header("te", "trailers");
    let grpc = crate::GRPC_OR_NOT.map(|grpc| kind("POST", grpc).body(&b"\0\0\0\0\x02ab"[..]));
    let others = [
        judged.request("GET"),
        judged.request("HEAD"),
        judged.request("DELETE"),
        judged.request("OPTIONS"),
        judged.request("POST").body("some body"),
        judged.request("PUT").body(vec![b'x'; 100_000]),
        judged.request("GET").header("accept", "application/json").header("accept-encoding", "gzip"),
        kind("HEAD", "application/grpc"),
        kind("GET", "application/grpc"),
    ];
    others.into_iter().chain(grpc).collect()
}

fn with_status(status: u16) -> Case {
    Case::new(json!({"abort": {"httpStatus": status}}))
}

async fn http_statuses(envoy: &Envoy) -> Result<()> {
    let statuses = [200, 201, 205, 206, 299, 301, 307, 400, 401, 403, 404, 407, 429, 500, 502, 503, 504, 599];
    let judged = Judged::new(envoy, statuses.map(with_status).into()).await?;
    judged.same(&requests(&judged)).await
}

async fn grpc_statuses(envoy: &Envoy) -> Result<()> {
    let cases = GRPC_STATUSES.map(|status| Case::new(json!({"abort": {"grpcStatus": status}})));
    let judged = Judged::new(envoy, cases.into()).await?;
    judged.same(&requests(&judged)).await
}

/// It is told the status as any other, and the text is its message.
async fn statuses_without_a_body_to_grpc(envoy: &Envoy) -> Result<()> {
    let judged = Judged::new(envoy, vec![with_status(204), with_status(304)]).await?;
    let kinds = ["application/grpc", "application/grpc+proto"];
    judged.same(&kinds.map(|kind| judged.request("POST").header("content-type", kind).body("x"))).await
}

/// Here we are not as Envoy, which sends its text with 204 and 304, too: HTTP/2 clients take that for an error, and
/// HTTP/1 clients find it in front of their next answer.
async fn statuses_without_a_body(envoy: &Envoy) -> Result<()> {
    let judged = Judged::new(envoy, vec![with_status(204), with_status(304)]).await?;
    for (case, status) in [("0", 204), ("1", 304)] {
        let request = |method: &str| judged.request(method).header("case", case);
        // Once that ends, there is no difference any more.
        assert_eq!(request("GET").http2().send().await?.text(), "fault filter abort");
        for listener in &judged.ours {
            let connections = [listener.connect().await?, listener.connect_http2().await?];
            for mut connection in connections {
                for method in ["GET", "HEAD", "GET", "GET"] {
                    let answer = connection.send(request(method)).await?;
                    assert_eq!((answer.status, answer.text().as_str()), (status, ""), "{answer}");
                    for absent in ["content-length", "content-type", "transfer-encoding"] {
                        assert_eq!(answer.header(absent), None, "{answer}");
                    }
                }
            }
            // What this client sees is not made sense of by anybody: nothing stands between the answers.
            let mut raw = RawHttp1::open(listener.address()).await?;
            for _ in 0..3 {
                raw.write(format!("GET / HTTP/1.1\r\nhost: h\r\ncase: {case}\r\n\r\n").as_bytes()).await;
                let answer = raw.answer().await?;
                assert_eq!((answer.status(), raw.is_idle()), (status, true), "{answer:?}");
            }
        }
    }
    Ok(())
}

async fn a_delay_and_an_abort(envoy: &Envoy) -> Result<()> {
    let delay = json!({"fixedDelay": "0.03s"});
    let cases = [
        json!({"delay": delay}),
        json!({"delay": delay, "abort": {"httpStatus": 503}}),
        json!({"delay": delay, "abort": {"httpStatus": 400}}),
        json!({"delay": delay, "abort": {"grpcStatus": "DATA_LOSS"}}),
    ];
    let judged = Judged::new(envoy, cases.map(Case::new).into()).await?;
    judged.same(&requests(&judged)).await
}

/// More than Envoy buffers: the rest is read when the delay is over.
async fn a_body_waits(envoy: &Envoy) -> Result<()> {
    let delay = json!({"fixedDelay": "0.1s"});
    let judged = Judged::new(envoy, vec![Case::new(json!({"delay": delay}))]).await?;
    judged.same(&[judged.request("POST").body(vec![b'x'; 5_000_000])]).await
}
