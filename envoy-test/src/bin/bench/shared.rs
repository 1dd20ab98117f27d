//! What limits cost that are shared: two workers on one bucket beside two workers on buckets of their own; and how often
//! a rate-limit service is asked, when an answer can be remembered and when not.

use std::time::Instant;

use anyhow::{Result, bail};
use envoy_test::{Connection, Envoy, EnvoyConfig, Listener, ListenerConfig, Reply, UpstreamConfig, module};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cpu_time::Workers;
use crate::limits::{HEADER, bucket, by_value};
use crate::one_worker;
use crate::table::Samples;

/// Of both workers together. Each connection has a key of its own, or all have the same.
const CONNECTIONS: usize = 8;
/// A turn: on each connection so many requests, one after the other.
const REQUESTS: usize = 400;
const TURNS: usize = 25;
/// To the rate-limit service's client.
const ASKED: usize = 2000;

pub async fn print() -> Result<()> {
    println!("\nTwo workers that take from one bucket, beside two that take from buckets of their own:\n");
    println!("{:<24} {:>14} {:>14} {:>7} {:>14} {:>12}", "", "own buckets", "one bucket", "ratio", "CPU ns", "gave up");
    let never = json!({"maxTokens": 1, "tokensPerFill": 1, "fillInterval": "86400s"});
    for (name, bucket, status) in [("each is admitted", bucket(), 200), ("each is refused", never, 429)] {
        let TwoWorkers { own, one, gave_up } = two_workers(&bucket, status).await?;
        let middle = |samples: &Samples| samples.percentile(0.5).unwrap_or_default();
        println!(
            "{name:<24} {:>12.0}/s {:>12.0}/s {:>7.2} {:>6.0} {:>7.0} {gave_up:>12}",
            middle(&own.rate),
            middle(&one.rate),
            middle(&one.rate) / middle(&own.rate),
            middle(&own.nanoseconds),
            middle(&one.nanoseconds),
        );
    }

    println!("\nThe rate-limit service: how often it is asked, and the worker's CPU time.\n");
    println!("{:<50} {:>16} {:>12}", "", "calls a request", "CPU ns");
    for (name, answer, status) in [
        ("the key is within its limit", answer(OK, true), 200),
        ("it is not, and nobody says until when", answer(OVER_LIMIT, false), 429),
        ("it is not, for a minute (near-cache)", answer(OVER_LIMIT, true), 429),
    ] {
        let (calls, nanoseconds) = service(answer, status).await?;
        println!("{name:<50} {calls:>16.4} {nanoseconds:>12.0}");
    }
    Ok(())
}

/// Requests a second, and CPU time a request.
#[derive(Default)]
struct Measured {
    rate: Samples,
    nanoseconds: Samples,
}

struct TwoWorkers {
    own: Measured,
    one: Measured,
    /// Refused since another worker changed the bucket all the time.
    gave_up: u64,
}

async fn two_workers(bucket: &Value, status: u16) -> Result<TwoWorkers> {
    let envoy = EnvoyConfig::new().concurrency(2).bootstrap(json!({"stats_flush_interval": "299s"})).start().await?;
    let limit = by_value([String::new()].into_iter(), bucket);
    // Half of the connections each: left to chance, one worker might have them all.
    let balanced = json!({"connection_balance_config": {"exact_balance": {}}});
    let listener = envoy.add_listener(limited(limit)?.listener(balanced)).await?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(listener.connect().await?);
    }
    let workers = Workers::of(envoy.pid())?;
    let begin = workers.each()?;
    let [mut own, mut one] = [Measured::default(), Measured::default()];
    for turn in 0..=TURNS {
        for (measured, is_one) in [(&mut own, false), (&mut one, true)] {
            let key = |connection: usize| if is_one { "all".to_owned() } else { format!("connection {connection}") };
            let (start, before) = (Instant::now(), workers.nanoseconds()?);
            // The first turn empties the buckets that are to be empty.
            send(&listener, &mut connections, key, (turn > 0).then_some(status)).await?;
            if turn > 0 {
                let requests = (CONNECTIONS * REQUESTS) as f64;
                measured.rate.push(requests / start.elapsed().as_secs_f64());
                measured.nanoseconds.push((workers.nanoseconds()? - before) / requests);
            }
        }
    }
    let ran: Vec<f64> = workers.each()?.iter().zip(begin).map(|(end, begin)| end - begin).collect();
    if ran.iter().any(|worker| *worker * 4.0 < ran.iter().sum()) {
        bail!("the workers had not the same to do: {ran:?} ns");
    }
    let metrics = envoy.admin().stats("wasmcustom.").await?;
    let gave_up = metrics.iter().filter(|(name, _)| name.contains("pointsman_rate_limit_contended"));
    Ok(TwoWorkers { own, one, gave_up: gave_up.map(|(_, count)| count).sum() })
}

/// A turn on all connections at once.
async fn send(
    listener: &Listener,
    connections: &mut Vec<Connection>,
    key: impl Fn(usize) -> String,
    expected: Option<u16>,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    for (number, mut connection) in connections.drain(..).enumerate() {
        let request = listener.get("/").header(HEADER, key(number));
        tasks.spawn(async move {
            for _ in 0..REQUESTS {
                let answer = connection.send(request.clone()).await?;
                if expected.is_some_and(|status| answer.status != status) {
                    bail!("expected {expected:?}, got {answer}");
                }
            }
            Ok(connection)
        });
    }
    while let Some(connection) = tasks.join_next().await {
        connections.push(connection??);
    }
    Ok(())
}

/// Calls a request, and CPU time a request.
async fn service(answer: Vec<u8>, status: u16) -> Result<(f64, f64)> {
    let envoy = one_worker().start().await?;
    let service = envoy.add_upstream(UpstreamConfig::new("service").http2()).await?;
    let grpc = Reply::status(200).header("content-type", "application/grpc").trailer("grpc-status", "0");
    service.script([grpc.body(answer)]);
    let limit = json!({
        "actions": [{"requestHeaders": {"headerName": HEADER, "descriptorKey": "user"}}],
        "global": {"domain": "bench", "cluster": service.name(), "timeout": "10s", "failureModeDeny": true},
    });
    let listener = envoy.add_listener(limited(limit)?).await?;
    let mut connection = listener.connect().await?;
    let worker = Workers::of(envoy.pid())?;
    let before = worker.nanoseconds()?;
    for _ in 0..ASKED {
        let answer = connection.send(listener.get("/").header(HEADER, "hot")).await?;
        if answer.status != status {
            bail!("expected {status}, got {answer}");
        }
    }
    let nanoseconds = (worker.nanoseconds()? - before) / ASKED as f64;
    let calls = calls(&envoy, service.name()).await?;
    Ok((calls as f64 / ASKED as f64, nanoseconds))
}

async fn calls(envoy: &Envoy, cluster: &str) -> Result<u64> {
    envoy.admin().stat(&format!("cluster.{cluster}.upstream_rq_total")).await
}

/// Envoy itself answers what is admitted: a service behind it would be slower than two workers.
fn limited(limit: Value) -> Result<ListenerConfig> {
    let answers = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200}});
    let plain = ListenerConfig::new().routes([answers]).manager(json!({"access_log": null}));
    Ok(plain.module(module("pointsman-rate-limit")?).policy(json!({"rateLimits": [limit]})))
}

const OK: u8 = 1;
const OVER_LIMIT: u8 = 2;

/// A `RateLimitResponse` with one status, of a limit of 5 a minute, framed as gRPC does it.
fn answer(code: u8, says_when: bool) -> Vec<u8> {
    // code, current_limit {requests_per_unit: 5, unit: MINUTE}, and duration_until_reset {seconds: 60}
    let mut status = vec![0x08, code, 0x12, 4, 0x08, 5, 0x10, 2];
    if says_when {
        status.extend([0x22, 2, 0x08, 60]);
    }
    let mut message = vec![0x08, code, 0x12, status.len() as u8];
    message.extend(status);
    [vec![0, 0, 0, 0, message.len() as u8], message].concat()
}
