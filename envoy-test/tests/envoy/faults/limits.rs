//! `maxActive`: never more requests have a fault at once, on all workers together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use envoy_test::{Envoy, Listener, ListenerConfig, Reply, Test, module, routes, tests};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::many::{Many, active, get, overflow, stat};

pub fn tests() -> Vec<Test> {
    tests![
        ten_of_two_hundred_on_two_workers,
        none_at_all,
        an_abort_gives_its_slot_back,
        who_leaves_gives_its_slot_back,
        an_update_keeps_the_slots,
    ]
}

fn policy(name: &str, most: usize, fault: Value) -> Value {
    json!({
        "faultInjection": {"maxActive": most, "responseHeader": "x-fault"},
        "faults": [{"name": name, "fault": fault}],
    })
}

fn delay(duration: &str) -> Value {
    json!({"delay": {"fixedDelay": duration, "percentage": {"value": 100}}})
}

fn abort(status: u16) -> Value {
    json!({"abort": {"httpStatus": status, "percentage": {"value": 100}}})
}

async fn listener(envoy: &Envoy, policy: Value) -> Result<Listener> {
    envoy.add_listener(ListenerConfig::new().module(module("pointsman")?).policy(policy)).await
}

/// The upstream holds every request, and a response that is slowed down has its fault to its end: so each lasts until
/// the test ends it.
async fn ten_of_two_hundred_on_two_workers(envoy: &Envoy) -> Result<()> {
    const MOST: usize = 10;
    const REQUESTS: usize = 200;
    const CONNECTIONS: usize = 8;
    let name = "ten of two hundred";
    let upstream = envoy.upstream("held").await?;
    upstream.script([Reply::status(200).held()]);
    let config = ListenerConfig::new()
        .module(module("pointsman")?)
        .policy(policy(name, MOST, json!({"throughput": {"limitKbps": 1 << 20, "percentage": {"value": 100}}})))
        .routes([routes::catch_all(upstream.name())])
        .listener(json!({"stat_prefix": "limits", "connection_balance_config": {"exact_balance": {}}}));
    let listener = envoy.add_listener(config).await?;
    let over = Arc::new(AtomicBool::new(false));
    let metric = format!("wasmcustom.rule=.={name};.;pointsman_fault_active_faults");
    let (admin, seen) = (envoy.admin().clone(), Arc::clone(&over));
    let sampler = tokio::spawn(async move {
        while let Ok(active) = admin.stat(&metric).await {
            seen.fetch_or(active > MOST as u64, Ordering::Relaxed);
        }
    });
    for round in 1..=3 {
        let requests = Many::send(&listener, CONNECTIONS, REQUESTS / CONNECTIONS, |_| get("/")).await?;
        upstream.arrived(round * REQUESTS).await;
        for worker in 0..2 {
            let active = format!("listener.limits.worker_{worker}.downstream_cx_active");
            ensure!(envoy.admin().stat(&active).await? > 0, "no connection on worker {worker}");
        }
        // Each of them wanted one, and none of those that got one has ended.
        assert_eq!(stat(envoy, name, "active_faults").await?, MOST as u64);
        assert_eq!(stat(envoy, name, "response_rl_injected").await?, (round * MOST) as u64);
        assert_eq!(overflow(envoy, name, "maxActive").await?, (round * (REQUESTS - MOST)) as u64);
        upstream.release(REQUESTS);
        let answers = requests.ended().await?;
        assert_eq!(answers.iter().filter(|answer| answer.told.is_some()).count(), MOST);
        assert!(answers.iter().all(|answer| answer.status == 200));
        active(envoy, name, 0).await?;
    }
    sampler.abort();
    assert!(!over.load(Ordering::Relaxed), "more than {MOST} at once");
    Ok(())
}

async fn none_at_all(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, policy("none at all", 0, abort(418))).await?;
    for _ in 0..5 {
        assert_eq!(listener.get("/").send().await?.status, 200);
    }
    assert_eq!(overflow(envoy, "none at all", "maxActive").await?, 5);
    assert_eq!(stat(envoy, "none at all", "aborts_injected").await?, 0);
    Ok(())
}

async fn an_abort_gives_its_slot_back(envoy: &Envoy) -> Result<()> {
    const TIMES: u64 = 50;
    let listener = listener(envoy, policy("one abort", 1, abort(418))).await?;
    // On one worker: another may hear of the slot when the client already has its answer.
    for mut connection in [listener.connect().await?, listener.connect_http2().await?] {
        for _ in 0..TIMES / 2 {
            assert_eq!(connection.send(listener.get("/")).await?.status, 418);
            active(envoy, "one abort", 0).await?;
        }
    }
    assert_eq!(stat(envoy, "one abort", "aborts_injected").await?, TIMES);
    assert_eq!(overflow(envoy, "one abort", "maxActive").await?, 0);
    Ok(())
}

/// Begins a request that is delayed for longer than any test.
async fn begin(listener: &Listener) -> Result<TcpStream> {
    let mut client = TcpStream::connect(listener.address()).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    Ok(client)
}

async fn who_leaves_gives_its_slot_back(envoy: &Envoy) -> Result<()> {
    let name = "who leaves";
    let listener = listener(envoy, policy(name, 2, delay("1h"))).await?;
    let mut clients = Vec::new();
    for round in 0..3 {
        while clients.len() < 2 {
            clients.push(begin(&listener).await?);
            active(envoy, name, clients.len()).await?;
        }
        // There is none for this one.
        let answer = listener.get("/").send().await?;
        assert_eq!((answer.status, answer.header("x-fault")), (200, None));
        assert_eq!(overflow(envoy, name, "maxActive").await?, round + 1);
        drop(clients.pop());
        active(envoy, name, 1).await?;
    }
    drop(clients);
    active(envoy, name, 0).await
}

async fn an_update_keeps_the_slots(envoy: &Envoy) -> Result<()> {
    let (old, new) = ("before the update", "after the update");
    let listener = listener(envoy, policy(old, 2, delay("1h"))).await?;
    let clients = [begin(&listener).await?, begin(&listener).await?];
    active(envoy, old, 2).await?;
    listener.update_policy(policy(new, 2, abort(418))).await?.accepted();
    assert_eq!(listener.get("/").send().await?.status, 200);
    assert_eq!(overflow(envoy, new, "maxActive").await?, 1);
    // There is room for one more.
    listener.update_policy(policy(new, 3, abort(418))).await?.accepted();
    assert_eq!(listener.get("/").send().await?.status, 418);
    active(envoy, new, 0).await?;
    // And again for two, when those of the old policy have gone.
    listener.update_policy(policy(new, 1, abort(418))).await?.accepted();
    assert_eq!(listener.get("/").send().await?.status, 200);
    drop(clients);
    active(envoy, old, 0).await?;
    let given_back = async || Ok((listener.get("/").send().await?.status == 418).then_some(()));
    envoy.admin().until("the slots are given back", given_back).await
}
