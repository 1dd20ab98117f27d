//! A worker whose VM is lost, with all that its requests had under way: what it counted goes on to count, and the slots
//! that it held are not held for ever.

use anyhow::Result;
use envoy_test::{Envoy, EnvoyConfig, ListenerConfig, RawHttp1, Reply, Test, routes, test_module, tests};
use serde_json::json;

use super::{bucket, statuses, then_refused};

pub fn tests() -> Vec<Test> {
    tests![slots_are_lost_and_found]
}

async fn slots_are_lost_and_found(_: &Envoy) -> Result<()> {
    const MOST: usize = 2;
    // With one worker it is known whose VM is lost.
    let envoy = EnvoyConfig::new().concurrency(1).start().await?;
    let upstream = envoy.upstream("held").await?;
    let policy = json!({"rateLimits": [
        {"name": "slots", "match": [{"uri": {"exact": "/held"}}], "concurrency": MOST},
        {"name": "tokens", "match": [{"uri": {"exact": "/tokens"}}], "local": {"tokenBucket": bucket(5)}},
    ]});
    let config = ListenerConfig::new().module(test_module("limits-or-panics")?).policy(policy);
    let listener = envoy.add_listener(config.routes([routes::catch_all(upstream.name())])).await?;
    assert_eq!(statuses(&listener.get("/tokens"), 3).await?, [200, 200, 200]);
    upstream.script([Reply::status(200).held().times(MOST)]);
    let mut clients = Vec::new();
    for number in 1..=MOST {
        let mut client = RawHttp1::open(listener.address()).await?;
        client.write(b"GET /held HTTP/1.1\r\nhost: h\r\n\r\n").await;
        upstream.arrived(3 + number).await;
        clients.push(client);
    }
    assert_eq!(listener.get("/held").send().await?.status, 429);

    assert_eq!(listener.get("/").header("x-panic", "1").send().await?.status, 503);
    let loaded = async || Ok((listener.get("/").send().await?.status == 200).then_some(()));
    envoy.admin().until("the module is loaded again", loaded).await?;
    // Nobody has given them back, and there is nobody left who could.
    assert_eq!(listener.get("/held").send().await?.status, 429);
    assert_eq!(statuses(&listener.get("/tokens"), 3).await?, then_refused(2, 1));

    let found = async || Ok((listener.get("/held").send().await?.status == 200).then_some(()));
    envoy.admin().until("the slots of the dead are free", found).await?;
    drop(clients);
    // All of them, and no more.
    upstream.script([Reply::status(200).held()]);
    let before = upstream.requests();
    let waiting: Vec<_> = (0..MOST).map(|_| tokio::spawn(listener.get("/held").send())).collect();
    upstream.arrived(before + MOST).await;
    assert_eq!(listener.get("/held").send().await?.status, 429);
    upstream.release(2 * MOST);
    for answer in waiting {
        assert_eq!(answer.await??.status, 200);
    }
    Ok(())
}
