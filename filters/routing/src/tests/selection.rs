//! Which destination of a rule, and what the rule is called.

use serde_json::{Value, json};

use super::{Fixture, rules};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A rule with these destinations and weights.
fn weighted(weights: &[(&str, Option<u32>)]) -> Value {
    let destination = |(host, weight): &(&str, Option<u32>)| match weight {
        Some(weight) => json!({"destination": {"host": host}, "weight": weight}),
        None => json!({"destination": {"host": host}}),
    };
    rules(json!([{"route": weights.iter().map(destination).collect::<Vec<_>>()}]))
}

/// What is chosen for random numbers from 0 on.
fn chosen(policy: &Value, randoms: impl IntoIterator<Item = u64>) -> Vec<String> {
    let mut fixture = Fixture::new(policy);
    randoms
        .into_iter()
        .map(|random| {
            fixture.host.random = [random].into();
            fixture.ask("b/")
        })
        .collect()
}

#[test]
fn by_random_number_modulo_the_sum_in_the_order_of_the_rule() {
    let policy = weighted(&[("a", Some(2)), ("b", Some(1)), ("c", Some(3))]);
    assert_eq!(chosen(&policy, 0..8), ["a", "a", "b", "c", "c", "c", "a", "a"]);
    // 2^64 - 1 is 3 modulo 6.
    assert_eq!(chosen(&policy, [u64::MAX]), ["c"]);
}

#[test]
fn weight_0_is_left_out() {
    let policy = weighted(&[("a", Some(0)), ("b", Some(1)), ("c", None), ("d", Some(1))]);
    assert_eq!(chosen(&policy, 0..4), ["b", "d", "b", "d"]);
    let policy = weighted(&[("a", Some(0)), ("b", Some(7))]);
    assert_eq!(chosen(&policy, [0, 6, u64::MAX]), ["b", "b", "b"]);
}

#[test]
fn one_destination_gets_everything() {
    for weight in [None, Some(0), Some(1), Some(100)] {
        assert_eq!(chosen(&weighted(&[("a", weight)]), [0, 1, 99, u64::MAX]), ["a", "a", "a", "a"], "{weight:?}");
    }
}

#[test]
fn a_sum_beyond_32_bits() {
    let most = i32::MAX.unsigned_abs();
    let policy = weighted(&[("a", Some(most)), ("b", Some(most)), ("c", Some(most))]);
    let most = u64::from(most);
    assert_eq!(
        chosen(&policy, [0, most - 1, most, 2 * most - 1, 2 * most, 3 * most - 1, 3 * most]),
        ["a", "a", "b", "b", "c", "c", "a"]
    );
}

/// Random numbers are drawn only where there is something to choose.
#[test]
fn nothing_is_drawn_in_vain() {
    for (policy, drawn) in [
        (weighted(&[("a", Some(5))]), 0),
        (weighted(&[("a", Some(5)), ("b", Some(0))]), 0),
        (weighted(&[("a", Some(1)), ("b", Some(1))]), 1),
    ] {
        let mut fixture = Fixture::new(&policy);
        fixture.host.random = [7, 7, 7].into();
        fixture.ask("b/");
        assert_eq!(3 - fixture.host.random.len(), drawn, "{policy}");
    }
}

fn explained(policy: Value, request: &str) -> String {
    let mut policy = policy;
    policy["debug"] = json!({"header": "X-Why"});
    let text = Fixture::new(&policy).ask(&format!("{request} | x-why: 1"));
    text.split_once("x-why: ").unwrap_or(("", &text)).1.to_owned()
}

/// Istio's names of routes: the rule's, and behind a dot the match entry's.
#[test]
fn names_of_rules() {
    for (rule_name, entry_name, expected) in [
        ("", "", "vs http[0].match[0] -> a"),
        ("rule", "", "vs http[0].match[0] (rule) -> a"),
        ("rule", "entry", "vs http[0].match[0] (rule.entry) -> a"),
        ("", "entry", "vs http[0].match[0] (.entry) -> a"),
    ] {
        let rule = json!([{"name": rule_name, "match": [{"name": entry_name}], "route": super::to("a")}]);
        assert_eq!(explained(rules(rule), "b/"), expected);
    }
    assert_eq!(explained(rules(json!([{"name": "rule", "route": super::to("a")}])), "b/"), "vs http[0] (rule) -> a");
}

/// What is asked for is told: rule and destination, and of each rule before it the condition that did not hold.
#[test]
fn explanations() {
    let to = |destination: Value| json!([{"destination": destination}]);
    let entries = json!([
        {"uri": {"exact": "/x"}}, {"scheme": {"exact": "x"}}, {"method": {"exact": "x"}}, {"authority": {"exact": "x"}},
        {"headers": {"A-b": {"exact": "x"}}}, {"withoutHeaders": {"y": {}}},
        {"queryParams": {"q\u{1}é": {}}},
    ]);
    let policy = rules(json!([
        {"match": entries, "route": to(json!({"host": "never"}))},
        {"route": to(json!({"host": "h", "subset": "v1", "port": {"number": 9080}}))},
    ]));
    assert_eq!(
        explained(policy.clone(), "b/ | y: 1"),
        "vs http[1] -> h:9080 subset v1; not vs http[0].match[0]: uri; not vs http[0].match[1]: scheme; \
         not vs http[0].match[2]: method; not vs http[0].match[3]: authority; not vs http[0].match[4]: headers[a-b]; \
         not vs http[0].match[5]: withoutHeaders[y]; not vs http[0].match[6]: queryParams[q\\x01\\xc3\\xa9]"
    );
    let policy = rules(json!([{"match": [{"uri": {"exact": "/x"}}], "route": to(json!({"host": "a"}))}]));
    assert_eq!(explained(policy, "b/"), "404: no rule matched; not vs http[0].match[0]: uri");
    let policy = json!({"virtualServices": [{"hosts": ["a"], "http": [{"route": super::to("a")}]}]});
    assert_eq!(explained(policy, "b/"), "no VirtualService for this host: passed on untouched");
}

/// A header's value may hold no line break, and nobody reads 60 KiB.
#[test]
fn explanations_are_headers() {
    let rule = |name: &str| json!({"name": name, "match": [{"uri": {"exact": "/x"}}], "route": super::to("a")});
    let mut all = vec![rule(""); 500];
    all.push(json!({"name": "a\r\nb\0c", "route": super::to("a")}));
    let text = explained(rules(json!(all)), "b/");
    assert!(text.starts_with("vs http[500] (a??b?c) -> a; not vs http[0].match[0]: uri; "), "{text}");
    assert!(text.len() < 4200 && text.ends_with(" more") && text.contains("; and 3"), "{text}");
}
