//! What is decided before any request: gateways, ports, labels, and several VirtualServices for one host.

use pointsman_host::Node;
use serde_json::{Value, json};

use super::{Fixture, configure, gateway, rules, sidecar, to};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A whole VirtualService, of that age (a day in January).
fn aged(name: &str, day: u32, spec: Value) -> Value {
    let created = format!("2026-01-{day:02}T00:00:00Z");
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "n", "creationTimestamp": created}, "spec": spec,
    })
}

fn exact(path: &str, host: &str) -> Value {
    json!({"match": [{"uri": {"exact": path}}], "route": to(host)})
}

/// A gateway merges the rules of all VirtualServices for a host, the older first, and what catches all goes to the end.
#[test]
fn a_gateway_merges_by_age() {
    let young = aged("young", 2, json!({"hosts": ["b"], "http": [exact("/a", "young-a"), exact("/b", "young-b")]}));
    let old = aged("old", 1, json!({"hosts": ["b", "c"], "http": [exact("/a", "old-a"), {"route": to("old-rest")}]}));
    let oldest = aged(
        "x",
        1,
        json!({"hosts": ["b"], "http": [
            {"match": [{"uri": {"prefix": "/"}}], "route": to("x-rest")},
        ]}),
    );
    let policy = json!({"virtualServices": [young, oldest, old]});
    Fixture::new(&policy).check(&[
        ("b/a", "old-a"), // as old as `x`, but first by name
        ("b/b", "young-b"),
        ("b/c", "old-rest"),
        ("c/b", "old-rest"),
    ]);
    // A sidecar takes the oldest alone; another host of the younger one is still the younger one's.
    let spec = json!({"hosts": ["b", "d"], "http": [exact("/b", "young-b")]});
    let policy = json!({"gateway": "mesh", "virtualServices": [
        aged("young", 2, spec),
        aged("old", 1, json!({"hosts": ["b"], "http": [exact("/a", "old-a")]})),
    ]});
    Fixture::new(&policy).check(&[
        ("b/a", "old-a"),
        ("b/b", "404 pointsman_no_rule_matched{n/old}"),
        ("d/b", "young-b"),
    ]);
}

/// Resources that were never in a cluster have no age: then they count in their order.
#[test]
fn without_age_the_order_counts() {
    let one = json!({"hosts": ["b"], "http": [{"match": [{}], "route": to("one-rest")}, exact("/never", "one")]});
    let two = json!({"hosts": ["b"], "http": [exact("/a", "two"), {"route": to("two-rest")}]});
    let policy = json!({"virtualServices": [one, two]});
    // What stands behind a rule for all in its own VirtualService does not exist.
    Fixture::new(&policy).check(&[("b/a", "two"), ("b/never", "one-rest"), ("b/", "one-rest")]);
    let policy = json!({"virtualServices": [two, one]});
    Fixture::new(&policy).check(&[("b/a", "two"), ("b/", "two-rest")]);
    let policy = json!({"virtualServices": [one, two]});
    let node = sidecar();
    let mut fixture = Fixture::at(&with_ports(policy), &node);
    assert_eq!(fixture.ask("b/a"), "outbound|80||one-rest.shop.svc.cluster.local");
}

/// The same, with a port where Istio's names of clusters need one.
fn with_ports(mut policy: Value) -> Value {
    policy["destinations"] = json!({"defaultPort": 80});
    policy
}

/// Conditions that come down to nothing count as none; a regex other than `.*` does not.
#[test]
fn what_catches_all() {
    for (conditions, is_catch_all) in [
        (json!({}), true),
        (json!({"uri": {"prefix": "/"}}), true),
        (json!({"uri": {"prefix": "/"}, "ignoreUriCase": true}), true),
        (json!({"uri": {"regex": ".*"}}), true),
        (json!({"sourceNamespace": ""}), true),
        (json!({"uri": {"regex": "/.*"}}), false),
        (json!({"uri": {"prefix": "/"}, "method": {"regex": ".*"}}), false),
        (json!({"withoutHeaders": {"x": {}}}), false),
        (json!({"uri": {"prefix": "/"}, "queryParams": {"q": {}}}), false),
    ] {
        let policy = json!({"virtualServices": [
            {"hosts": ["b"], "http": [{"match": [conditions], "route": to("first")}]},
            {"hosts": ["b"], "http": [{"match": [{"uri": {"exact": "/a"}}], "route": to("second")}]},
        ]});
        let expected = if is_catch_all { "second" } else { "first" };
        assert_eq!(Fixture::new(&policy).ask("b/a?q"), expected, "{conditions}");
    }
}

#[test]
fn who_we_are() {
    let bound = |gateways: Value| json!({"hosts": ["b"], "gateways": gateways, "http": [{"route": to("yes")}]});
    for (gateway, gateways, bound_to_us) in [
        (json!("edge"), json!(["edge"]), true),
        (json!("edge"), json!(["other", "n/edge"]), true),
        (json!("edge"), json!(["other"]), false),
        (json!("edge"), json!([]), false), // which means: the mesh
        (json!("edge"), json!(["mesh"]), false),
        (json!("mesh"), json!([]), true),
        (json!("mesh"), json!(["edge", "mesh"]), true),
        (json!("mesh"), json!(["edge"]), false),
        (json!("n/edge"), json!(["m/edge"]), false),
        (json!(null), json!(["whoever"]), true),
    ] {
        let policy = json!({"gateway": gateway, "virtualServices": [bound(gateways)]});
        let expected = if bound_to_us { "yes" } else { "passes" };
        assert_eq!(Fixture::new(&policy).ask("b/"), expected, "{policy}");
        let warnings = configure(&policy, &Node::default()).2;
        assert_eq!(warnings.is_empty(), bound_to_us, "{policy} {warnings:?}");
    }
}

/// An entry that names gateways is not asked for labels and namespace; one that names none is.
#[test]
fn gateways_labels_and_namespace_of_an_entry() {
    let node = |labels: &[(&str, &str)]| {
        let mut node = sidecar();
        node.labels = labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        node
    };
    let one = node(&[("app", "web"), ("version", "v1")]);
    for (conditions, exists) in [
        (json!({"gateways": ["edge"]}), true),
        (json!({"gateways": ["mesh"]}), false),
        (json!({"gateways": ["other", "edge"]}), true),
        (json!({"gateways": ["edge"], "sourceLabels": {"app": "x"}, "sourceNamespace": "x"}), true),
        (json!({"sourceLabels": {"app": "web"}}), true),
        (json!({"sourceLabels": {"app": "web", "version": "v1"}}), true),
        (json!({"sourceLabels": {"app": "web", "version": "v2"}}), false),
        (json!({"sourceLabels": {"other": ""}}), false),
        (json!({"sourceNamespace": "shop"}), true),
        (json!({"sourceNamespace": "sho"}), false),
        (json!({"sourceNamespace": "shop", "sourceLabels": {"app": "x"}}), false),
    ] {
        let mut policy = with_ports(rules(json!([{"match": [conditions], "route": to("yes.com")}])));
        policy["gateway"] = json!("edge");
        policy["virtualServices"][0]["gateways"] = json!(["edge"]);
        let expected = if exists { "outbound|80||yes.com" } else { "passes" };
        assert_eq!(Fixture::at(&policy, &one).ask("b/"), expected, "{conditions}");
    }
    // An Envoy without an Istio has neither labels nor a namespace.
    let policy = rules(json!([{"match": [{"sourceLabels": {"app": "web"}}], "route": to("yes")}]));
    Fixture::new(&policy).check(&[("b/", "passes")]);
}

/// The port that the client connected to; one that is not known matches no rule with a port.
#[test]
fn ports() {
    let policy = rules(json!([
        {"match": [{"port": 80, "uri": {"exact": "/a"}}, {"port": 81}], "route": to("one")},
        {"match": [{"port": 0, "uri": {"exact": "/b"}}], "route": to("any")},
        {"match": [{"port": 80}], "route": to("two")},
    ]));
    let none = "404 pointsman_no_rule_matched{vs}";
    Fixture::new(&policy).port(80).check(&[("b/a", "one"), ("b/b", "any"), ("b/c", "two"), ("b:81/c", "two")]);
    Fixture::new(&policy).port(81).check(&[("b/a", "one"), ("b/b", "one")]);
    Fixture::new(&policy).port(82).check(&[("b/a", none), ("b/b", "any")]);
    Fixture::new(&policy).port(-1).check(&[("b/a", none), ("b/b", "any")]);
    Fixture::new(&policy).check(&[("b/a", none), ("b/b", "any")]);
}

/// Where no rule of a VirtualService survives, it does not exist: the next less specific host decides, or none.
#[test]
fn without_rules_there_is_no_virtual_service() {
    let policy = json!({"virtualServices": [
        {"hosts": ["*"], "http": [{"match": [{"port": 80}, {"port": 81}], "route": to("any")}]},
        {"hosts": ["*.com"], "http": [{"match": [{"port": 80}], "route": to("suffix")}]},
        {"hosts": ["a.com"], "http": [{"match": [{"port": 443}], "route": to("exact")}]},
        {"hosts": ["b.com"], "http": [{"match": [{"sourceLabels": {"app": "x"}}], "route": to("never")}]},
    ]});
    Fixture::new(&policy).port(443).check(&[("a.com/", "exact"), ("b.com/", "passes")]);
    Fixture::new(&policy).port(80).check(&[("a.com/", "suffix"), ("b.com/", "suffix"), ("a.org/", "any")]);
    Fixture::new(&policy).port(81).check(&[("a.com/", "any"), ("b.com/", "any")]);
    Fixture::new(&policy).port(82).check(&[("a.com/", "passes"), ("b.com/", "passes")]);
    // So does a younger one, in a sidecar, where the oldest has none.
    let policy = with_ports(json!({"virtualServices": [
        {"hosts": ["a.com"], "http": [{"match": [{"port": 443}], "route": to("one.com")}]},
        {"hosts": ["a.com"], "http": [{"route": to("two.com")}]},
    ]}));
    let mut fixture = Fixture::at(&policy, &sidecar()).port(80);
    assert_eq!(fixture.ask("a.com/"), "outbound|80||two.com");
    let mut fixture = Fixture::at(&policy, &sidecar()).port(443);
    assert_eq!(fixture.ask("a.com/"), "outbound|80||one.com");
}

/// The port is asked for only where some rule names one: it costs a call a request.
#[test]
fn the_port_is_not_asked_for_in_vain() {
    for (policy, asked) in [
        (rules(json!([{"route": to("a")}])), vec![]),
        (rules(json!([{"match": [{"port": 80}], "route": to("a")}])), vec!["destination.port"]),
    ] {
        let mut fixture = Fixture::at(&with_ports(policy), &gateway());
        fixture.ask("b/");
        assert_eq!(*fixture.host.asked.borrow(), asked);
    }
}
