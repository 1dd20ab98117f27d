//! A limit under more requests than it lets pass: how many it lets pass, on one worker and on several.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use envoy_test::{Envoy, EnvoyConfig, Listener, Test, tests};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::load::{ENOUGH, Pipeline, Tally, all_work, config, rate};
use super::{SLIM, WHOLE, by_header, listener_like, metric};

pub fn tests() -> Vec<Test> {
    tests![one_worker, two_workers, eight_workers, each_value_on_two_workers]
}

/// What fits in lasts for so long that no pause of a busy machine lets it become full again.
const MAX_TOKENS: u32 = 800;
const A_SECOND: u32 = 200;
const LASTS: Duration = Duration::from_secs(4);
const AT_ONCE: usize = 25;

async fn one_worker(_: &Envoy) -> Result<()> {
    on_workers(1, SLIM).await
}

async fn two_workers(_: &Envoy) -> Result<()> {
    on_workers(2, WHOLE).await
}

async fn eight_workers(_: &Envoy) -> Result<()> {
    on_workers(8, SLIM).await
}

async fn on_workers(workers: usize, module: &str) -> Result<()> {
    let envoy = EnvoyConfig::new().concurrency(workers).start().await?;
    let limit = json!([{"name": "hot", "local": {"tokenBucket": rate(MAX_TOKENS, A_SECOND)}}]);
    let listener = listener_like(&envoy, config("exact"), module, limit).await?;
    let [tally] = saturate(&listener, workers, [""]).await?;
    all_work(&envoy, "exact", workers).await?;
    tally.is_exact(MAX_TOKENS, A_SECOND)?;
    assert_eq!(metric(&envoy, "contended", "hot").await?, 0);
    Ok(())
}

/// Four of them, each as exact as a limit of one bucket.
async fn each_value_on_two_workers(_: &Envoy) -> Result<()> {
    const KEYS: [&str; 4] = ["a", "b", "c", "d"];
    let (max_tokens, a_second) = (MAX_TOKENS / 4, A_SECOND / 4);
    let envoy = EnvoyConfig::new().start().await?;
    let mut limit = by_header("k", &rate(max_tokens, a_second));
    limit["name"] = json!("keyed");
    let listener = listener_like(&envoy, config("keyed"), WHOLE, Value::Array(vec![limit])).await?;
    for tally in saturate(&listener, 2, KEYS).await? {
        tally.is_exact(max_tokens, a_second)?;
    }
    all_work(&envoy, "keyed", 2).await?;
    for name in ["contended", "inherited", "no_place"] {
        assert_eq!(metric(&envoy, name, "keyed").await?, 0, "{name}");
    }
    Ok(())
}

/// As many requests as it takes, all the time, and longer where all is slow; each batch is of one key after the other.
async fn saturate<const N: usize>(listener: &Listener, workers: usize, keys: [&'static str; N]) -> Result<[Tally; N]> {
    let mut connections = JoinSet::new();
    let start = Instant::now();
    let refusals: Arc<[AtomicU32; N]> = Arc::new(std::array::from_fn(|_| AtomicU32::new(0)));
    for _ in 0..2 * workers {
        let mut pipeline = Pipeline::open(listener).await?;
        let refusals = Arc::clone(&refusals);
        connections.spawn(async move {
            let is_enough = || refusals.iter().all(|refusals| refusals.load(Ordering::Relaxed) >= ENOUGH);
            let mut tallies: [Tally; N] = std::array::from_fn(|_| Tally::default());
            while start.elapsed() < LASTS || !is_enough() {
                for ((tally, key), refusals) in tallies.iter_mut().zip(keys).zip(refusals.iter()) {
                    let batch = pipeline.send((0..AT_ONCE).map(|_| key.to_owned())).await?;
                    let admitted = batch.statuses.iter().filter(|status| **status == 200).count();
                    let refused = batch.statuses.iter().filter(|status| **status == 429).count();
                    assert_eq!(admitted + refused, AT_ONCE, "{:?}", batch.statuses);
                    tally.add(&batch, admitted, refused);
                    refusals.fetch_add(refused as u32, Ordering::Relaxed);
                }
            }
            anyhow::Ok(tallies)
        });
    }
    let mut all: [Tally; N] = std::array::from_fn(|_| Tally::default());
    while let Some(tallies) = connections.join_next().await {
        let mut tallies = tallies??.into_iter();
        all = all.map(|tally| tally.and(tallies.next().unwrap_or_default()));
    }
    Ok(all)
}
