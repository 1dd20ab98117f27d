//! How a destination becomes one of Envoy's clusters.

use pointsman_host::Node;
use serde_json::{Value, json};

use super::{Fixture, configure, gateway, rules, sidecar, to};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn policy(destinations: Value, destination: Value) -> Value {
    let mut policy = rules(json!([{"route": [{"destination": destination}]}]));
    policy["destinations"] = destinations;
    policy
}

fn named(destinations: Value, destination: Value) -> String {
    Fixture::new(&policy(destinations, destination)).ask("b/")
}

#[test]
fn host_or_host_and_subset() {
    assert_eq!(named(json!(null), json!({"host": "reviews"})), "reviews");
    assert_eq!(named(json!({}), json!({"host": "reviews", "subset": "v1"})), "reviews-v1");
    assert_eq!(named(json!({}), json!({"host": "a.com", "subset": "", "port": {"number": 80}})), "a.com");
}

#[test]
fn templates() {
    let full = json!({"host": "reviews", "subset": "v1", "port": {"number": 80}});
    for (template, expected) in [
        ("{host}", "reviews"),
        ("outbound|{port}|{subset}|{host}", "outbound|80|v1|reviews"),
        ("{host}_{subset}_{host}", "reviews_v1_reviews"),
        ("a}{host}", "a}reviews"),
        ("é {host}", "\u{c3}\u{a9} reviews"),
    ] {
        assert_eq!(named(json!({"clusterName": template}), full.clone()), expected);
    }
    let template = json!({"clusterName": "{host}:{port}:{subset}", "defaultPort": 8080});
    assert_eq!(named(template.clone(), json!({"host": "a"})), "a:8080:");
    assert_eq!(named(template, json!({"host": "a", "port": {"number": 1}})), "a:1:");
}

#[test]
fn exceptions() {
    let exceptions = json!({"clusterName": "{host}/{subset}/{port}", "defaultPort": 9, "clusters": [
        {"host": "a", "subset": "v1", "port": 80, "cluster": "eighty"},
        {"host": "a", "subset": "v1", "cluster": "any-port"},
        {"host": "a", "cluster": "no-subset"},
        {"host": "a", "subset": "v1", "port": 81, "cluster": "too-late"},
    ]});
    for (destination, expected) in [
        (json!({"host": "a", "subset": "v1", "port": {"number": 80}}), "eighty"),
        (json!({"host": "a", "subset": "v1", "port": {"number": 81}}), "any-port"),
        (json!({"host": "a", "subset": "v1"}), "any-port"),
        (json!({"host": "a"}), "no-subset"),
        (json!({"host": "a", "subset": "v2"}), "a/v2/9"),
        (json!({"host": "b", "subset": "v1"}), "b/v1/9"),
    ] {
        assert_eq!(named(exceptions.clone(), destination.clone()), expected, "{destination}");
    }
}

#[test]
fn another_header() {
    let policy = policy(json!({"header": "X-Own"}), json!({"host": "a"}));
    Fixture::new(&policy).check(&[
        ("b/", "passes; x-own: a"),
        ("b/ | x-own: forged", "passes; x-own: a"),
        ("b/ | x-pointsman-cluster: forged", "passes; x-own: a"),
    ]);
}

#[test]
fn by_authority() {
    let by = || json!({"by": "authority"});
    let rewritten = |host: &str| format!("passes; :authority: {host}; x-envoy-original-host: b");
    for (destinations, destination, expected) in [
        (by(), json!({"host": "a.com"}), "a.com"),
        (by(), json!({"host": "a.com", "port": {"number": 81}}), "a.com:81"),
        (json!({"by": "authority", "defaultPort": 82}), json!({"host": "a.com"}), "a.com:82"),
        (by(), json!({"host": "fd00::1", "port": {"number": 81}}), "[fd00::1]:81"),
        (by(), json!({"host": "fd00::1"}), "[fd00::1]"),
    ] {
        assert_eq!(named(destinations, destination), rewritten(expected));
    }
    let mut own = policy(by(), json!({"host": "reviews", "port": {"number": 80}}));
    own["virtualServices"][0]["namespace"] = json!("other");
    let expected = rewritten("reviews.other.svc.cluster.local:80");
    Fixture::at(&own, &sidecar()).check(&[("b/", &expected)]);
    // Where no rule says so, the host stays.
    let other = json!({"destinations": by(), "virtualServices": [{"hosts": ["a"], "http": [{"route": to("x")}]}]});
    Fixture::new(&other).check(&[("b/", "passes"), ("b/ | x-pointsman-cluster: forged", "passes")]);
}

/// Istio's own names, in its sidecars and gateways; a short host belongs to the resource's namespace, else to ours.
#[test]
fn inside_istio() {
    let destination = |host: &str| json!({"host": host, "subset": "v1", "port": {"number": 80}});
    for node in [sidecar(), gateway()] {
        let own = &node.namespace;
        for (namespace, host, expected) in [
            (None, "reviews", format!("outbound|80|v1|reviews.{own}.svc.cluster.local")),
            (Some("other"), "reviews", "outbound|80|v1|reviews.other.svc.cluster.local".into()),
            (Some("other"), "a.com", "outbound|80|v1|a.com".into()),
        ] {
            let mut policy = policy(json!(null), destination(host));
            if let Some(namespace) = namespace {
                policy["virtualServices"][0]["namespace"] = json!(namespace);
            }
            Fixture::at(&policy, &node).check(&[("b/", &expected)]);
        }
        let without_port = policy(json!(null), json!({"host": "a.com"}));
        let (_, errors, _) = configure(&without_port, &node);
        assert_eq!(
            errors,
            ["virtualServices[0].http[0].route[0].destination: has no port, and the cluster's name needs one, which \
                 Istio alone would know: add `port: {number: …}` here, or `destinations.defaultPort`, or an entry in \
                 `destinations.clusters`"]
        );
        let mut policy = policy(json!({"defaultPort": 8080}), json!({"host": "a.com"}));
        Fixture::at(&policy, &node).check(&[("b/", "outbound|8080||a.com")]);
        policy["destinations"] = json!({"clusters": [{"host": "a.com", "cluster": "own"}]});
        Fixture::at(&policy, &node).check(&[("b/", "own")]);
        policy["destinations"] = json!({"clusterName": "{host}"});
        Fixture::at(&policy, &node).check(&[("b/", "a.com")]);
    }
    // An exception is for the host as the policy writes it.
    let short = policy(json!({"clusters": [{"host": "reviews", "cluster": "own"}]}), json!({"host": "reviews"}));
    Fixture::at(&short, &sidecar()).check(&[("b/", "own")]);
    let mut node = Node::from_id("router~10.0.0.1~edge.ingress~ingress.svc.my.org");
    node.namespace = "elsewhere".into();
    let policy = policy(json!(null), destination("reviews"));
    Fixture::at(&policy, &node).check(&[("b/", "outbound|80|v1|reviews.elsewhere.svc.my.org")]);
}
