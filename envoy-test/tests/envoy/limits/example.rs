//! examples/rate-limit, with its own envoy.yaml and policy.yaml, without its rate-limit service.

use anyhow::Result;
use envoy_test::{Answer, Connection, Envoy, Example, Reply, Request, RunningExample, Test, UpstreamConfig, tests};
use serde_json::json;

pub fn tests() -> Vec<Test> {
    tests![the_example_does_what_it_says]
}

/// No token comes back while the test runs.
const SLOWER: &[(&str, &str)] = &[
    ("tokensPerFill: 1, fillInterval: 30s", "tokensPerFill: 1, fillInterval: 30000s"),
    ("{maxTokens: 5, tokensPerFill: 5, fillInterval: 60s}", "{maxTokens: 5, tokensPerFill: 5, fillInterval: 60000s}"),
    ("tokensPerFill: 1, fillInterval: 10s", "tokensPerFill: 1, fillInterval: 10000s"),
    ("tokensPerFill: 1000, fillInterval: 60s", "tokensPerFill: 1000, fillInterval: 60000s"),
];

async fn the_example_does_what_it_says(envoy: &Envoy) -> Result<()> {
    let service = envoy.add_upstream(UpstreamConfig::new("limits-example").own_addresses()).await?;
    service.script([Reply::status(200).header("x-tokens-used", "400")]);
    let mut example = Example::read("rate-limit")?;
    example.take_free_ports()?;
    example.endpoint("service")?["port_value"] = json!(service.addresses()[0].port());
    // Nobody listens there.
    example.endpoint("ratelimit")?["port_value"] = json!(1);
    let running = example.start().await?;
    assert_eq!(running.edit_policy(SLOWER).await?, None);

    for (path, headers, admitted) in [
        ("/api", &[("x-api-key", "blue")][..], 5),
        ("/api?page=2", &[("x-api-key", "red")], 5),
        ("/api", &[], 2),
        ("/users/7/orders", &[], 3),
        ("/users/8/orders?all", &[], 3),
        ("/chat", &[("x-api-key", "blue")], 3),
    ] {
        for number in 0..=admitted {
            let answer = ask(&running, path, headers).await?;
            let expected = if number < admitted { 200 } else { 429 };
            assert_eq!(answer.status, expected, "{path} {headers:?}, number {number}: {answer}");
            assert_eq!(answer.header("retry-after").is_some(), number == admitted);
            let is_api = path.starts_with("/api");
            assert_eq!(answer.header("x-ratelimit-remaining").is_some(), is_api);
            assert_eq!(answer.header("x-limited-by").is_some(), is_api && number == admitted);
        }
    }
    // The limit of a service that is not there.
    for _ in 0..10 {
        assert_eq!(ask(&running, "/search", &[("x-team", "blue")]).await?.status, 200);
    }
    let counted = running.envoy.admin().stats("wasmcustom.").await?;
    let count = |limit: &str, what: &str| {
        let of = |name: &&String| name.contains(&format!("={limit};")) && name.contains(what);
        counted.iter().filter(|(name, _)| of(name)).map(|(_, count)| *count).sum::<u64>()
    };
    assert_eq!(count("api", "rate_limit_rate_limited"), 3);
    assert_eq!(count("examples", "rate_limit_failure_mode_allowed"), 10);
    assert!(count("what-if", "shadow_rate_limited") > 0);

    // Two at once, which wait for the service.
    service.script([Reply::status(200).held().times(2)]);
    let before = service.requests();
    let (first, second, third) = tokio::join!(ask(&running, "/reports", &[]), ask(&running, "/reports", &[]), async {
        service.arrived(before + 2).await;
        let third = ask(&running, "/reports", &[]).await;
        service.release(2);
        third
    });
    assert_eq!([first?.status, second?.status, third?.status], [200, 200, 503]);
    assert_eq!(ask(&running, "/reports", &[]).await?.status, 200);
    Ok(())
}

async fn ask(running: &RunningExample, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let request = Request::new(running.address, "GET", path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    Connection::open(running.address, false).await?.send(request).await
}
