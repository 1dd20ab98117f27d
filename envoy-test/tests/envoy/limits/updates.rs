//! What a bucket has outlives a new policy that leaves the limit as it was; a limit with another rate begins anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use envoy_test::{Envoy, Listener, Request, Test, tests};
use serde_json::{Value, json};

use super::{SLIM, WHOLE, bucket, by_header, descriptor, header, listener, statuses, then_refused, with};

pub fn tests() -> Vec<Test> {
    tests![
        the_same_limit_goes_on,
        another_rate_is_another_limit,
        another_name_is_another_limit,
        without_a_name,
        without_a_name_behind_others,
        each_value_goes_on,
        descriptors_in_another_order,
        what_is_refused_changes_nothing,
        a_policy_without_limits_between,
        two_plugins_share_nothing,
        under_requests,
    ]
}

/// Five requests have passed of ten.
async fn half_empty(envoy: &Envoy, limit: &Value) -> Result<Listener> {
    let listener = listener(envoy, WHOLE, json!([limit])).await?;
    assert_eq!(statuses(&listener.get("/"), 5).await?, [200; 5]);
    Ok(listener)
}

async fn update(listener: &Listener, limits: Value) -> Result<()> {
    listener.update_policy(json!({"rateLimits": limits})).await?.accepted();
    Ok(())
}

fn ten() -> Value {
    json!({"name": "ten", "local": {"tokenBucket": bucket(10)}})
}

async fn the_same_limit_goes_on(envoy: &Envoy) -> Result<()> {
    let other = json!({"name": "other", "local": {"tokenBucket": bucket(100)}});
    for limits in [
        json!([ten()]),
        json!([other, ten()]),
        json!([with(ten(), json!({"response": {"status": 503, "headers": {"x": "y"}}}))]),
        json!([with(ten(), json!({"match": [{"uri": {"prefix": "/"}}]}))]),
        json!([with(ten(), json!({"concurrency": 100}))]),
        json!([with(ten(), json!({"local": {"tokenBucket": {"tokensPerFill": 1, "fillInterval": "60m"}}}))]),
        json!([with(
            ten(),
            json!({
                "actions": [header("k")], "local": {"descriptors": [descriptor("k", "", &bucket(3))]},
            })
        )]),
    ] {
        let listener = half_empty(envoy, &ten()).await?;
        update(&listener, limits.clone()).await?;
        let statuses = statuses(&listener.get("/"), 7).await?;
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(passed, 5, "{limits}: {statuses:?}");
    }
    Ok(())
}

async fn another_rate_is_another_limit(envoy: &Envoy) -> Result<()> {
    for (changed, size) in [
        (json!({"maxTokens": 9}), 9),
        (json!({"maxTokens": 11}), 11),
        (json!({"fillInterval": "3601s"}), 10),
        (json!({"tokensPerFill": 2}), 10),
    ] {
        let listener = half_empty(envoy, &ten()).await?;
        update(&listener, json!([with(ten(), json!({"local": {"tokenBucket": changed}}))])).await?;
        assert_eq!(statuses(&listener.get("/"), size + 2).await?, then_refused(size, 2), "{changed}");
        // And the old one is as it was.
        update(&listener, json!([ten()])).await?;
        assert_eq!(statuses(&listener.get("/"), 6).await?, then_refused(5, 1), "{changed}");
    }
    Ok(())
}

async fn another_name_is_another_limit(envoy: &Envoy) -> Result<()> {
    let listener = half_empty(envoy, &ten()).await?;
    update(&listener, json!([with(ten(), json!({"name": "dix"}))])).await?;
    assert_eq!(statuses(&listener.get("/"), 11).await?, then_refused(10, 1));
    Ok(())
}

/// It is known by which requests it is for, wherever it stands.
async fn without_a_name(envoy: &Envoy) -> Result<()> {
    let of = |path: &str| json!({"match": [{"uri": {"prefix": path}}], "local": {"tokenBucket": bucket(10)}});
    let named = with(ten(), json!({"shadow": true}));
    let listener = listener(envoy, SLIM, json!([of("/a"), of("/b")])).await?;
    assert_eq!(statuses(&listener.get("/a"), 4).await?, [200; 4]);
    assert_eq!(statuses(&listener.get("/b"), 8).await?, [200; 8]);
    update(&listener, json!([named, of("/b"), of("/c"), of("/a")])).await?;
    for (path, left) in [("/a", 6), ("/b", 2), ("/c", 10)] {
        assert_eq!(statuses(&listener.get(path), left + 1).await?, then_refused(left, 1), "{path}");
    }
    Ok(())
}

/// And by its rate, where others are for the same requests.
async fn without_a_name_behind_others(envoy: &Envoy) -> Result<()> {
    let limit = |size: u32| json!({"local": {"tokenBucket": bucket(size)}});
    let listener = listener(envoy, WHOLE, json!([limit(10), limit(20)])).await?;
    assert_eq!(statuses(&listener.get("/"), 5).await?, [200; 5]);
    update(&listener, json!([limit(500), limit(20), limit(10)])).await?;
    assert_eq!(statuses(&listener.get("/"), 6).await?, then_refused(5, 1));
    Ok(())
}

async fn each_value_goes_on(envoy: &Envoy) -> Result<()> {
    let keyed = |size: u32| with(by_header("k", &bucket(size)), json!({"name": "by value"}));
    let listener = listener(envoy, SLIM, json!([keyed(3)])).await?;
    let of = |value: &str| listener.get("/").header("k", value);
    for (value, times) in [("a", 1), ("b", 3), ("c", 2)] {
        assert_eq!(statuses(&of(value), times).await?, vec![200; times]);
    }
    update(&listener, json!([ten(), keyed(3)])).await?;
    for (value, passed) in [("a", 2), ("b", 0), ("c", 1)] {
        assert_eq!(statuses(&of(value), passed + 1).await?, then_refused(passed, 1), "{value}");
    }
    update(&listener, json!([keyed(2)])).await?;
    for value in ["a", "b", "c", "d"] {
        assert_eq!(statuses(&of(value), 3).await?, then_refused(2, 1), "{value}");
    }
    Ok(())
}

async fn descriptors_in_another_order(envoy: &Envoy) -> Result<()> {
    let one = || descriptor("k", "1", &bucket(3));
    let two = || descriptor("k", "2", &bucket(3));
    let any = || descriptor("k", "", &bucket(3));
    let limit = |descriptors: Value| json!([{"name": "ordered", "actions": [header("k")], "local": {"descriptors": descriptors}}]);
    let listener = listener(envoy, WHOLE, limit(json!([one(), two(), any()]))).await?;
    let of = |value: &str| listener.get("/").header("k", value);
    for (value, times) in [("1", 1), ("2", 2), ("3", 3)] {
        assert_eq!(statuses(&of(value), times).await?, vec![200; times]);
    }
    update(&listener, limit(json!([any(), two(), one()]))).await?;
    for (value, passed) in [("1", 2), ("2", 1), ("3", 0), ("4", 3)] {
        assert_eq!(statuses(&of(value), passed + 1).await?, then_refused(passed, 1), "{value}");
    }
    Ok(())
}

async fn what_is_refused_changes_nothing(envoy: &Envoy) -> Result<()> {
    let listener = half_empty(envoy, &ten()).await?;
    let wrong = with(ten(), json!({"local": {"tokenBucket": {"maxTokens": 0}}}));
    let why = listener.update_policy(json!({"rateLimits": [wrong]})).await?.rejected();
    assert!(why.contains("rateLimits[0].local.tokenBucket.maxTokens: 0 is no number of tokens"), "{why}");
    assert_eq!(statuses(&listener.get("/"), 6).await?, then_refused(5, 1));
    Ok(())
}

async fn a_policy_without_limits_between(envoy: &Envoy) -> Result<()> {
    let listener = half_empty(envoy, &ten()).await?;
    for policy in [json!({}), json!({"rateLimits": []})] {
        listener.update_policy(policy).await?.accepted();
        assert_eq!(statuses(&listener.get("/"), 20).await?, [200; 20]);
    }
    update(&listener, json!([ten()])).await?;
    assert_eq!(statuses(&listener.get("/"), 6).await?, then_refused(5, 1));
    Ok(())
}

/// Two listeners on one VM have limits of the same name, and each its own.
async fn two_plugins_share_nothing(envoy: &Envoy) -> Result<()> {
    let config = || envoy_test::ListenerConfig::new().vm_id("limits of two plugins");
    let one = super::listener_like(envoy, config(), WHOLE, json!([ten()])).await?;
    let other = super::listener_like(envoy, config(), WHOLE, json!([ten()])).await?;
    for listener in [&one, &other] {
        assert_eq!(statuses(&listener.get("/"), 11).await?, then_refused(10, 1));
    }
    Ok(())
}

/// None is let pass twice while policies come and go.
async fn under_requests(envoy: &Envoy) -> Result<()> {
    const SIZE: u32 = 500;
    let limit = || json!({"name": "kept", "local": {"tokenBucket": bucket(SIZE)}});
    let listener = listener(envoy, WHOLE, json!([limit()])).await?;
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (address, over) = (listener.address(), Arc::clone(&over));
            tokio::spawn(async move {
                let request = Request::new(address, "GET", "/");
                let mut connection = envoy_test::Connection::open(address, number % 2 == 0).await?;
                let mut passed = 0;
                while !over.load(Ordering::Relaxed) {
                    passed += u32::from(connection.send(request.clone()).await?.status == 200);
                }
                anyhow::Ok(passed)
            })
        })
        .collect();
    for number in 1..=20 {
        let other = json!({"name": format!("other {number}"), "local": {"tokenBucket": bucket(5000)}});
        update(&listener, json!([other, limit()])).await?;
    }
    let mut passed = 0;
    let refused = async || {
        let status = listener.get("/").send().await?.status;
        passed += u32::from(status == 200);
        Ok((status == 429).then_some(()))
    };
    envoy.admin().until("all is taken", refused).await?;
    over.store(true, Ordering::Relaxed);
    for client in clients {
        passed += client.await??;
    }
    assert_eq!(passed, SIZE);
    Ok(())
}
