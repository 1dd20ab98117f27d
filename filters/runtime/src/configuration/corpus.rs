//! Bad configurations: the corpus, each case as JSON text and as a Struct; and what is only odd.

use fault_injection::FaultInjection;
use pointsman_host::Node;
use rate_limit::RateLimit;
use routing::Routing;
use serde_json::{Value, json};

use self::files::{Configuration, cases};
use super::tests::serialized;
use super::{build, parse};

#[path = "../../../../envoy-test/configurations/corpus.rs"]
mod files;

/// What Envoy's log says of it, without the line that counts.
fn messages(bytes: &[u8]) -> Vec<String> {
    let configuration = match parse(bytes) {
        Ok(configuration) => configuration,
        Err(why) => return vec![format!("the configuration is refused: {why}")],
    };
    let (filters, report) = build::<(Routing, RateLimit, FaultInjection<true>)>(&configuration, &Node::default());
    assert_eq!(filters.is_some(), report.errors().is_empty());
    report.errors().iter().map(ToString::to_string).collect()
}

#[test]
fn each_case_of_the_corpus() {
    let mut differences = String::new();
    let cases = cases();
    assert!(cases.len() >= 100, "{}", cases.len());
    for case in &cases {
        let forms = match &case.configuration {
            Configuration::Tree(tree) => vec![tree.to_string().into_bytes(), serialized(tree)],
            Configuration::Bytes(bytes) => vec![bytes.clone()],
        };
        for said in forms.iter().map(|bytes| messages(bytes)).filter(|said| *said != case.messages) {
            differences += &format!("\n{} expects\n{:#?} and not\n{said:#?}", case.name, case.messages);
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// A policy with a number, a regular expression and characters of several bytes.
fn policy() -> Value {
    let route = json!([{"destination": {"host": "cart"}, "weight": 100}]);
    let entry = json!({"uri": {"regex": "/c(a|f)*"}, "headers": {"x-shop": {"exact": "café"}}});
    json!({"virtualServices": [{"hosts": ["shop"], "http": [{"match": [entry], "route": route}]}]})
}

/// A file that is cut off anywhere, or has one byte wrong: no panic, and a word about it.
#[test]
fn any_part_of_a_configuration() {
    let policy = policy();
    for bytes in [policy.to_string().into_bytes(), serialized(&policy)] {
        assert_eq!(messages(&bytes), [""; 0]);
        // The first byte of a Struct is a line feed: alone it is as good as nothing.
        for end in 2..bytes.len() {
            assert!(!messages(&bytes[..end]).is_empty(), "{}", bytes[..end].escape_ascii());
        }
        for place in 0..bytes.len() {
            for byte in [0, b'"', b'{', 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[place] = byte;
                assert!(messages(&bytes).iter().all(|message| !message.is_empty()));
            }
        }
    }
}

/// What only looks wrong.
#[test]
fn what_is_odd_and_right() {
    let with_weight = |weight: &str| {
        format!(
            r#"{{"virtualServices": [{{"hosts": ["shop"], "http": [{{"route": [
                {{"destination": {{"host": "cart"}}, "weight": {weight}}},
                {{"destination": {{"host": "cart"}}, "weight": 1}}
            ]}}]}}]}}"#
        )
    };
    for weight in ["-0", "-0.0", "100.0", "1e2", "0.000", "null", "2147483647"] {
        let text = with_weight(weight);
        let tree: Value = serde_json::from_str(&text).unwrap();
        for bytes in [text.into_bytes(), serialized(&tree)] {
            assert_eq!(messages(&bytes), [""; 0], "{weight}");
        }
    }
    for bytes in [&b""[..], b"{}", b" {\n}\r\n", b"{\"virtualServices\": null, \"debug\": null, \"telemetry\": null}"] {
        assert_eq!(messages(bytes), [""; 0], "{}", bytes.escape_ascii());
    }
}

/// Each section's name with a letter too many or too few, or in other cases.
#[test]
fn sections_that_are_misspelt() {
    for section in ["gateway", "virtualServices", "destinations", "trustClientRouterHeaders", "debug"] {
        let snake: String = section
            .chars()
            .flat_map(|c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
            .collect();
        let misspelt = [format!("{section}s"), section[..section.len() - 1].into(), snake, section.to_uppercase()];
        for wrong in misspelt.iter().filter(|wrong| *wrong != section) {
            let said = messages(json!({wrong: "x"}).to_string().as_bytes());
            assert_eq!(said, [format!("{wrong}: unknown field; did you mean `{section}`?")]);
        }
    }
}
