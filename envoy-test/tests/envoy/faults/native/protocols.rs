//! What HTTP/1.1 can do besides requests and answers, while a request is delayed and when it is aborted.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Outcome, RawHttp1, Test, Upstream, UpstreamConfig, tests};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Case, Judged};

pub fn tests() -> Vec<Test> {
    tests![a_websocket, continued]
}

/// The head without the time, and the body.
fn seen(outcome: &Outcome) -> Vec<String> {
    let Outcome::Answer(answer) = outcome else { return vec![format!("{outcome:?}")] };
    let head = String::from_utf8_lossy(&answer.head).into_owned();
    let changes = ["date:", "x-request-id:", "x-envoy-upstream-service-time:"];
    let lines = head.lines().filter(|line| !changes.iter().any(|name| line.starts_with(name))).map(str::to_owned);
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    let body = match outcome.echo() {
        Some(echo) => format!("{} {:?} {}", echo.method, echo.header("expect"), echo.body_length),
        None => answer.body.escape_ascii().to_string(),
    };
    lines.push(body);
    lines
}

fn cases(upstream: &str) -> [Case; 4] {
    let (delay, abort) = (json!({"fixedDelay": "0.1s"}), json!({"httpStatus": 503}));
    [
        json!({"delay": delay}),
        json!({"abort": abort}),
        json!({"delay": delay, "abort": abort}),
        json!({"abort": {"grpcStatus": "UNAVAILABLE"}}),
    ]
    .map(|fault| Case::to(upstream, fault))
}

/// A service that agrees to each upgrade and then sends back what it gets; its server ends with the set.
async fn echo_of_bytes(envoy: &Envoy) -> Result<(Upstream, JoinSet<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut bytes = Vec::new();
                while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                    if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                        return;
                    }
                }
                let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
                let head =
                    &b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"[..];
                let _ = stream.write_all(&[head, &bytes[end..]].concat()).await;
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    let endpoint = json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}});
    let endpoints = json!({"load_assignment": {"endpoints": [{"lb_endpoints": [endpoint]}]}});
    Ok((envoy.add_upstream(UpstreamConfig::new("socket").cluster(endpoints)).await?, server))
}

/// It is delayed as any request, and what the client says meanwhile is kept.
async fn a_websocket(envoy: &Envoy) -> Result<()> {
    let (upstream, _server) = echo_of_bytes(envoy).await?;
    let config = ListenerConfig::new().manager(json!({"upgrade_configs": [{"upgrade_type": "websocket"}]}));
    let judged = Judged::on(envoy, config, cases(upstream.name()).into()).await?;
    for (case, status) in [(0, 101), (1, 503), (2, 503), (3, 200)] {
        let mut shown = Vec::new();
        for listener in judged.listeners() {
            let mut socket = RawHttp1::open(listener.address()).await?;
            let head = "GET / HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n";
            socket.write(format!("{head}case: {case}\r\n\r\n").as_bytes()).await;
            if status == 101 {
                socket.write(b"early").await;
            }
            let answer = socket.any_answer(false).await?;
            assert_eq!(answer.status(), status, "{answer:?}");
            shown.push(seen(&answer));
            if status == 101 {
                socket.write(b" and late").await;
                assert_eq!(socket.read(14).await?, b"early and late");
            }
        }
        assert!(shown.iter().all(|other| *other == shown[0]), "{case}: {shown:#?}");
    }
    Ok(())
}

/// `100 Continue`, by Envoy itself at once, or by the upstream when it has the request; for an aborted one in the second
/// case not at all.
async fn continued(envoy: &Envoy) -> Result<()> {
    for proxied in [false, true] {
        let config = ListenerConfig::new().manager(json!({"proxy_100_continue": proxied}));
        let judged = Judged::on(envoy, config, cases("default").into()).await?;
        for (case, status) in [(0, 200), (1, 503), (2, 503), (3, 200)] {
            let mut shown = Vec::new();
            for listener in judged.listeners() {
                let mut client = RawHttp1::open(listener.address()).await?;
                let head = "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n";
                client.write(format!("{head}case: {case}\r\n\r\n").as_bytes()).await;
                let first = client.any_answer(false).await?;
                assert_eq!(first.status(), if proxied && case > 0 { status } else { 100 }, "{first:?}");
                let last = if first.status() == 100 {
                    // After an abort nobody may be there to read it.
                    client.write(b"12345").await;
                    client.any_answer(false).await?
                } else {
                    first.clone()
                };
                assert_eq!(last.status(), status, "{last:?}");
                shown.push([seen(&first), seen(&last)]);
            }
            assert!(shown.iter().all(|other| *other == shown[0]), "{proxied} {case}: {shown:#?}");
        }
    }
    Ok(())
}
