//! How fast, how evenly and at what cost of memory responses are slowed down, beside Envoy's own fault filter.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use envoy_test::{
    Envoy, EnvoyConfig, Listener, ListenerConfig, Reply, Test, Upstream, UpstreamConfig, module, routes, tests,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::many::memory;

pub fn tests() -> Vec<Test> {
    tests![as_slow_as_envoys_own, never_more_than_the_limit, the_buffers_bound_the_memory]
}

/// Who slows down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Pointsman,
    Envoy,
}

/// How large Envoy's buffers are: 32 KiB, as for an edge proxy, or what they are when nothing is said.
#[derive(Debug, Clone, Copy)]
enum Buffers {
    Small,
    Default,
}

/// A listener whose responses are slowed down, and its upstream.
struct Slow {
    listener: Listener,
    kib_a_second: u64,
    size: usize,
    _upstream: Upstream,
}

impl Slow {
    async fn new(envoy: &Envoy, by: By, buffers: Buffers, kib_a_second: u64, size: usize) -> Result<Self> {
        let buffers = match buffers {
            Buffers::Small => json!({"per_connection_buffer_limit_bytes": 32_768}),
            Buffers::Default => json!({}),
        };
        let upstream = envoy.add_upstream(UpstreamConfig::new("slow").cluster(buffers.clone())).await?;
        upstream.script([Reply::status(200).body(vec![b'x'; size])]);
        let config = ListenerConfig::new().routes([routes::catch_all(upstream.name())]).listener(buffers);
        let config = match by {
            By::Pointsman => {
                let throughput = json!({"limitKbps": kib_a_second, "percentage": {"value": 100}});
                let policy = json!({"faults": [{"name": "slow", "fault": {"throughput": throughput}}]});
                config.module(module("pointsman")?).policy(policy)
            }
            By::Envoy => config.filter_before(envoys_own(kib_a_second)),
        };
        Ok(Self { listener: envoy.add_listener(config).await?, kib_a_second, size, _upstream: upstream })
    }

    /// How long a response takes.
    async fn time(&self, http2: bool) -> Result<Duration> {
        let (start, request) = (Instant::now(), self.listener.get("/"));
        let answer = if http2 { request.http2() } else { request }.send().await?;
        ensure!(answer.body.len() == self.size, "{} bytes", answer.body.len());
        Ok(start.elapsed())
    }

    /// A request, whose response is to be read.
    async fn begin(&self) -> Result<TcpStream> {
        let mut client = TcpStream::connect(self.listener.address()).await?;
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        Ok(client)
    }
}

fn envoys_own(kib_a_second: u64) -> Value {
    json!({
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "response_rate_limit": {"fixed_limit": {"limit_kbps": kib_a_second}, "percentage": {"numerator": 100}},
        },
    })
}

/// Both at the same time, so that what else the machine does slows them down alike.
async fn as_slow_as_envoys_own(envoy: &Envoy) -> Result<()> {
    for (buffers, kib_a_second, size) in [
        (Buffers::Default, 128, 256 << 10),
        (Buffers::Default, 1024, 2 << 20),
        (Buffers::Default, 2048, 4 << 20),
        (Buffers::Small, 1024, 2 << 20),
    ] {
        let ours = Slow::new(envoy, By::Pointsman, buffers, kib_a_second, size).await?;
        let theirs = Slow::new(envoy, By::Envoy, buffers, kib_a_second, size).await?;
        for http2 in [false, true] {
            let (ours, theirs) = tokio::try_join!(ours.time(http2), theirs.time(http2))?;
            let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
            println!(
                "{} KiB at {kib_a_second} KiB/s, HTTP/{}, {buffers:?} buffers: {ours:.3?}, Envoy's own filter \
                 {theirs:.3?}: {ratio:.3} of it",
                size >> 10,
                if http2 { 2 } else { 1 },
            );
            assert!((0.75..1.25).contains(&ratio), "{ours:?}, {theirs:?}");
        }
    }
    Ok(())
}

/// At no moment has a client more than the limit has let through, whatever the size of the parts.
async fn never_more_than_the_limit(envoy: &Envoy) -> Result<()> {
    for buffers in [Buffers::Default, Buffers::Small] {
        for by in [By::Pointsman, By::Envoy] {
            let slow = Slow::new(envoy, by, buffers, 1024, 3 << 20).await?;
            let start = Instant::now();
            let mut client = slow.begin().await?;
            let (mut received, mut parts, mut last) = (0, Vec::new(), start);
            let mut piece = vec![0; 1 << 20];
            // The headers are few bytes more.
            while received < slow.size {
                let bytes = client.read(&mut piece).await?;
                ensure!(bytes > 0, "{received} bytes");
                received += bytes;
                let limit = (start.elapsed().as_secs_f64() + 0.05) * (slow.kib_a_second << 10) as f64;
                assert!(by == By::Envoy || received as f64 <= limit + 500.0, "{received} of {limit}");
                // What comes without a pause is one part.
                let is_new = last.elapsed() > Duration::from_millis(10);
                last = Instant::now();
                match parts.last_mut() {
                    Some(part) if !is_new => *part += bytes,
                    _ => parts.push(bytes),
                }
            }
            parts.sort_unstable();
            println!(
                "3 MiB at 1 MiB/s by {by:?}, {buffers:?} buffers: {} parts, {} KiB (median), {} KiB (largest)",
                parts.len(),
                parts[parts.len() / 2] >> 10,
                parts[parts.len() - 1] >> 10,
            );
        }
    }
    Ok(())
}

/// By how much Envoy grows with so many responses under way, each of which would fill much more.
async fn growth(by: By, buffers: Buffers, kib_a_second: u64) -> Result<f64> {
    const CLIENTS: usize = 50;
    let envoy = EnvoyConfig::new().start().await?;
    let slow = Slow::new(&envoy, by, buffers, kib_a_second, 16 << 20).await?;
    // What the first response takes, it takes only once.
    drop(slow.begin().await?);
    slow.listener.access_log(1).await?;
    let before = memory(&envoy)?;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = slow.begin().await?;
        clients.spawn(async move {
            let mut received = 0;
            let mut piece = vec![0; 64 << 10];
            while received < piece.len() {
                received += client.read(&mut piece).await?;
            }
            anyhow::Ok(client)
        });
    }
    // All of them stay until the last one is as far.
    let (mut under_way, mut most) = (Vec::new(), before);
    while under_way.len() < CLIENTS {
        if let Ok(Some(client)) = tokio::time::timeout(Duration::from_millis(5), clients.join_next()).await {
            under_way.push(client??);
        }
        most = most.max(memory(&envoy)?);
    }
    Ok(most - before)
}

async fn the_buffers_bound_the_memory(_: &Envoy) -> Result<()> {
    for (buffers, kib_a_second, more) in [(Buffers::Small, 64, 12.5), (Buffers::Default, 1024, 100.0)] {
        let ours = growth(By::Pointsman, buffers, kib_a_second).await?;
        let theirs = growth(By::Envoy, buffers, kib_a_second).await?;
        println!(
            "50 responses of 16 MiB at {kib_a_second} KiB/s, {buffers:?} buffers: Envoy grows by {ours:.1} MiB, with its \
             own filter by {theirs:.1} MiB"
        );
        // A few times the buffers; the bodies are 800 MiB.
        assert!(ours <= theirs + more, "{ours} MiB, {theirs} MiB");
    }
    Ok(())
}
