//! A limit with a bucket for each value, and more values than anybody can remember.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use envoy_test::{Envoy, EnvoyConfig, Listener, Test, tests};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::load::{Batch, Pipeline, Tally, all_work, config, memory, rate};
use super::{SLIM, WHOLE, bucket, by_header, listener_like, metric};

pub fn tests() -> Vec<Test> {
    tests![nobody_else_suffers, nobody_gets_more]
}

/// Distinct values, of which no one comes twice.
const VALUES: usize = 120_000;
const CONNECTIONS: usize = 4;
const AT_ONCE: usize = 40;
/// So many of those at once are of one value that is always the same.
const HOT: usize = 4;

/// A limit of that bucket for each value of the header `k`.
fn limits(name: &str, bucket: &Value) -> Value {
    let mut limit = by_header("k", bucket);
    limit["name"] = json!(name);
    json!([limit])
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|found| **found == status).count()
}

/// Values from `from` on, and the hot one among them all the time.
struct Flood {
    /// Those of the hot value.
    hot: Tally,
    admitted_hot: usize,
    /// How many of the others were let pass.
    admitted: usize,
}

async fn flood(listener: &Listener, from: usize, values: usize, hot: &'static str) -> Result<Flood> {
    let next = Arc::new(AtomicUsize::new(from));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut pipeline, next) = (Pipeline::open(listener).await?, Arc::clone(&next));
        connections.spawn(async move {
            let (mut tally, mut admitted, mut admitted_hot) = (Tally::default(), 0, 0);
            loop {
                let first = next.fetch_add(AT_ONCE - HOT, Ordering::Relaxed);
                if first >= from + values {
                    return anyhow::Ok(Flood { hot: tally, admitted_hot, admitted });
                }
                let new = (first..first + AT_ONCE - HOT).map(|value| format!("value-{value}"));
                let batch = pipeline.send(new.chain((0..HOT).map(|_| hot.to_owned()))).await?;
                let Batch { statuses, .. } = &batch;
                assert_eq!(count(statuses, 200) + count(statuses, 429), AT_ONCE, "{statuses:?}");
                let (new, of_hot) = statuses.split_at(AT_ONCE - HOT);
                admitted += count(new, 200);
                admitted_hot += count(of_hot, 200);
                tally.add(&batch, count(of_hot, 200), count(of_hot, 429));
            }
        });
    }
    let mut all = Flood { hot: Tally::default(), admitted_hot: 0, admitted: 0 };
    while let Some(of_connection) = connections.join_next().await {
        let Flood { hot, admitted_hot, admitted } = of_connection??;
        all.hot = all.hot.and(hot);
        all.admitted_hot += admitted_hot;
        all.admitted += admitted;
    }
    Ok(all)
}

/// Values come and go as fast as they can, and their buckets are full again before the table is.
async fn nobody_else_suffers(_: &Envoy) -> Result<()> {
    let (max_tokens, a_second) = (50, 50);
    let envoy = EnvoyConfig::new().start().await?;
    let limits = limits("flooded", &rate(max_tokens, a_second));
    let listener = listener_like(&envoy, config("flood"), WHOLE, limits).await?;
    // What is made once is there now.
    flood(&listener, VALUES, VALUES / 10, "warm").await?;
    let before = memory(&envoy)?;
    let flooded = flood(&listener, 0, VALUES, "hot").await?;
    let after = memory(&envoy)?;
    println!("{VALUES} values: {before:.1} MiB before, {after:.1} MiB after");
    all_work(&envoy, "flood", 2).await?;
    assert!(flooded.admitted >= VALUES, "{} of {VALUES} were let pass, each of which came once", flooded.admitted);
    for name in ["contended", "inherited", "no_place"] {
        assert_eq!(metric(&envoy, name, "flooded").await?, 0, "{name}");
    }
    flooded.hot.is_exact(max_tokens, a_second)?;
    assert!(after - before < 8.0, "{before:.1} MiB before, {after:.1} MiB after");
    Ok(())
}

/// They come, and none of their buckets is full again: the table is full soon. Whoever finds no place gets less, nobody
/// gets more, and no bucket is forgotten that was empty.
async fn nobody_gets_more(_: &Envoy) -> Result<()> {
    let envoy = EnvoyConfig::new().start().await?;
    let limits = limits("drowned", &bucket(2));
    let listener = listener_like(&envoy, config("drowned"), SLIM, limits).await?;
    let first = flood(&listener, 0, VALUES / 4, "hot").await?;
    assert_eq!(first.admitted_hot, 2);
    let before = memory(&envoy)?;
    let rest = flood(&listener, VALUES, VALUES, "hot").await?;
    let after = memory(&envoy)?;
    println!(
        "{} values: {} let pass; {before:.1} MiB before, {after:.1} MiB after",
        VALUES / 4 + VALUES,
        first.admitted + rest.admitted
    );
    assert_eq!(rest.admitted_hot, 0, "the hot one has its bucket still, which is empty");
    assert!(metric(&envoy, "inherited", "drowned").await? > 0);
    assert_eq!(metric(&envoy, "contended", "drowned").await?, 0);
    // Some of those before, again: each of them has had one.
    let again = flood(&listener, 0, 2000, "hot").await?;
    assert!(again.admitted <= 2000, "{}", again.admitted);
    let thrice = flood(&listener, 0, 2000, "hot").await?;
    assert_eq!(thrice.admitted, 0, "each was let pass at most twice");
    assert!(after - before < 8.0, "{before:.1} MiB before, {after:.1} MiB after");
    Ok(())
}
