//! A configuration with every field of faults, and every single thing in it made wrong.

use std::collections::BTreeSet;

use super::*;
use crate::config;
use pointsman_wire::{Class, Message};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn everything() -> Value {
    let percentage = json!({"value": 0.5});
    let fraction = json!({"numerator": 5, "denominator": "TEN_THOUSAND"});
    let fixed = json!({
        "delay": {"fixedDelay": "1.5s", "percentage": percentage},
        "abort": {"httpStatus": 503, "percentage": fraction},
        "throughput": {"limitKbps": 64, "percentage": percentage},
    });
    let by_header = json!({
        "delay": {"headerDelay": {}, "percent": 5},
        "abort": {"headerAbort": {}, "percentage": percentage},
        "throughput": {"headerLimit": {}, "percentage": fraction},
    });
    let when = json!({
        "headers": {"x-user": {"exact": "ann"}, "y": {}},
        "cookies": {"team": {"prefix": "de"}, "c": {"regex": "a|b"}},
    });
    let window = json!({"startTime": "2026-11-22T10:00:00Z", "endTime": "2026-11-22T12:00:01.5+02:00", "when": when});
    let matches = json!([{"uri": {"prefix": "/a"}}, {"headers": {"x": {"exact": "1"}}, "port": 80}]);
    let grpc = json!({"abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 100}}});
    let mut configuration = rules(json!([{"match": [{"uri": {"exact": "/"}}], "fault": fixed}, {"fault": by_header}]));
    configuration["faults"] = json!([
        with(json!({"name": "one", "match": matches, "fault": fixed, "shadow": true}), &window),
        {"name": "two", "fault": by_header},
        {"fault": grpc},
    ]);
    let caps = json!({"maxActive": 5, "maxPercentage": percentage, "shadow": false, "responseHeader": "x-fault"});
    configuration["faultInjection"] = with(caps, &window);
    configuration
}

/// All places in the tree but the whole and VirtualServices' own, as JSON pointers.
fn all_places() -> Vec<String> {
    fn add(value: &Value, here: &str, all: &mut Vec<String>) {
        all.push(here.to_owned());
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| add(value, &format!("{here}/{name}"), all)),
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(i, value)| add(value, &format!("{here}/{i}"), all))
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    add(&everything(), "", &mut all);
    all.retain(|place| place.contains("fault"));
    assert!(all.len() > 100, "{}", all.len());
    all
}

/// A place as messages have it: `faults[0].fault.delay`.
fn path(place: &str) -> String {
    let steps = place.split('/').skip(1).map(|step| match step.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) if step.starts_with(':') || step.starts_with('@') => format!("[{step:?}]"),
        Err(_) => format!(".{step}"),
    });
    steps.collect::<String>()[1..].to_owned()
}

/// What is said when that value stands in that place.
fn errors(place: &str, value: Value) -> Vec<String> {
    let mut configuration = everything();
    *configuration.pointer_mut(place).unwrap() = value;
    configure::<true>(&configuration, &Node::default()).1
}

/// Some error is at that place, or says in its parent what is missed there.
#[track_caller]
fn is_refused(place: &str, values: &[Value]) {
    let path = path(place);
    for value in values {
        let errors = errors(place, value.clone());
        assert!(errors.iter().any(|error| error.starts_with(&path)), "{place} {value}: {errors:?}");
        let has_cure = |error: &String| {
            let words = ["expected", "did you mean", "known here", "needs", "write", "leave", "keep one", "is missing"];
            words
                .iter()
                .chain(&["is no", "is not", "cannot stand", "put it", "is written as"])
                .any(|word| error.contains(word))
        };
        assert!(errors.iter().all(has_cure), "{place} {value}: {errors:?}");
    }
}

#[test]
fn it_is_accepted_without_a_word() {
    Fixture::new(&everything());
}

/// So that a new field cannot be forgotten here: it has every honoured field of every message.
#[test]
fn nothing_is_missing_in_it() {
    fn honoured<T: Message>() -> impl Iterator<Item = &'static str> {
        T::FIELDS.iter().filter(|field| field.class == Class::Honoured).map(|field| field.name)
    }
    let used: Vec<String> = all_places();
    let used: BTreeSet<&str> = used.iter().filter_map(|place| place.rsplit('/').next()).collect();
    let expected = honoured::<config::FaultInjectionSection>()
        .chain(honoured::<config::FaultEntry>())
        .chain(honoured::<config::When>())
        .chain(honoured::<config::RuleFault>())
        .chain(honoured::<config::HttpFaultInjection>())
        .chain(honoured::<config::DelayFields>())
        .chain(honoured::<config::AbortFields>())
        .chain(honoured::<config::ThroughputFields>())
        .chain(honoured::<config::PercentageFields>());
    let missing: Vec<_> = expected.filter(|field| !used.contains(field)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn a_value_of_another_type() {
    for place in all_places() {
        let wrong = match everything().pointer(&place).unwrap() {
            Value::Null => continue,
            Value::Bool(_) => [json!("true"), json!(1), json!([]), json!({})],
            Value::Number(_) => [json!("x"), json!(true), json!([1]), json!({})],
            Value::String(_) => [json!(1), json!(true), json!([]), json!({})],
            Value::Array(_) => [json!("x"), json!(1), json!(true), json!({"zzz": 1})],
            Value::Object(_) => [json!("x"), json!(1), json!(true), json!([7])],
        };
        is_refused(&place, &wrong);
    }
}

#[test]
fn numbers_that_are_negative_or_huge() {
    let wrong = [json!(-1), json!(-0.5), json!(1.0e300), json!(u64::MAX), json!(i64::MIN)];
    let numbers: Vec<_> =
        all_places().into_iter().filter(|place| everything().pointer(place).unwrap().is_number()).collect();
    assert!(numbers.len() >= 15, "{numbers:?}");
    numbers.iter().for_each(|place| is_refused(place, &wrong));
}

/// Each name with a letter too many or too few, or in other cases, is taken for what it was meant to be.
#[test]
fn names_that_are_misspelt() {
    let mut checked = 0;
    for place in all_places() {
        let (parent, field) = place.rsplit_once('/').unwrap();
        let whole = everything();
        // What stands in a list has no name, and what stands in a map has one of the user's.
        let Some(fields) = whole.pointer(parent).unwrap().as_object() else { continue };
        if parent.is_empty() || parent.ends_with("/headers") || parent.ends_with("/cookies") {
            continue;
        }
        let snake: String = field
            .chars()
            .flat_map(|c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
            .collect();
        let misspelt = [format!("{field}x"), field[..field.len() - 1].into(), snake, field.to_uppercase()];
        for wrong in misspelt.iter().filter(|wrong| *wrong != field) {
            // `percent` is a name of its own.
            if (field == "percentage" && wrong == "percent") || fields.contains_key(wrong) {
                continue;
            }
            let mut renamed = fields.clone();
            let value = renamed.remove(field).unwrap();
            renamed.insert(wrong.clone(), value);
            let errors = errors(parent, Value::Object(renamed));
            let expected = format!("{}.{wrong}: unknown field; did you mean `", path(parent));
            assert!(errors.iter().any(|error| error.starts_with(&expected)), "{expected}: {errors:?}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Whatever stands in any place: no panic, and each error says where.
#[test]
fn anything_in_any_place() {
    let long = "x".repeat(5000);
    let odd = [
        json!(null),
        json!(0),
        json!(i64::MIN),
        json!(""),
        json!(long),
        json!("\r\n\u{0}"),
        json!("é"),
        json!("(?"),
        json!([]),
        json!([null]),
        json!([[7]]),
        json!({}),
        json!({"": null}),
        json!({"exact": null}),
    ];
    let mut refused = 0;
    for place in all_places() {
        for value in &odd {
            let errors = errors(&place, value.clone());
            let is_located = |error: &String| error.split_once(": ").is_some_and(|(path, _)| path.contains("ault"));
            assert!(errors.iter().all(is_located), "{place} {value}: {errors:?}");
            refused += usize::from(!errors.is_empty());
        }
        // No field is that of which this would be a value.
        is_refused(&place, &[json!([[7]])]);
    }
    assert!(refused > 500, "{refused}");
}
