use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn limit(matcher: &Value) -> Value {
    let action = json!({"headerValueMatch": {"descriptorValue": "v", "headers": [matcher]}});
    json!({"actions": [action], "global": {"domain": "d", "cluster": "c"}})
}

#[test]
fn what_is_no_matcher() {
    for (matcher, expected) in [
        (json!({}), ".name: is missing"),
        (
            json!({"name": "x", "stringMatch": {"exact": "a"}, "rangeMatch": {"end": 1}}),
            ": has more than one of stringMatch, presentMatch, rangeMatch: keep one",
        ),
        (
            json!({"name": "x", "stringMatch": {}}),
            ".stringMatch: needs exactly one of exact, prefix, suffix, contains, safeRegex",
        ),
        (
            json!({"name": "x", "stringMatch": {"exact": "a", "prefix": "b"}}),
            ".stringMatch: has more than one of exact, prefix, suffix, contains, safeRegex: keep one",
        ),
        (
            json!({"name": "x", "stringMatch": {"prefix": ""}}),
            ".stringMatch.prefix: is empty: use presentMatch if any value will do",
        ),
        (
            json!({"name": "x", "stringMatch": {"custom": {}}}),
            ".stringMatch.custom: is refused: a filter cannot run Envoy's extensions",
        ),
        (json!({"name": "x", "stringMatch": {"safeRegex": {"regex": ""}}}), ".stringMatch.safeRegex.regex: is empty"),
        (
            json!({"name": "x", "stringMatch": {"safeRegex": {"regex": "a"}, "ignoreCase": true}}),
            ".stringMatch.ignoreCase: is not for safeRegex: write `(?i)` before the regex",
        ),
        (
            json!({"name": "x", "rangeMatch": {"start": 3, "end": 3}}),
            ".rangeMatch: has no number in it: the end must be more than the start",
        ),
        (
            json!({"name": "x", "rangeMatch": {}}),
            ".rangeMatch: has no number in it: the end must be more than the start",
        ),
        (
            json!({"name": "x", "exactMatch": "a"}),
            ".exactMatch: is refused: Envoy has given it up: use `stringMatch: {exact: …}`",
        ),
        (
            json!({"name": "x", "treatMissingHeaderAsEmpty": true}),
            ".treatMissingHeaderAsEmpty: makes no sense where it is asked whether the header is there",
        ),
    ] {
        wrong(&limit(&matcher), &[&format!("actions[0].headerValueMatch.headers[0]{expected}")]);
    }
    let (limits, _) = read(&json!([limit(&json!({"name": "x", "stringMatch": {"safeRegex": {"regex": "("}}}))]));
    let errors = limits.unwrap_err();
    assert!(
        errors[0].starts_with("rateLimits[0].actions[0].headerValueMatch.headers[0].stringMatch.safeRegex.regex: ")
    );
    warns(
        &limit(&json!({"name": "x", "stringMatch": {"safeRegex": {"regex": "a", "googleRe2": {}}}})),
        &["actions[0].headerValueMatch.headers[0].stringMatch.safeRegex.googleRe2: has no effect: there is no other \
           engine"],
    );
}
