//! Ten thousand requests that wait at once on one worker.

use std::time::Instant;

use anyhow::{Context as _, Result};
use envoy_test::{Envoy, EnvoyConfig, Listener, ListenerConfig, Test, module, tests};
use serde_json::{Value, json};

use super::many::{Many, active, answers, get, memory, stat, well};

pub fn tests() -> Vec<Test> {
    tests![ten_thousand_with_one_delay, ten_thousand_with_a_delay_each, ten_thousand_due_at_once]
}

const CONNECTIONS: usize = 20;
const EACH: usize = 500;
const CROWD: usize = CONNECTIONS * EACH;

/// So many of each connection are given up one by one, and so many connections are closed.
const RESET: usize = 50;
const CLOSED: usize = 3;

/// Each due so long after it came.
async fn ten_thousand_with_one_delay(_: &Envoy) -> Result<()> {
    let delay = json!({"fixedDelay": "10s", "percentage": {"value": 100}});
    crowd("one delay", delay, |_| 10_000).await
}

/// None due at the time of another.
async fn ten_thousand_with_a_delay_each(_: &Envoy) -> Result<()> {
    // 7919 is a prime: the delays of a connection's requests lie far from each other.
    crowd("delays of their own", by_header(), |number| 8_000 + number as u64 * 7919 % 5_000).await
}

/// All due within a few milliseconds: as they come, the time to that moment is less and less.
async fn ten_thousand_due_at_once(_: &Envoy) -> Result<()> {
    let start = Instant::now();
    let rest = move |_| 13_000u64.saturating_sub(start.elapsed().as_millis() as u64).max(1);
    crowd("one moment to wait for", by_header(), rest).await
}

fn by_header() -> Value {
    json!({"headerDelay": {}, "percentage": {"value": 100}})
}

async fn listener(envoy: &Envoy, delay: Value) -> Result<Listener> {
    let config = ListenerConfig::new()
        .module(module("pointsman")?)
        .policy(json!({"faults": [{"name": "crowd", "fault": {"delay": delay}}]}))
        .routes([answers(200)])
        .manager(json!({"http2_protocol_options": {"max_concurrent_streams": 2 * EACH}}))
        .access_log(json!({
            "begun": "%START_TIME(%s%6f)%",
            "waited": "%COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:us)%",
        }));
    envoy.add_listener(config).await
}

async fn crowd(what: &str, delay: Value, milliseconds: impl Fn(usize) -> u64) -> Result<()> {
    let envoy = EnvoyConfig::new().concurrency(1).start().await?;
    let listener = listener(&envoy, delay).await?;
    let (mark, before) = (listener.mark(), memory(&envoy)?);
    let requests = Many::send(&listener, CONNECTIONS, EACH, |number| {
        let delay = milliseconds(number);
        let mut request = get(&format!("/{delay}"));
        request.headers_mut().insert("x-envoy-fault-delay-request", delay.into());
        request
    });
    let mut requests = requests.await?;
    active(&envoy, "crowd", CROWD).await?;
    let (arrived, mut left) = (memory(&envoy)?, requests.reset(RESET));
    for _ in 0..CLOSED {
        left += requests.close();
    }
    active(&envoy, "crowd", CROWD - left).await?;

    let answers = requests.ended().await?;
    assert_eq!(answers.len(), CROWD - left);
    for answer in &answers {
        let delay: u128 = answer.path.trim_start_matches('/').parse()?;
        assert_eq!(answer.status, 200);
        assert!(answer.took.as_millis() >= delay, "{} took only {:?}", answer.path, answer.took);
    }
    active(&envoy, "crowd", 0).await?;
    assert_eq!(stat(&envoy, "crowd", "delays_injected").await?, CROWD as u64);
    let mut lateness = lateness(&listener, left).await?;
    lateness.sort_unstable();
    let at = |share: usize| lateness[(lateness.len() - 1) * share / 100] as f64 / 1e3;
    println!(
        "{CROWD} requests wait at once on one worker with {what}, {left} of them leave. Late by {:.1} ms (median), {:.1} \
         ms (99 %), {:.1} ms (most). Envoy's memory: {before:.0} MiB before, {arrived:.0} MiB with all, {:.0} MiB after.",
        at(50),
        at(99),
        at(100),
        memory(&envoy)?,
    );
    well(&envoy, &listener, mark);
    Ok(())
}

/// By how many microseconds each was late, as Envoy saw it: no client's work is in it. None was early, and whose time
/// was a whole second later came later.
async fn lateness(listener: &Listener, left: usize) -> Result<Vec<u64>> {
    let (mut late, mut gone, mut latest) = (Vec::new(), 0, 0);
    for line in listener.access_log(CROWD).await? {
        let delay = line["path"].as_str().and_then(|path| path.trim_start_matches('/').parse::<u64>().ok());
        let delay = delay.context("no delay")? * 1000;
        let text = |name: &str| line[name].as_str().map_or_else(|| line[name].to_string(), str::to_owned);
        if line["code"] == 0 {
            gone += 1;
            continue;
        }
        let (begun, waited): (u64, u64) = (text("begun").parse()?, text("waited").parse()?);
        late.push(waited.checked_sub(delay).with_context(|| format!("too early: {line}"))?);
        latest = latest.max(begun + delay);
        assert!(latest - (begun + delay) < 1_000_000, "out of order: {line}");
    }
    assert_eq!((late.len(), gone), (CROWD - left, left));
    Ok(late)
}
