//! What a client may not say.

use pointsman_host::Node;
use serde_json::{Value, json};

use super::{Fixture, gateway, rules, sidecar, to};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Envoy's documentation, "HTTP headers (consumed)" of the router.
const ROUTER_HEADERS: [&str; 10] = [
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-max-retries",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
];

fn policy(trust: Value) -> Value {
    let mut policy = rules(json!([{"route": to("a.com")}]));
    policy["destinations"] = json!({"clusterName": "{host}"});
    policy["trustClientRouterHeaders"] = trust;
    policy
}

#[test]
fn our_own_headers_are_taken_from_everybody() {
    for trust in [json!(null), json!("internal")] {
        let mut policy = policy(trust);
        policy["virtualServices"][0]["hosts"] = json!(["a"]);
        Fixture::new(&policy).check(&[
            ("b/ | x-pointsman-cluster: x", "passes"),
            ("b/ | x-pointsman-: x | x-pointsman-policy: y", "passes; -x-pointsman-; -x-pointsman-policy"),
            ("b/ | x-pointsman-explain: x", "passes; -x-pointsman-explain"),
            ("b/ | x-pointsman-a: 1 | x-pointsman-a: 2 | x-envoy-internal: true", "passes; -x-pointsman-a"),
            ("a/ | x-pointsman-cluster: x | x-pointsman-cluster: y", "a.com"),
            ("b/ | x-pointsman: 1 | pointsman-cluster: 1", "passes"),
        ]);
    }
}

#[test]
fn the_routers_headers_are_taken_from_whom_we_do_not_trust() {
    let never = || json!("never");
    let internal = || json!("internal");
    let absent = || json!(null);
    for name in ROUTER_HEADERS {
        let from_outside = format!("b/ | {name}: 1");
        let from_inside = format!("b/ | {name}: 1 | x-envoy-internal: true");
        let (kept, gone) = ("a.com".to_owned(), format!("a.com; -{name}"));
        for (trust, node, outside, inside) in [
            (absent(), Node::default(), &gone, &gone),
            (absent(), gateway(), &gone, &gone),
            (absent(), sidecar(), &gone, &kept),
            (never(), sidecar(), &gone, &gone),
            (internal(), sidecar(), &gone, &kept),
            (internal(), gateway(), &gone, &kept),
            (internal(), Node::default(), &gone, &kept),
        ] {
            let policy = policy(trust);
            Fixture::at(&policy, &node).check(&[(&from_outside, outside), (&from_inside, inside)]);
        }
    }
    Fixture::new(&policy(json!("internal"))).check(&[
        ("b/ | x-envoy-retry-on: 1 | x-envoy-internal: 1", "a.com; -x-envoy-retry-on"),
        ("b/ | x-envoy-retry-on: 1 | x-envoy-internal: false | x-envoy-internal: true", "a.com; -x-envoy-retry-on"),
    ]);
}

#[test]
fn other_headers_of_envoy_pass() {
    let others = "b/ | x-envoy-internal: true | x-envoy-original-path: /x | x-envoy-retry: 1 | x-envoy-retry-onn: 1 \
                  | envoy-retry-on: 1 | x-envoy-external-address: 1 | x-request-id: 1";
    Fixture::new(&policy(json!("never"))).check(&[(others, "a.com")]);
}

/// The header that asks for an explanation is the client's to send, and goes no further.
#[test]
fn who_asks_for_an_explanation() {
    let mut policy = policy(json!(null));
    policy["debug"] = json!({"header": "X-Pointsman-Explain"});
    policy["virtualServices"][0]["hosts"] = json!(["a"]);
    let untouched = "no VirtualService for this host: passed on untouched";
    Fixture::new(&policy).check(&[
        ("a/ | x-pointsman-explain: ", "a.com; -x-pointsman-explain => x-pointsman-explain: vs http[0] -> a.com"),
        ("a/", "a.com"),
        (
            "b/ | x-pointsman-explain: 1 | x-pointsman-explain: 2",
            &format!("passes; -x-pointsman-explain => x-pointsman-explain: {untouched}"),
        ),
        ("b/ | x-pointsman-explain2: 1", "passes; -x-pointsman-explain2"),
        ("b/", "passes"),
    ]);
}

/// A configuration in which one header serves both ends is no way in for a client.
#[test]
fn an_explanation_cannot_name_a_cluster() {
    let mut policy = policy(json!(null));
    policy["debug"] = json!({"header": "x-pointsman-cluster"});
    policy["virtualServices"][0]["hosts"] = json!(["a"]);
    let mut fixture = Fixture::new(&policy);
    assert!(fixture.ask("b/ | x-pointsman-cluster: forged").starts_with("passes"));
    assert!(fixture.ask("a/ | x-pointsman-cluster: forged").starts_with("a.com"));
}
