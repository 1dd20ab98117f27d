//! examples/fault-injection, with its own envoy.yaml and policy.yaml.

use anyhow::Result;
use envoy_test::{Answer, Connection, Envoy, Example, Reply, Request, Test, UpstreamConfig, tests};
use serde_json::json;

pub fn tests() -> Vec<Test> {
    tests![the_example_does_what_it_says]
}

async fn the_example_does_what_it_says(envoy: &Envoy) -> Result<()> {
    let service = envoy.add_upstream(UpstreamConfig::new("fault-example").own_addresses()).await?;
    let body = "x".repeat(100_000);
    service.script([Reply::status(200).body(body.clone())]);
    let mut example = Example::read("fault-injection")?;
    example.take_free_ports()?;
    example.endpoint("service")?["port_value"] = json!(service.addresses()[0].port());
    let running = example.start().await?;
    let ask = async |path: &str, headers: &[(&str, &str)]| -> Result<Answer> {
        let mut request = Request::new(running.address, "GET", path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Connection::open(running.address, false).await?.send(request).await
    };
    let fault = |answer: &Answer| answer.header("x-fault");

    let answer = ask("/try", &[("x-envoy-fault-delay-request", "5"), ("x-envoy-fault-abort-request", "418")]).await?;
    assert_eq!(answer.status, 418);
    assert_eq!(fault(&answer).as_deref(), Some("delay 5ms by on-request, abort 418 by on-request"));
    let answer = ask("/bytes/100000", &[("x-chaos", "slow")]).await?;
    assert_eq!((answer.status, answer.body.len()), (200, body.len()));
    assert_eq!(fault(&answer).as_deref(), Some("throughput 256 KiB/s by slow-downloads"));
    let answer = ask("/checkout", &[("x-envoy-fault-abort-request", "418")]).await?;
    assert_eq!((answer.status, fault(&answer)), (200, None));
    // Two coins: each of the four outcomes comes, but once in ten million runs.
    let mut outcomes = std::collections::BTreeSet::new();
    for _ in 0..60 {
        outcomes.insert(fault(&ask("/checkout", &[("cookie", "chaos=yes")]).await?));
    }
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    Ok(())
}
