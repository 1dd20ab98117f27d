//! Each kind of fault once, by a VirtualService and by `faults`.

use std::time::{Duration, Instant};

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Reply, Test, module, routes, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![an_abort, a_delay, a_slow_response]
}

/// One VirtualService, whose only rule has that fault.
fn rule_with(fault: &Value) -> Value {
    let rule = json!({"name": "r", "fault": fault, "route": [{"destination": {"host": "default"}}]});
    json!({"virtualServices": [{"name": "vs", "hosts": ["*"], "http": [rule]}]})
}

/// The same fault, of its own.
fn own(fault: &Value) -> Value {
    json!({"faults": [{"name": "own", "fault": fault}]})
}

async fn listener(envoy: &Envoy, name: &str, policy: Value) -> Result<Listener> {
    envoy.add_listener(ListenerConfig::new().module(module(name)?).policy(policy)).await
}

/// In the one pass and alone, with a VirtualService and without.
async fn everywhere(envoy: &Envoy, fault: Value) -> Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for name in ["pointsman", "pointsman-fault-injection"] {
        for policy in [rule_with(&fault), own(&fault)] {
            listeners.push(listener(envoy, name, policy).await?);
        }
    }
    Ok(listeners)
}

async fn an_abort(envoy: &Envoy) -> Result<()> {
    let fault = json!({"abort": {"httpStatus": 503, "percentage": {"value": 100}}});
    for listener in everywhere(envoy, fault).await? {
        for http2 in [false, true] {
            let request = listener.get("/");
            let answer = if http2 { request.http2() } else { request }.send().await?;
            assert_eq!((answer.status, answer.text().as_str()), (503, "fault filter abort"));
            assert_eq!(answer.header_lines("content-type"), ["text/plain"]);
        }
    }
    Ok(())
}

async fn a_delay(envoy: &Envoy) -> Result<()> {
    let fault = json!({"delay": {"fixedDelay": "0.1s", "percentage": {"value": 100}}});
    for listener in everywhere(envoy, fault).await? {
        let start = Instant::now();
        let answer = listener.get("/").send().await?;
        assert_eq!(answer.status, 200);
        assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    }
    Ok(())
}

async fn a_slow_response(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("large").await?;
    upstream.script([Reply::status(200).body("x".repeat(200 << 10))]);
    let fault = json!({"throughput": {"limitKbps": 400, "percentage": {"value": 100}}});
    let config = ListenerConfig::new().module(module("pointsman")?).policy(own(&fault));
    let listener = envoy.add_listener(config.routes([routes::catch_all(upstream.name())])).await?;
    let start = Instant::now();
    let answer = listener.get("/").send().await?;
    assert_eq!((answer.status, answer.body.len()), (200, 200 << 10));
    assert!(start.elapsed() >= Duration::from_millis(440), "{:?}", start.elapsed());
    Ok(())
}
