//! HTTP/1, upgrades, and tunnels: whatever has a request counts.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, RawHttp1, Test, tests};
use serde_json::{Value, json};

use super::super::bucket;
use super::{Case, Judged, request};

pub fn tests() -> Vec<Test> {
    tests![in_http1, upgrades]
}

/// An answer's head without what differs, its lines in order, and its body.
fn shown(outcome: &envoy_test::Outcome) -> Vec<String> {
    let envoy_test::Outcome::Answer(answer) = outcome else { return vec![format!("{outcome:?}")] };
    let head = String::from_utf8_lossy(&answer.head).into_owned();
    let varies = ["date:", "x-envoy-upstream-service-time:", "retry-after:", "x-request-id:"];
    let lines = head.lines().filter(|line| !varies.iter().any(|name| line.starts_with(name)));
    let lines = lines.map(|line| match line.split_once("x-ratelimit-reset: ") {
        Some((_, seconds)) => format!("reset {}", super::minutes(seconds)),
        None => line.to_owned(),
    });
    let mut lines: Vec<String> =
        lines.filter(|line| answer.status == 429 || !line.starts_with("content-length")).collect();
    lines.sort();
    if answer.status != 200 {
        lines.push(String::from_utf8_lossy(&answer.body).into_owned());
    }
    lines
}

/// The same bytes to all, on connections of their own, so many times; the last are refused.
async fn same(judged: &Judged, bytes: &str, times: usize) -> Result<()> {
    let mut all = Vec::new();
    for listener in judged.listeners() {
        let mut answers = Vec::new();
        for _ in 0..times {
            let mut connection = RawHttp1::open(listener.address()).await?;
            connection.write(bytes.as_bytes()).await;
            let outcome = connection.any_answer(bytes.starts_with("HEAD")).await?;
            answers.push(shown(&outcome));
        }
        all.push(answers);
    }
    assert!(all[0].last().is_some_and(|last| last.iter().any(|line| line.contains(" 429 "))), "{all:#?}");
    for ours in &all[1..] {
        assert_eq!(all[0], *ours, "{bytes}");
    }
    Ok(())
}

fn case(size: u32) -> Case {
    Case::new(json!({"tokenBucket": bucket(size)}), Value::Null, [request("/", &[])])
}

async fn in_http1(envoy: &Envoy) -> Result<()> {
    let requests = [
        "GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: h\r\n\r\n",
        "HEAD / HTTP/1.1\r\nhost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        "POST /p.S/M HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n",
    ];
    let cases = requests.iter().map(|_| case(1)).collect();
    let listener = ListenerConfig::new().manager(json!({"http_protocol_options": {"accept_http_10": true}}));
    let judged = Judged::on(envoy, listener, json!({"route": {"cluster": "default"}}), cases).await?;
    for (number, request) in requests.iter().enumerate() {
        let request = request.replacen("\r\n", &format!("\r\ncase: {number}\r\n"), 1);
        if request.contains("grpc") {
            // Its refusal has 200, so it is not seen by its status.
            let plain = format!("GET / HTTP/1.1\r\nhost: h\r\ncase: {number}\r\n\r\n");
            same(&judged, &plain, 2).await?;
            let mut refusals = Vec::new();
            for listener in judged.listeners() {
                refusals.push(shown(&RawHttp1::ask(listener.address(), &request).await?));
            }
            assert!(refusals[0].contains(&"grpc-status: 14".to_owned()), "{refusals:#?}");
            assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:#?}");
        } else {
            same(&judged, &request, 3).await?;
        }
    }
    Ok(())
}

async fn upgrades(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("no websocket").await?;
    let upgrades = json!({"upgrade_configs": [{"upgrade_type": "websocket"}]});
    let route = json!({"route": {"cluster": upstream.name()}});
    let listener = ListenerConfig::new().manager(upgrades);
    let judged = Judged::on(envoy, listener, route, vec![case(2)]).await?;
    let upgrade = "GET / HTTP/1.1\r\nhost: h\r\ncase: 0\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    same(&judged, upgrade, 4).await?;
    // Envoy refuses one of another kind before any filter has seen it: it takes nothing.
    let judged = Judged::new(envoy, vec![case(1)]).await?;
    for listener in judged.listeners() {
        assert_eq!(RawHttp1::ask(listener.address(), upgrade).await?.status(), 403);
        assert_eq!(listener.get("/").header("case", "0").send().await?.status, 200);
        assert_eq!(listener.get("/").header("case", "0").send().await?.status, 429);
    }
    Ok(())
}
