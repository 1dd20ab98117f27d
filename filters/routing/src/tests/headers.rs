//! Header operations, at both levels.

use serde_json::{Value, json};

use super::{Fixture, rules};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A rule with these operations of its own on requests, and these of each destination (`d0`, `d1`, …).
fn policy(route: Value, destinations: &[Value]) -> Value {
    let destination = |(index, operations): (usize, &Value)| {
        let host = format!("d{index}");
        json!({"destination": {"host": host}, "weight": 1, "headers": {"request": operations, "response": operations}})
    };
    let destinations: Vec<_> = destinations.iter().enumerate().map(destination).collect();
    rules(json!([{"headers": {"request": route, "response": route}, "route": destinations}]))
}

/// What becomes of a request with `a: 0`, beside its destination, which is the first.
#[track_caller]
fn becomes(route: Value, destinations: &[Value], expected: &str) {
    let outcome = Fixture::new(&policy(route.clone(), destinations)).ask("b/ | a: 0 | a: 00");
    let request = outcome.split(" => ").next().unwrap();
    assert_eq!(request.strip_prefix("d0").unwrap().trim_start_matches("; "), expected, "{route} {destinations:?}");
}

#[test]
fn one_level() {
    for (operations, expected) in [
        (json!({"set": {"a": "1"}}), "a: 1"),
        (json!({"set": {"new": "1"}}), "new: 1"),
        (json!({"add": {"a": "1"}}), "a: 0, 00, 1"),
        (json!({"add": {"new": "1"}}), "new: 1"),
        (json!({"remove": ["a"]}), "-a"),
        (json!({"remove": ["absent"]}), ""),
        // All removals, then all sets, then all adds.
        (json!({"set": {"a": "1"}, "remove": ["a"]}), "a: 1"),
        (json!({"add": {"a": "1"}, "remove": ["a"]}), "a: 1"),
        (json!({"add": {"a": "2"}, "set": {"a": "1"}}), "a: 1, 2"),
        (json!({"add": {"a": "2"}, "set": {"a": "1"}, "remove": ["a"]}), "a: 1, 2"),
        // Names are the same in every letter case, and in the order as they are written.
        (json!({"set": {"A": "1", "a": "2"}}), "a: 2"),
        (json!({"add": {"New": "2", "new": "3", "NEW": "1"}}), "new: 1, 2, 3"),
        (json!({"remove": ["A"]}), "-a"),
        // An empty value does nothing: the client's own stays.
        (json!({"set": {"a": ""}}), ""),
        (json!({"add": {"a": ""}}), ""),
        (json!({"set": {"a": ""}, "remove": ["a"]}), "-a"),
        (json!({"set": {"a": "100%%", "b": "%%%%"}}), "a: 100%; b: %%"),
        (json!({"set": {"a": "é 1,2"}}), "a: \u{c3}\u{a9} 1,2"),
        (json!({"set": {"a": "1"}, "add": {}, "remove": []}), "a: 1"),
        (json!({}), ""),
    ] {
        becomes(operations.clone(), &[json!({})], expected);
        becomes(json!({}), std::slice::from_ref(&operations), expected);
        becomes(operations.clone(), &[json!({}), json!({"set": {"other": "1"}})], expected);
        becomes(json!({}), &[operations, json!({"set": {"other": "1"}})], expected);
    }
}

/// With one destination both levels are one list, and the destination's come after the route's.
#[test]
fn one_destination() {
    for (route, destination, expected) in [
        (json!({"set": {"a": "r"}}), json!({"set": {"a": "d"}}), "a: d"),
        (json!({"add": {"a": "r"}}), json!({"set": {"a": "d"}}), "a: d, r"),
        (json!({"set": {"a": "r"}}), json!({"add": {"a": "d"}}), "a: r, d"),
        (json!({"add": {"a": "r"}}), json!({"add": {"a": "d"}}), "a: 0, 00, r, d"),
        (json!({"remove": ["a"]}), json!({"set": {"a": "d"}}), "a: d"),
        (json!({"set": {"a": "r"}}), json!({"remove": ["a"]}), "a: r"),
        (json!({"add": {"a": "r"}}), json!({"remove": ["a"]}), "a: r"),
        (json!({"set": {"a": "r"}}), json!({"set": {"a": ""}}), "a: r"),
        (json!({"set": {"x": "r"}}), json!({"set": {"y": "d"}, "remove": ["a"]}), "-a; x: r; y: d"),
    ] {
        becomes(route, &[destination], expected);
    }
}

/// With several, the destination's as a whole come first, so that the route wins; also where only one has a weight.
#[test]
fn several_destinations() {
    for (route, destination, expected) in [
        (json!({"set": {"a": "r"}}), json!({"set": {"a": "d"}}), "a: r"),
        (json!({"add": {"a": "r"}}), json!({"set": {"a": "d"}}), "a: d, r"),
        (json!({"set": {"a": "r"}}), json!({"add": {"a": "d"}}), "a: r"),
        (json!({"add": {"a": "r"}}), json!({"add": {"a": "d"}}), "a: 0, 00, d, r"),
        (json!({"remove": ["a"]}), json!({"set": {"a": "d"}}), "-a"),
        (json!({"remove": ["a"]}), json!({"add": {"a": "d"}}), "-a"),
        (json!({"set": {"a": "r"}}), json!({"remove": ["a"]}), "a: r"),
        (json!({"add": {"a": "r"}}), json!({"remove": ["a"]}), "a: r"),
    ] {
        becomes(route.clone(), &[destination.clone(), json!({"set": {"other": "1"}})], expected);
        let mut only_one_weighs = policy(route, &[destination, json!({})]);
        only_one_weighs["virtualServices"][0]["http"][0]["route"][1]["weight"] = json!(0);
        let outcome = Fixture::new(&only_one_weighs).ask("b/ | a: 0 | a: 00");
        assert!(outcome.starts_with(&format!("d0; {expected}")), "{outcome}");
    }
}

#[test]
fn only_the_chosen_destination_counts() {
    let policy = policy(json!({"set": {"r": "1"}}), &[json!({"set": {"x": "0"}}), json!({"set": {"y": "1"}})]);
    let mut fixture = Fixture::new(&policy);
    fixture.host.random = [0, 1].into();
    assert_eq!(fixture.ask("b/"), "d0; r: 1; x: 0 => r: 1; x: 0");
    assert_eq!(fixture.ask("b/"), "d1; r: 1; y: 1 => r: 1; y: 1");
}

/// The response as the upstream gave it has `x-upstream: 1`.
#[test]
fn responses() {
    let alone = |operations: Value| rules(json!([{"headers": {"response": operations}, "route": super::to("d")}]));
    for (operations, expected) in [
        (json!({"set": {"X-Upstream": "2"}}), "d => x-upstream: 2"),
        (json!({"add": {"x-upstream": "2"}}), "d => x-upstream: 1, 2"),
        (json!({"remove": ["x-upstream"]}), "d => -x-upstream"),
        (json!({"remove": ["x-upstream"], "add": {"x-upstream": "2"}}), "d => x-upstream: 2"),
        (json!({"set": {"x-upstream": ""}}), "d"),
        (json!({"set": {"a": "100%%"}}), "d => a: 100%"),
        // On a response `Host` is a header like any other.
        (json!({"set": {"Host": "x"}}), "d => host: x"),
    ] {
        Fixture::new(&alone(operations)).check(&[("b/", expected)]);
    }
    let one = policy(json!({"set": {"a": "r"}}), &[json!({"set": {"a": "d"}})]);
    assert!(Fixture::new(&one).ask("b/").ends_with("=> a: d"));
    let several = policy(json!({"set": {"a": "r"}}), &[json!({"set": {"a": "d"}}), json!({})]);
    assert!(Fixture::new(&several).ask("b/").ends_with("=> a: r"));
}

/// `Host`, in any letter case, and `:authority` are a rewrite of the host; the first of the route's `set` and `add` and
/// the destination's `set` and `add` that names one counts.
#[test]
fn rewrites_of_the_host() {
    let rewritten = |host: &str, original: &str| match original {
        "" => format!(":authority: {host}"),
        original => format!(":authority: {host}; x-envoy-original-host: {original}"),
    };
    for (route, destination, expected) in [
        (json!({"set": {"Host": "r"}}), json!({}), "r"),
        (json!({"set": {":authority": "r"}}), json!({}), "r"),
        (json!({"add": {"hOsT": "r"}}), json!({}), "r"),
        (json!({}), json!({"set": {"host": "d"}}), "d"),
        (json!({}), json!({"add": {":authority": "d"}}), "d"),
        (json!({"set": {"Host": "r"}}), json!({"set": {"Host": "d"}}), "r"),
        (json!({"add": {"Host": "r"}}), json!({"set": {"Host": "d"}}), "r"),
        (json!({}), json!({"set": {"Host": "d"}, "add": {":authority": "x"}}), "d"),
        // An empty one is none.
        (json!({"set": {"Host": ""}}), json!({"set": {"Host": "d"}}), "d"),
    ] {
        for destinations in [vec![destination.clone()], vec![destination.clone(), json!({})]] {
            let mut policy = policy(json!({}), &destinations);
            let rule = &mut policy["virtualServices"][0]["http"][0];
            rule["headers"] = json!({"request": route});
            for destination in rule["route"].as_array_mut().unwrap() {
                destination["headers"]["response"] = json!({});
            }
            let outcome = Fixture::new(&policy).ask("b:80/");
            // One of several destinations rewrites the host before the route does, and says nothing of the original.
            let original = match (destinations.len(), expected, destination == json!({})) {
                (2, "d", _) => "",
                (2, _, false) => "d",
                _ => "b:80",
            };
            assert_eq!(outcome, format!("d0; {}", rewritten(expected, original)), "{policy}");
        }
    }
    let nothing = rules(json!([{"headers": {"request": {"set": {"Host": ""}}}, "route": super::to("d")}]));
    Fixture::new(&nothing).check(&[("b:80/", "d")]);
    // Envoy rewrites the host after it has done the operations, so that no operation touches what it then says.
    let undone = json!({"set": {"Host": "r"}, "remove": ["X-Envoy-Original-Host"]});
    let undone = rules(json!([{"headers": {"request": undone}, "route": super::to("d")}]));
    let expected = format!("d; {}", rewritten("r", "b:80"));
    Fixture::new(&undone).check(&[
        ("b:80/", &expected),
        ("b:80/ | x-envoy-original-host: forged | x-envoy-original-host: 2", &expected),
    ]);
}

/// The header that tells Envoy the cluster is no rule's to change.
#[test]
fn the_destination_is_told_whatever_a_rule_does() {
    for operations in [
        json!({"set": {"X-Pointsman-Cluster": "other"}}),
        json!({"add": {"x-pointsman-cluster": "other"}}),
        json!({"remove": ["x-pointsman-cluster"]}),
    ] {
        let policy = rules(json!([{"headers": {"request": operations}, "route": super::to("d")}]));
        Fixture::new(&policy).check(&[("b/", "d"), ("b/ | x-pointsman-cluster: forged", "d")]);
    }
}
