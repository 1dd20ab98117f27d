//! What filters share over workers and configurations, with the test-only filter `counts`: metrics, cells, slots.

use std::collections::BTreeSet;

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Reply, Test, Upstream, routes, test_module, tests};
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub fn tests() -> Vec<Test> {
    tests![a_cell_is_exact_over_workers, slots_are_exact_over_workers]
}

fn policy(name: &str, slots: u32) -> Value {
    json!({"counts": {"name": name, "slots": slots}})
}

/// Every request gets a number of its own, on whichever worker; and a new policy goes on counting.
async fn a_cell_is_exact_over_workers(envoy: &Envoy) -> Result<()> {
    const CONNECTIONS: u64 = 8;
    const EACH: u64 = 50;
    let config = ListenerConfig::new().module(test_module("counts")?).policy(policy("exact", 1000));
    let listener = envoy.add_listener(config).await?;
    let mut seen = BTreeSet::new();
    for round in 1..=2 {
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (mut connection, request) = (listener.connect().await?, listener.get("/"));
            connections.spawn(async move {
                let mut numbers = Vec::new();
                for _ in 0..EACH {
                    let answer = connection.send(request.clone()).await?;
                    numbers.push(answer.echo().header("x-number").unwrap_or_default().parse::<u64>()?);
                }
                anyhow::Ok(numbers)
            });
        }
        while let Some(numbers) = connections.join_next().await {
            for number in numbers?? {
                assert!(seen.insert(number), "{number} was given twice");
            }
        }
        let sent = round * CONNECTIONS * EACH;
        assert_eq!((seen.len() as u64, seen.last()), (sent, Some(&sent)));
        // The listener's second policy defines the metric again, and finds the same one.
        let metric = "wasmcustom.counted=.=exact;.;test_requests";
        assert_eq!(envoy.admin().stat(metric).await?, sent);
        listener.update_policy(policy("exact", 999)).await?.accepted();
    }
    Ok(())
}

/// Requests that are held at the upstream hold their slots, and give them back in the end.
async fn slots_are_exact_over_workers(envoy: &Envoy) -> Result<()> {
    const SLOTS: usize = 5;
    const REQUESTS: usize = 20;
    let slow = envoy.upstream("held").await?;
    slow.script([Reply::status(200).held().times(REQUESTS)]);
    let config = ListenerConfig::new().module(test_module("counts")?).routes([routes::catch_all(slow.name())]);
    let listener = envoy.add_listener(config.policy(policy("slots", SLOTS as u32))).await?;
    let mut requests = JoinSet::new();
    for number in 1..=REQUESTS {
        let request = listener.get("/");
        requests.spawn(async move { request.send().await });
        let seen = slot(envoy, &slow, number).await?;
        assert_eq!(seen, if number <= SLOTS { "yes" } else { "no" }, "request {number}");
    }
    let gauge = "wasmcustom.counted=.=slots;.;test_under_way";
    assert_eq!(envoy.admin().stat(gauge).await?, SLOTS as u64);
    slow.release(REQUESTS);
    while let Some(answer) = requests.join_next().await {
        assert_eq!(answer??.status, 200);
    }
    // The end of a request comes when the client already has its answer.
    envoy
        .admin()
        .until("all slots are given back", async || Ok((envoy.admin().stat(gauge).await? == 0).then_some(())))
        .await?;
    // All were given back: there are as many as before, for one request after the other.
    for number in REQUESTS + 1..=REQUESTS + 2 * SLOTS {
        listener.get("/").send().await?;
        assert_eq!(slot(envoy, &slow, number).await?, "yes");
    }
    Ok(())
}

/// Whether the request of that number had a slot, once the upstream has it.
async fn slot(envoy: &Envoy, upstream: &Upstream, number: usize) -> Result<String> {
    let number = number.to_string();
    let ask = async || {
        let request = upstream.last_request().filter(|request| request.header("x-number") == Some(number.as_str()));
        Ok(request.and_then(|request| request.header("x-slot").map(str::to_owned)))
    };
    envoy.admin().until(&format!("the upstream has request {number}"), ask).await
}
