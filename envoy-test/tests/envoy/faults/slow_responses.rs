//! Responses that are slowed down: nothing of them is lost, and nothing comes too early.

use std::time::{Duration, Instant};

use anyhow::Result;
use envoy_test::{
    Envoy, Listener, ListenerConfig, RawHttp2, Reply, Test, Upstream, UpstreamConfig, module, routes, tests,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::many::{active, stat, well};

pub fn tests() -> Vec<Test> {
    tests![
        a_body_arrives_whole,
        a_hundred_megabytes_arrive_whole,
        trailers_come_after_the_body,
        a_request_says_how_slow,
        an_answer_without_a_body,
        a_client_leaves_while_its_body_is_held,
        an_upstream_breaks_off_while_its_body_is_held,
    ]
}

/// Small buffers, so that a body of some size has to wait at the upstream.
fn small_buffers() -> Value {
    json!({"per_connection_buffer_limit_bytes": 32_768})
}

async fn upstream(envoy: &Envoy, http2: bool) -> Result<Upstream> {
    let config = UpstreamConfig::new("slowed").cluster(small_buffers());
    envoy.add_upstream(if http2 { config.http2() } else { config }).await
}

async fn listener(envoy: &Envoy, upstream: &Upstream, name: &str, throughput: Value) -> Result<Listener> {
    let config = ListenerConfig::new()
        .module(module("pointsman")?)
        .policy(json!({"faults": [{"name": name, "fault": {"throughput": throughput}}]}))
        .routes([routes::catch_all(upstream.name())])
        .listener(small_buffers());
    envoy.add_listener(config).await
}

/// All responses, that slow.
fn fixed(kib_a_second: u64) -> Value {
    json!({"limitKbps": kib_a_second, "percentage": {"value": 100}})
}

/// Bytes that are not the same everywhere.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 251 + place % 251) as u8).collect()
}

/// How long that takes at least. What could pass in the first 50 ms may come at once.
fn least(bytes: usize, kib_a_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / (kib_a_second * 1024) as f64 - 0.05)
}

/// Sixty times what the buffers have room for, in every pairing of protocols.
async fn a_body_arrives_whole(envoy: &Envoy) -> Result<()> {
    let body = body(4_000_000);
    for (to_upstream, from_client) in [(false, false), (false, true), (true, false), (true, true)] {
        let upstream = upstream(envoy, to_upstream).await?;
        upstream.script([Reply::status(200).body(body.clone())]);
        let listener = listener(envoy, &upstream, "whole", fixed(8_000)).await?;
        let (start, request) = (Instant::now(), listener.get("/"));
        let answer = if from_client { request.http2() } else { request }.send().await?;
        assert!(start.elapsed() >= least(body.len(), 8_000), "{:?}", start.elapsed());
        assert!((answer.status, &answer.body[..]) == (200, &body[..]), "{} {}", answer.status, answer.body.len());
    }
    Ok(())
}

/// With Envoy's own buffers, of a mebibyte.
async fn a_hundred_megabytes_arrive_whole(envoy: &Envoy) -> Result<()> {
    let body = body(100_000_000);
    let upstream = envoy.upstream("large").await?;
    upstream.script([Reply::status(200).body(body.clone())]);
    let policy = json!({"faults": [{"name": "large", "fault": {"throughput": fixed(1 << 20)}}]});
    let config = ListenerConfig::new().module(module("pointsman")?).policy(policy);
    let listener = envoy.add_listener(config.routes([routes::catch_all(upstream.name())])).await?;
    for http2 in [false, true] {
        let request = listener.get("/");
        let answer = if http2 { request.http2() } else { request }.send().await?;
        assert!((answer.status, &answer.body[..]) == (200, &body[..]), "{} {}", answer.status, answer.body.len());
    }
    assert_eq!(stat(envoy, "large", "response_rl_injected").await?, 2);
    Ok(())
}

async fn trailers_come_after_the_body(envoy: &Envoy) -> Result<()> {
    let body = body(100_000);
    let upstream = upstream(envoy, true).await?;
    upstream.script([Reply::status(200)
        .header("content-type", "application/grpc")
        .body(body.clone())
        .trailer("grpc-status", "7")]);
    let listener = listener(envoy, &upstream, "trailers", fixed(200)).await?;
    let (start, request) = (Instant::now(), listener.post("/").header("content-type", "application/grpc"));
    let answer = request.http2().send().await?;
    // Had they gone on when they came, they would have taken the body along.
    assert!(start.elapsed() >= least(body.len(), 200), "{:?}", start.elapsed());
    assert!((answer.status, &answer.body[..]) == (200, &body[..]), "{} {}", answer.status, answer.body.len());
    assert_eq!(answer.trailers.get("grpc-status").map(|status| status.as_bytes()), Some(&b"7"[..]));
    Ok(())
}

async fn a_request_says_how_slow(envoy: &Envoy) -> Result<()> {
    let body = body(100_000);
    let upstream = upstream(envoy, false).await?;
    upstream.script([Reply::status(200).body(body.clone())]);
    let by_header = json!({"headerLimit": {}, "percentage": {"value": 100}});
    let listener = listener(envoy, &upstream, "as slow as asked", by_header).await?;
    // The last one is no number: it is not slowed down.
    for (header, least) in
        [("200", least(body.len(), 200)), ("1000", least(body.len(), 1000)), ("none", Duration::ZERO)]
    {
        let start = Instant::now();
        let answer = listener.get("/").header("x-envoy-fault-throughput-response", header).send().await?;
        assert!(start.elapsed() >= least, "{header}: {:?}", start.elapsed());
        assert!((answer.status, &answer.body[..]) == (200, &body[..]), "{} {}", answer.status, answer.body.len());
    }
    assert_eq!(stat(envoy, "as slow as asked", "response_rl_injected").await?, 2);
    Ok(())
}

async fn an_answer_without_a_body(envoy: &Envoy) -> Result<()> {
    let upstream = upstream(envoy, false).await?;
    upstream.script([
        Reply::status(204).body("").times(1),
        Reply::status(304).body("").times(1),
        Reply::close().times(1),
        Reply::status(201).body("x".repeat(400)),
    ]);
    let listener = listener(envoy, &upstream, "no body", fixed(10)).await?;
    let mark = listener.mark();
    let mut connection = listener.connect().await?;
    for (method, status) in [("GET", 204), ("GET", 304), ("GET", 503), ("HEAD", 201), ("GET", 201)] {
        let answer = connection.send(listener.request(method, "/")).await?;
        assert_eq!((method, answer.status), (method, status), "{answer}");
        assert_eq!(answer.body.len() == 400, (method, status) == ("GET", 201), "{answer}");
    }
    active(envoy, "no body", 0).await?;
    well(envoy, &listener, mark);
    Ok(())
}

/// How much of a body is more than may pass at once, at 10 KiB a second.
const HELD: usize = 20_000;

/// Begins a request and waits until its answer has begun: its body, which is more than may pass, is held.
async fn begin(listener: &Listener) -> Result<TcpStream> {
    let mut client = TcpStream::connect(listener.address()).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut received = Vec::new();
    while !received.windows(4).any(|end| end == b"\r\n\r\n") {
        client.read_buf(&mut received).await?;
    }
    Ok(client)
}

async fn a_client_leaves_while_its_body_is_held(envoy: &Envoy) -> Result<()> {
    const CLIENTS: usize = 10;
    let upstream = upstream(envoy, false).await?;
    upstream.script([Reply::status(200).body(body(HELD)).times(2 * CLIENTS), later()]);
    let listener = listener(envoy, &upstream, "leaves", fixed(10)).await?;
    let mark = listener.mark();
    for _ in 0..CLIENTS {
        let client = begin(&listener).await?;
        active(envoy, "leaves", 1).await?;
        drop(client);
        active(envoy, "leaves", 0).await?;
        let mut client = RawHttp2::open(listener.address()).await?;
        let lines: [(&[u8], &[u8]); 4] =
            [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", b"/")];
        let id = client.begin(&lines, true).await;
        assert_eq!(client.status(id).await, 200);
        active(envoy, "leaves", 1).await?;
        client.cancel(id).await;
        active(envoy, "leaves", 0).await?;
    }
    let left = listener.access_log(2 * CLIENTS).await?;
    assert!(left.iter().all(|line| line["flags"] == "DC" || line["flags"] == "DR"), "{left:?}");
    later_bodies_are_slow_and_whole(&listener).await?;
    active(envoy, "leaves", 0).await?;
    well(envoy, &listener, mark);
    Ok(())
}

async fn an_upstream_breaks_off_while_its_body_is_held(envoy: &Envoy) -> Result<()> {
    const TIMES: usize = 2;
    let upstream = upstream(envoy, false).await?;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {HELD}\r\n\r\n");
    let half = [head.as_bytes(), &body(HELD / 2)].concat();
    upstream.script([Reply::garbage(half).times(TIMES), later()]);
    let listener = listener(envoy, &upstream, "breaks off", fixed(10)).await?;
    let mark = listener.mark();
    for _ in 0..TIMES {
        assert!(listener.get("/").send().await.is_err());
        active(envoy, "breaks off", 0).await?;
    }
    later_bodies_are_slow_and_whole(&listener).await?;
    active(envoy, "breaks off", 0).await?;
    well(envoy, &listener, mark);
    Ok(())
}

const LATER: usize = 12_000;

fn later() -> Reply {
    Reply::status(200).body(body(LATER))
}

/// Past the times when those before them were due.
async fn later_bodies_are_slow_and_whole(listener: &Listener) -> Result<()> {
    for _ in 0..2 {
        let start = Instant::now();
        let answer = listener.get("/").send().await?;
        assert!((answer.status, &answer.body[..]) == (200, &body(LATER)[..]), "{answer}");
        assert!(start.elapsed() >= least(LATER, 10), "{:?}", start.elapsed());
    }
    Ok(())
}
