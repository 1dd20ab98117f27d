//! Which VirtualService a request's host belongs to.

use pointsman_host::Node;
use serde_json::{Value, json};

use super::{Fixture, sidecar, to};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A VirtualService for each host, to the destination beside it.
fn services(services: &[(&[&str], &str)]) -> Value {
    let service = |(hosts, to_host): &(&[&str], &str)| json!({"hosts": hosts, "http": [{"route": to(to_host)}]});
    json!({"virtualServices": services.iter().map(service).collect::<Vec<_>>()})
}

#[test]
fn the_most_specific_host() {
    Fixture::new(&services(&[
        (&["*"], "any"),
        (&["*.com"], "com"),
        (&["*.a.com"], "suffix"),
        (&["a.com", "x.a.com"], "exact"),
        (&["*-y.a.com"], "dash"),
    ]))
    .check(&[
        ("a.com/", "exact"),
        ("x.a.com/", "exact"),
        ("z.a.com/", "suffix"),
        ("z.x.a.com/", "suffix"),
        ("b-y.a.com/", "dash"),
        ("-y.a.com/", "suffix"),
        ("b.com/", "com"),
        ("com/", "any"),
        (".com/", "any"),
        (".a.com/", "com"),
        ("a.org/", "any"),
        ("/", "any"),
    ]);
}

#[test]
fn no_virtual_service_for_the_host() {
    Fixture::new(&services(&[(&["a.com"], "a"), (&["*.b.com"], "b")])).check(&[
        ("a.com/", "a"),
        ("b.com/", "passes"),
        (".b.com/", "passes"),
        ("x.a.com/", "passes"),
        ("a.com./", "passes"),
        ("/", "passes"),
        ("b.com/ | x: 1", "passes"),
    ]);
    Fixture::new(&json!({})).check(&[("a.com/", "passes")]);
}

#[test]
fn letter_case_and_port_of_a_host_are_ignored() {
    Fixture::new(&services(&[(&["A.Example.com"], "exact"), (&["*.EXAMPLE.com"], "suffix")])).check(&[
        ("a.example.com/", "exact"),
        ("a.example.COM:8080/", "exact"),
        ("B.Example.Com:1/", "suffix"),
        ("a.example.com:/", "exact"),
        ("a.example.com:x/", "exact"),
    ]);
}

#[test]
fn addresses() {
    let policy = services(&[(&["10.0.0.1"], "four"), (&["fd00::1"], "six"), (&["FD00::A"], "letters")]);
    Fixture::new(&policy).check(&[
        ("10.0.0.1/", "four"),
        ("10.0.0.1:80/", "four"),
        ("[fd00::1]/", "six"),
        ("[fd00::1]:8080/", "six"),
        ("[fd00::a]/", "letters"),
        ("[fd00::2]/", "passes"),
    ]);
}

/// A more specific host that no rule matches is not asked a second time further up.
#[test]
fn no_rule_matches() {
    let policy = json!({"virtualServices": [
        {"hosts": ["*"], "http": [{"route": to("any")}]},
        {"name": "shop", "namespace": "n", "hosts": ["a.com", "*.a.com"],
            "http": [{"match": [{"uri": {"exact": "/x"}}], "route": to("a")}]},
    ]});
    Fixture::new(&policy).check(&[
        ("a.com/x", "a"),
        ("a.com/y", "404 pointsman_no_rule_matched{n/shop}"),
        ("b.a.com/y", "404 pointsman_no_rule_matched{n/shop}"),
        ("b.com/y", "any"),
    ]);
}

/// Inside Istio a host without a dot is a service of the resource's namespace, and a sidecar's clients call it by each
/// of its names, as the DNS search list of Kubernetes does.
#[test]
fn names_of_a_service() {
    let whole = |namespace: &str, host: &str, to_host: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": to_host, "namespace": namespace},
            "spec": {"hosts": [host], "http": [{"route": [{"destination": {"host": to_host, "port": {"number": 80}}}]}]},
        })
    };
    let policy = json!({"virtualServices": [
        whole("shop", "reviews", "own"), whole("other", "ratings", "their"), whole("shop", "a.com", "ours.com"),
    ]});
    let own = "outbound|80||own.shop.svc.cluster.local";
    let their = "outbound|80||their.other.svc.cluster.local";
    Fixture::at(&policy, &sidecar()).check(&[
        ("reviews/", own),
        ("Reviews:9080/", own),
        ("reviews.shop/", own),
        ("reviews.shop.svc/", own),
        ("reviews.shop.svc.cluster.local/", own),
        ("reviews.shop.svc.cluster.local.:80/", own),
        ("reviews.other/", "passes"),
        // A service of another namespace has no one-word name here.
        ("ratings/", "passes"),
        ("ratings.other/", their),
        ("ratings.other.svc:80/", their),
        ("ratings.other.svc.cluster.local/", their),
        ("a.com/", "outbound|80||ours.com"),
        ("a.com./", "passes"),
        ("a/", "passes"),
    ]);
    // A gateway's clients are no pods: only the full name.
    Fixture::at(&policy, &super::gateway()).check(&[
        ("reviews/", "passes"),
        ("reviews.shop/", "passes"),
        ("reviews.shop.svc.cluster.local/", own),
        ("reviews.shop.svc.cluster.local./", "passes"),
    ]);
    // Outside Istio a name is a name.
    Fixture::at(&policy, &Node::default()).check(&[("reviews/", "own"), ("reviews.shop/", "passes")]);
}
