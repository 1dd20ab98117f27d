//! `destinationCluster`: where the request goes, which the same module may have decided a moment ago.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Test, module, routes, tests};
use serde_json::{Value, json};

use super::{SLIM, WHOLE, bucket, descriptor, statuses, then_refused, with};

pub fn tests() -> Vec<Test> {
    tests![where_the_rule_sends_it, where_the_proxy_sends_it, by_shares, where_nobody_knows, routed_by_another_filter]
}

const KEY: &str = "destination_cluster";

/// For each cluster a bucket, and for some another one.
fn limits() -> Value {
    let descriptors = json!([
        descriptor(KEY, "", &bucket(2)),
        descriptor(KEY, "limits-b", &bucket(3)),
        descriptor(KEY, "limits-c", &bucket(4)),
    ]);
    json!([{"actions": [{"destinationCluster": {}}], "local": {"descriptors": descriptors}}])
}

fn rule(path: &str, destinations: &[(&str, u32)]) -> Value {
    let route = destinations.iter().map(|(host, weight)| json!({"destination": {"host": host}, "weight": weight}));
    json!({"match": [{"uri": {"prefix": path}}], "route": route.collect::<Vec<_>>()})
}

async fn echoes(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["limits-a", "limits-b", "limits-c"]).await
}

fn services(hosts: &[&str]) -> Value {
    let rules = [
        rule("/a", &[("limits-a", 100)]),
        rule("/b", &[("limits-b", 100)]),
        rule("/too-b", &[("limits-b", 100)]),
        json!({"match": [{"uri": {"exact": "/moved"}}], "redirect": {"uri": "/a"}}),
        json!({"match": [{"uri": {"exact": "/said"}}], "directResponse": {"status": 200}}),
    ];
    json!([{"hosts": hosts, "http": rules}])
}

/// So many of them pass, whichever paths they are.
async fn share(listener: &Listener, paths: &[&str], size: usize) -> Result<()> {
    for (number, expected) in then_refused(size, 2).into_iter().enumerate() {
        let path = paths[number % paths.len()];
        assert_eq!(listener.get(path).send().await?.status, expected, "{path}, request {number}");
    }
    Ok(())
}

async fn where_the_rule_sends_it(envoy: &Envoy) -> Result<()> {
    echoes(envoy).await?;
    let policy = json!({"virtualServices": services(&["*"]), "rateLimits": limits()});
    let listener = envoy.add_listener(ListenerConfig::new().module(module(WHOLE)?).policy(policy)).await?;
    share(&listener, &["/a", "/a/x"], 2).await?;
    share(&listener, &["/b", "/too-b", "/b/x"], 3).await?;
    // These go nowhere.
    assert_eq!(statuses(&listener.get("/moved"), 6).await?, [301; 6]);
    assert_eq!(statuses(&listener.get("/said"), 6).await?, [200; 6]);
    assert_eq!(statuses(&listener.get("/none"), 6).await?, [404; 6]);
    Ok(())
}

/// For a host without rules it is Envoy's own route.
async fn where_the_proxy_sends_it(envoy: &Envoy) -> Result<()> {
    echoes(envoy).await?;
    let own = json!({"match": {"prefix": "/c"}, "route": {"cluster": "limits-c"}});
    let policy = json!({"virtualServices": services(&["a.example"]), "rateLimits": limits()});
    for module_name in [WHOLE, SLIM] {
        let routes = [vec![own.clone()], routes::usual("default")].concat();
        let config = ListenerConfig::new().module(module(module_name)?).policy(policy.clone()).routes(routes);
        let listener = envoy.add_listener(config).await?;
        share(&listener, &["/c", "/c/d"], 4).await?;
        share(&listener, &["/x", "/b"], 2).await?;
    }
    Ok(())
}

/// The bucket is that of the destination which was drawn.
async fn by_shares(envoy: &Envoy) -> Result<()> {
    echoes(envoy).await?;
    let rules = json!([rule("/", &[("limits-b", 50), ("limits-c", 50)])]);
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": rules}], "rateLimits": limits()});
    let listener = envoy.add_listener(ListenerConfig::new().module(module(WHOLE)?).policy(policy)).await?;
    let mut passed = [0, 0];
    // The chance that one of them is not drawn so often is less than 1 in 10^20.
    for _ in 0..150 {
        let answer = listener.get("/").send().await?;
        match answer.status {
            200 => passed[usize::from(answer.service() == "limits-c")] += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(passed, [3, 4]);
    Ok(())
}

/// Envoy's route depends on what is changed in the request, so nobody knows it yet: there is no descriptor.
async fn where_nobody_knows(envoy: &Envoy) -> Result<()> {
    echoes(envoy).await?;
    let rules = json!([rule("/", &[("limits-b", 100)])]);
    let mut policy = json!({"virtualServices": [{"hosts": ["*"], "http": rules}], "rateLimits": limits()});
    policy["destinations"] = json!({"by": "authority"});
    let domains = |domain: &str, cluster: &str| json!({"name": domain, "domains": [domain], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]});
    let hosts = json!([domains("limits-b", "limits-b"), domains("*", "default")]);
    let manager = json!({"route_config": {"virtual_hosts": hosts}});
    let config = ListenerConfig::new().module(module(WHOLE)?).policy(policy).manager(manager);
    let listener = envoy.add_listener(config).await?;
    for _ in 0..6 {
        let answer = listener.get("/").send().await?;
        assert_eq!((answer.status, answer.service().as_str()), (200, "limits-b"));
    }
    Ok(())
}

/// The slim modules one after the other: what the first has decided, the second goes by. Envoy's own filter in its place
/// does.
async fn routed_by_another_filter(envoy: &Envoy) -> Result<()> {
    echoes(envoy).await?;
    let policy = json!({"virtualServices": services(&["*"])});
    let always = json!({"default_value": {"numerator": 100}});
    let native = with(
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "native", "filter_enabled": always, "filter_enforced": always,
            "rate_limits": [{"actions": limits()[0]["actions"]}],
        }),
        limits()[0]["local"].clone(),
    );
    let native = json!({"name": "envoy.filters.http.local_ratelimit", "typed_config": native});
    let routing = ListenerConfig::new().module(module("pointsman-routing")?).policy(policy.clone());
    let theirs = envoy.add_listener(routing.filter_after(native)).await?;
    let routing = json!({
        "name": "routing",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "routing", "root_id": "routing",
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8", "vm_id": "routing before limits",
                    "code": {"local": {"filename": module("pointsman-routing")?}},
                },
                "configuration": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": policy},
            },
        },
    });
    let config = ListenerConfig::new().filter_before(routing).module(module(SLIM)?);
    let ours = envoy.add_listener(config.policy(json!({"rateLimits": limits()}))).await?;
    for listener in [&theirs, &ours] {
        share(listener, &["/a", "/a/x"], 2).await?;
        share(listener, &["/b", "/too-b", "/b/x"], 3).await?;
    }
    Ok(())
}
