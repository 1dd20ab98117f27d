//! `shadow: true`: what would be refused is counted, and passes.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Reply, Test, routes, tests};
use serde_json::json;

use super::concurrency::soon;
use super::{SLIM, WHOLE, bucket, by_header, counted, listener, listener_like, statuses, with};

pub fn tests() -> Vec<Test> {
    tests![a_bucket, buckets_for_each_value, slots, beside_one_that_refuses, from_shadow_to_light]
}

async fn a_bucket(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let name = format!("shadow of {module}");
        let limit = json!({"name": name, "shadow": true, "local": {"tokenBucket": bucket(3)}});
        let listener = listener(envoy, module, json!([limit])).await?;
        assert_eq!(statuses(&listener.get("/"), 10).await?, [200; 10]);
        assert_eq!(counted(envoy, "shadow_rate_limited", &name, "local").await?, 7);
        assert_eq!(counted(envoy, "rate_limited", &name, "local").await?, 0);
    }
    Ok(())
}

async fn buckets_for_each_value(envoy: &Envoy) -> Result<()> {
    let limit = with(by_header("k", &bucket(2)), json!({"name": "shadow by value", "shadow": true}));
    let listener = listener(envoy, SLIM, json!([limit])).await?;
    for (value, times) in [("a", 5), ("b", 2), ("c", 3)] {
        assert_eq!(statuses(&listener.get("/").header("k", value), times).await?, vec![200; times]);
    }
    assert_eq!(counted(envoy, "shadow_rate_limited", "shadow by value", "local").await?, 4);
    Ok(())
}

/// Who passes without a slot gives none back.
async fn slots(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("held").await?;
    upstream.script([Reply::status(200).held()]);
    let limit = json!({"name": "shadow of slots", "shadow": true, "concurrency": 2});
    let config = ListenerConfig::new().routes([routes::catch_all(upstream.name())]);
    let listener = listener_like(envoy, config, WHOLE, json!([limit])).await?;
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(listener.get("/").send())).collect();
    upstream.arrived(5).await;
    let over = async || counted(envoy, "shadow_rate_limited", "shadow of slots", "concurrency").await;
    assert_eq!(over().await?, 3);
    upstream.script([Reply::status(200)]);
    upstream.release(5);
    for answer in waiting {
        assert_eq!(answer.await??.status, 200);
    }
    // They have given their slots back when a request finds one, and is not counted.
    let free = async || {
        let before = over().await?;
        listener.get("/").send().await?;
        Ok((over().await? == before).then_some(()))
    };
    soon(envoy.admin().until("there is a slot", free)).await?;
    upstream.script([Reply::status(200).held()]);
    let (arrived, before) = (upstream.requests(), over().await?);
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(listener.get("/").send())).collect();
    upstream.arrived(arrived + 5).await;
    // The one before may not be over yet.
    assert!([3, 4].contains(&(over().await? - before)), "{} of 5 were over the limit", over().await? - before);
    upstream.release(5);
    for answer in waiting {
        assert_eq!(answer.await??.status, 200);
    }
    Ok(())
}

/// What comes behind a limit in the shadow is asked all the same, and refuses.
async fn beside_one_that_refuses(envoy: &Envoy) -> Result<()> {
    let slow = json!({"maxTokens": 1, "fillInterval": "36000s"});
    let limits = json!([
        {"name": "first in the shadow", "shadow": true, "local": {"tokenBucket": slow}},
        {"name": "in the light", "local": {"tokenBucket": bucket(4)}},
    ]);
    let listener = listener(envoy, WHOLE, limits).await?;
    assert_eq!(statuses(&listener.get("/"), 6).await?, [200, 200, 200, 200, 429, 429]);
    assert_eq!(counted(envoy, "shadow_rate_limited", "first in the shadow", "local").await?, 5);
    assert_eq!(counted(envoy, "rate_limited", "in the light", "local").await?, 2);
    Ok(())
}

/// It is the same bucket.
async fn from_shadow_to_light(envoy: &Envoy) -> Result<()> {
    let limit =
        |shadow: bool| json!({"rateLimits": [{"name": "dawn", "shadow": shadow, "local": {"tokenBucket": bucket(3)}}]});
    let listener = listener(envoy, SLIM, limit(true)["rateLimits"].clone()).await?;
    assert_eq!(statuses(&listener.get("/"), 2).await?, [200; 2]);
    listener.update_policy(limit(false)).await?.accepted();
    assert_eq!(statuses(&listener.get("/"), 3).await?, [200, 429, 429]);
    listener.update_policy(limit(true)).await?.accepted();
    assert_eq!(statuses(&listener.get("/"), 3).await?, [200; 3]);
    assert_eq!(counted(envoy, "shadow_rate_limited", "dawn", "local").await?, 3);
    assert_eq!(counted(envoy, "rate_limited", "dawn", "local").await?, 2);
    Ok(())
}
