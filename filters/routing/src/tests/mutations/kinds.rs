//! Each kind of mistake in each place where it can be made: what is said names that place, and a cure.

use serde_json::{Map, Value, json};

use super::super::{configure, sidecar};
use super::{everything, places};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The words of somebody who tells somebody else what to do.
const CURES: [&str; 18] = [
    "expected",
    "did you mean",
    "known here",
    "is missing",
    "is empty",
    "keep one",
    "leave",
    "needs",
    "needed",
    "put",
    "write",
    "set ",
    "say ",
    "add ",
    "use ",
    "turns retries off",
    "of letters",
    "characters",
];

/// Where what is wrong is all that there is to say.
const EVIDENT: [&str; 5] =
    ["is not a header's name", "is not a cookie's name", "is not base64", "is not there", "is neither"];

/// Objects whose names are the user's, or the API server's.
const MAPS: [&str; 7] = ["headers", "withoutHeaders", "queryParams", "sourceLabels", "set", "add", "metadata"];

/// A place as messages have it: `virtualServices[0].spec.hosts`.
fn path(place: &str) -> String {
    let all = everything();
    let (mut here, mut path) = (&all, String::new());
    for step in place.split('/').skip(1) {
        let dot = if path.is_empty() { "" } else { "." };
        (here, path) = match here {
            Value::Array(list) => (&list[step.parse::<usize>().unwrap()], format!("{path}[{step}]")),
            _ if step.starts_with(':') => (&here[step], format!("{path}[{step:?}]")),
            _ => (&here[step], format!("{path}{dot}{step}")),
        };
    }
    path
}

/// All places but the whole.
fn all_places() -> Vec<String> {
    let mut all = Vec::new();
    places(&everything(), "", &mut all);
    all.remove(0);
    all
}

/// What is said when that value stands in that place. All of it has a cure.
fn errors(place: &str, value: &Value) -> Vec<String> {
    let mut configuration = everything();
    *configuration.pointer_mut(place).unwrap() = value.clone();
    let (_, errors, _) = configure(&configuration, &sidecar());
    for error in &errors {
        let message = error.split_once(": ").unwrap().1;
        let has_cure = CURES.iter().chain(&EVIDENT).any(|word| message.contains(word));
        assert!(has_cure, "{place}: {error:.200}");
    }
    errors
}

#[track_caller]
fn is_refused(place: &str, values: &[Value]) {
    let path = path(place);
    for value in values {
        let errors = errors(place, value);
        assert!(errors.iter().any(|error| error.starts_with(&path)), "{place} {value}: {errors:?}");
    }
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
    let wrong = [json!(-1), json!(-0.5), json!(u64::MAX), json!(i64::MIN), json!(1e300), json!(-1e300)];
    let is_number = |place: &String| everything().pointer(place).unwrap().is_number();
    let numbers: Vec<String> = all_places().into_iter().filter(is_number).collect();
    assert!(numbers.len() >= 15, "{numbers:?}");
    numbers.iter().for_each(|place| is_refused(place, &wrong));
}

#[test]
fn durations_that_are_negative_or_huge() {
    let huge = format!("{}s", "9".repeat(40));
    let wrong = [json!("-1s"), json!(huge), json!("1e9s"), json!("5"), json!("5 s"), json!(""), json!(-1), json!(5)];
    let is_duration =
        |place: &String| ["/timeout", "/perTryTimeout", "/maxAge", "/ttl"].iter().any(|end| place.ends_with(end));
    let durations: Vec<String> = all_places().into_iter().filter(is_duration).collect();
    assert_eq!(durations.len(), 4);
    durations.iter().for_each(|place| is_refused(place, &wrong));
}

/// Much of it has a meaning. What has none is said, here or where the value is missed.
#[test]
fn what_is_empty_or_long() {
    let long = "x".repeat(10_000);
    let mut refused = 0;
    for place in all_places() {
        let wrong = match everything().pointer(&place).unwrap() {
            Value::Object(_) => vec![json!({})],
            Value::Array(_) => vec![json!([])],
            Value::String(_) => vec![json!(""), json!(" "), json!(long)],
            _ => vec![json!(null)],
        };
        refused += wrong.iter().filter(|value| !errors(&place, value).is_empty()).count();
    }
    assert!(refused > 100, "{refused}");
}

/// Of each message each name: with a letter too many, a letter too few, in other cases.
#[test]
fn names_that_are_misspelt() {
    let mut checked = 0;
    for place in all_places() {
        let name = place.rsplit('/').next().unwrap();
        let whole = everything();
        let here = whole.pointer(&place).unwrap();
        let Some(fields) = here.as_object() else { continue };
        // What has lost its `kind` is no list any more, but a bare spec.
        if fields.contains_key("kind") && fields.len() == 2 {
            continue;
        }
        // `headers` is a map in a match, and a message in a rule.
        if MAPS.contains(&name) && !fields.contains_key("request") {
            continue;
        }
        for field in fields.keys() {
            let snake =
                field.chars().flat_map(|c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] });
            let misspelt =
                [format!("{field}x"), field[..field.len() - 1].into(), snake.collect(), field.to_uppercase()];
            for wrong in misspelt.iter().filter(|wrong| !fields.contains_key(*wrong) && !is_known(wrong)) {
                let rename = |(name, value): (&String, &Value)| {
                    let name = if name == field { wrong } else { name };
                    (name.clone(), value.clone())
                };
                let renamed: Map<String, Value> = fields.iter().map(rename).collect();
                let errors = errors(&place, &Value::Object(renamed));
                let expected = format!("{}.{wrong}: unknown field; did you mean `", path(&place));
                assert!(errors.iter().any(|error| error.starts_with(&expected)), "{expected}: {errors:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "{checked}");
}

/// A letter less makes another field of these.
fn is_known(name: &str) -> bool {
    ["mirror", "allowOrigin", "mirrorPercent"].contains(&name)
}
