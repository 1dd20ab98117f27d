//! How a filter holds a response's body and lets it go, with the test-only filter `paces`: its callback takes the place of
//! the SDK's, and a tick resumes.

use anyhow::Result;
use envoy_test::{
    Envoy, Listener, ListenerConfig, Mark, Reply, Test, Upstream, UpstreamConfig, routes, test_module, tests,
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

pub fn tests() -> Vec<Test> {
    tests![
        a_body_arrives_whole,
        trailers_come_after_the_body,
        nothing_is_held_of_a_small_body,
        a_client_leaves_while_its_body_is_held,
        an_upstream_breaks_off_while_its_body_is_held,
    ]
}

/// Small buffers, so that a body of some size has to wait at the upstream.
fn small_buffers() -> Value {
    json!({"per_connection_buffer_limit_bytes": 32_768})
}

async fn upstream(envoy: &Envoy, http2: bool) -> Result<Upstream> {
    let config = UpstreamConfig::new("paced").cluster(small_buffers());
    envoy.add_upstream(if http2 { config.http2() } else { config }).await
}

async fn listener(envoy: &Envoy, upstream: &Upstream, kib_a_second: u32) -> Result<Listener> {
    let config = ListenerConfig::new()
        .module(test_module("paces")?)
        .policy(kib_a_second.to_string().as_str())
        .routes([routes::catch_all(upstream.name())])
        .listener(small_buffers());
    envoy.add_listener(config).await
}

/// What the filter did: `holds 16384 bytes`, `lets 16384 bytes go`.
fn deeds(log: &[String]) -> Vec<&str> {
    log.iter().filter_map(|entry| Some(&entry[entry.find("holds ").or_else(|| entry.find("lets "))?..])).collect()
}

/// Bytes that are not the same everywhere.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 251 + place % 251) as u8).collect()
}

/// Ten times what the buffers have room for, in every pairing of protocols.
async fn a_body_arrives_whole(envoy: &Envoy) -> Result<()> {
    let body = body(4_000_000);
    for (to_upstream, from_client) in [(false, false), (false, true), (true, false), (true, true)] {
        let upstream = upstream(envoy, to_upstream).await?;
        upstream.script([Reply::status(200).body(body.clone())]);
        let listener = listener(envoy, &upstream, 40_000).await?;
        let (mark, request) = (listener.mark(), listener.get("/"));
        let answer = if from_client { request.http2() } else { request }.send().await?;
        assert!((answer.status, &answer.body[..]) == (200, &body[..]), "{} {}", answer.status, answer.body.len());
        let log = listener.log_since(mark);
        let deeds = deeds(&log);
        assert!(deeds.iter().any(|deed| deed.starts_with("holds ")), "{deeds:?}");
        // The end waits for what comes before it.
        assert!(deeds.last().is_some_and(|deed| deed.starts_with("lets ")), "{deeds:?}");
    }
    Ok(())
}

async fn trailers_come_after_the_body(envoy: &Envoy) -> Result<()> {
    let body = body(100_000);
    let upstream = upstream(envoy, true).await?;
    upstream.script([Reply::status(200).body(body.clone()).trailer("grpc-status", "7")]);
    let listener = listener(envoy, &upstream, 500).await?;
    let mark = listener.mark();
    let answer = listener.get("/").http2().send().await?;
    assert!((answer.status, &answer.body[..]) == (200, &body[..]), "{} {}", answer.status, answer.body.len());
    assert_eq!(answer.trailers.get("grpc-status").map(|status| status.as_bytes()), Some(&b"7"[..]));
    let log = listener.log_since(mark);
    let deeds = deeds(&log);
    assert!(deeds.last().is_some_and(|deed| deed.starts_with("lets ")), "{deeds:?}");
    Ok(())
}

async fn nothing_is_held_of_a_small_body(envoy: &Envoy) -> Result<()> {
    let upstream = upstream(envoy, false).await?;
    upstream.script([
        Reply::status(204).body("").times(1),
        Reply::status(304).body("").times(1),
        Reply::close().times(1),
        Reply::status(201).body("x".repeat(400)),
    ]);
    let listener = listener(envoy, &upstream, 10).await?;
    let mark = listener.mark();
    let mut connection = listener.connect().await?;
    for (method, status) in [("GET", 204), ("GET", 304), ("GET", 503), ("HEAD", 201), ("GET", 201)] {
        let answer = connection.send(listener.request(method, "/")).await?;
        assert_eq!((method, answer.status), (method, status), "{answer}");
        assert_eq!(answer.body.len() == 400, (method, status) == ("GET", 201), "{answer}");
    }
    assert_eq!(deeds(&listener.log_since(mark)), [""; 0]);
    Ok(())
}

/// Begins a request and waits until some of its body is held.
async fn begin(listener: &Listener) -> Result<TcpStream> {
    let mark = listener.mark();
    let mut client = TcpStream::connect(listener.address()).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    listener.logged(mark, "holds ").await?;
    Ok(client)
}

async fn a_client_leaves_while_its_body_is_held(envoy: &Envoy) -> Result<()> {
    const CLIENTS: usize = 10;
    let upstream = upstream(envoy, false).await?;
    upstream.script([Reply::status(200).body(body(20_000)).times(CLIENTS), later()]);
    let listener = listener(envoy, &upstream, 10).await?;
    let mark = listener.mark();
    for _ in 0..CLIENTS {
        drop(begin(&listener).await?);
    }
    let left = listener.access_log(CLIENTS).await?;
    assert!(left.iter().all(|line| line["flags"] == "DC"), "{left:?}");
    everything_is_well(&listener, mark).await
}

async fn an_upstream_breaks_off_while_its_body_is_held(envoy: &Envoy) -> Result<()> {
    const TIMES: usize = 2;
    let upstream = upstream(envoy, false).await?;
    let half = [&b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n"[..], &body(10_000)].concat();
    upstream.script([Reply::garbage(half).times(TIMES), later()]);
    let listener = listener(envoy, &upstream, 10).await?;
    let mark = listener.mark();
    for _ in 0..TIMES {
        assert!(listener.get("/").send().await.is_err());
    }
    everything_is_well(&listener, mark).await
}

const LATER: usize = 12_000;

fn later() -> Reply {
    Reply::status(200).body(body(LATER))
}

/// Later bodies are held and let go, past the times when those before them were due; nobody is resumed that is gone.
async fn everything_is_well(listener: &Listener, mark: Mark) -> Result<()> {
    for _ in 0..2 {
        let answer = listener.get("/").send().await?;
        assert!((answer.status, &answer.body[..]) == (200, &body(LATER)[..]), "{answer}");
    }
    let log = listener.log_since(mark);
    assert!(!log.iter().any(|entry| entry.contains("[error]")), "{log:#?}");
    let resumed: Vec<&str> = deeds(&log).into_iter().filter(|deed| deed.starts_with("lets ")).collect();
    assert_eq!(resumed, ["lets 12000 bytes go"; 2]);
    Ok(())
}
