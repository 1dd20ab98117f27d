//! HTTPMatchRequest, field by field.

use serde_json::json;

use super::{Fixture, decides, rules, to};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn uri() {
    decides(
        json!({"uri": {"exact": "/a"}}),
        &["b/a", "b/a?q", "b/a#f", "b/a?"],
        &["b/", "b/a/", "b/A", "b/ab", "b/%61"],
    );
    decides(json!({"uri": {"exact": ""}}), &[], &["b/", "b/?"]);
    // A plain prefix, not one of segments.
    decides(json!({"uri": {"prefix": "/v2"}}), &["b/v2", "b/v2/x", "b/v2example?q"], &["b/v", "b/V2", "b/x?/v2"]);
    decides(json!({"uri": {"prefix": ""}}), &["b/", "b/x"], &[]);
    // The whole path, and nothing of the query.
    decides(json!({"uri": {"regex": "/a.c"}}), &["b/abc", "b/a/c?x", "b/a\u{ff}c"], &["b/abcd", "b/x/abc", "b/a?c"]);
    decides(json!({"uri": {"regex": "a|/ab"}}), &["b/ab"], &["b/a", "b/abc"]);
    decides(json!({"uri": {"regex": "(?i)/a"}}), &["b/A"], &["b/b"]);
}

#[test]
fn ignore_uri_case() {
    decides(json!({"uri": {"exact": "/Ab"}, "ignoreUriCase": true}), &["b/aB", "b/AB?q"], &["b/abc", "b/a"]);
    decides(json!({"uri": {"prefix": "/Ab"}, "ignoreUriCase": true}), &["b/aBc"], &["b/a", "b/x"]);
    decides(json!({"uri": {"regex": "/Ab"}, "ignoreUriCase": true}), &["b/Ab"], &["b/ab"]);
    // Letters of ASCII alone, as Envoy does.
    decides(
        json!({"uri": {"exact": "/é"}, "ignoreUriCase": true}),
        &["b/\u{c3}\u{a9}"],
        &["b/\u{c3}\u{89}", "b/\u{e9}"],
    );
    decides(json!({"uri": {"exact": "/a"}, "ignoreUriCase": false}), &["b/a"], &["b/A"]);
}

#[test]
fn pseudo_headers() {
    decides(json!({"method": {"exact": "GET"}}), &["b/"], &["POST b/", "get b/", "GETS b/"]);
    decides(json!({"method": {"regex": "GET|HEAD"}}), &["b/", "HEAD b/"], &["POST b/"]);
    decides(json!({"scheme": {"exact": "https"}}), &["b/ | :scheme: https"], &["b/", "b/ | x-forwarded-proto: https"]);
    // With the port if the client sent it, and in its letter case.
    decides(json!({"authority": {"exact": "b:80"}}), &["b:80/"], &["b/", "B:80/", "b:8080/"]);
    decides(json!({"authority": {"prefix": "b."}}), &["b.com/", "b.com:1/"], &["b/", "B.com/"]);
    decides(json!({"headers": {":path": {"exact": "/a?b"}}}), &["b/a?b"], &["b/a", "b/a?c"]);
    decides(json!({"headers": {":method": {"prefix": "P"}}}), &["POST b/", "PUT b/"], &["b/"]);
    decides(json!({"withoutHeaders": {":method": {"exact": "GET"}}}), &["POST b/"], &["b/"]);
}

/// Envoy's header map knows `host` as another name of `:authority`.
#[test]
fn the_host_header_is_the_authority() {
    decides(json!({"headers": {"Host": {"exact": "b:80"}}}), &["b:80/"], &["b/"]);
    decides(json!({"headers": {"host": {}}}), &["b/"], &[]);
    decides(json!({"withoutHeaders": {"host": {"exact": "b"}}}), &["c/"], &["b/"]);
}

#[test]
fn headers() {
    decides(
        json!({"headers": {"End-User": {"exact": "j"}}}),
        &["b/ | end-user: j"],
        &["b/", "b/ | end-user: J", "b/ | end-user: jj"],
    );
    decides(json!({"headers": {"x": {"exact": ""}}}), &["b/ | x: "], &["b/", "b/ | x: 1"]);
    decides(json!({"headers": {"x": {"prefix": "a"}}}), &["b/ | x: a", "b/ | x: ab"], &["b/", "b/ | x: ba"]);
    decides(
        json!({"headers": {"x": {"regex": "a.*c"}}}),
        &["b/ | x: ac", "b/ | x: a\u{ff}\u{0}c"],
        &["b/", "b/ | x: acd", "b/ | x: a\nc"],
    );
    for presence in [json!({}), json!({"regex": "*"})] {
        decides(json!({"headers": {"x": presence}}), &["b/ | x: ", "b/ | x: 1"], &["b/", "b/ | xx: 1"]);
    }
    // All of several.
    decides(
        json!({"headers": {"x": {"exact": "1"}, "y": {"exact": "2"}}}),
        &["b/ | x: 1 | y: 2"],
        &["b/ | x: 1", "b/ | y: 2", "b/ | x: 1 | y: 1"],
    );
}

/// `\w`, `.` and `[^x]` are of bytes.
#[test]
fn regular_expressions_are_of_bytes() {
    decides(json!({"headers": {"x": {"regex": "caf."}}}), &["b/ | x: caf\u{e9}"], &["b/ | x: caf\u{c3}\u{a9}"]);
    decides(json!({"headers": {"x": {"regex": "caf.."}}}), &["b/ | x: caf\u{c3}\u{a9}"], &[]);
    decides(json!({"headers": {"x": {"regex": "\\w"}}}), &["b/ | x: a"], &["b/ | x: \u{e9}"]);
    decides(json!({"headers": {"x": {"regex": "[^x]"}}}), &["b/ | x: \u{ff}"], &["b/ | x: x"]);
    decides(json!({"headers": {"x": {"exact": "é"}}}), &["b/ | x: \u{c3}\u{a9}"], &["b/ | x: \u{e9}"]);
}

/// Envoy 1.40 looks at each line by itself: one that matches is enough, an inverted match needs that none does.
#[test]
fn repeated_header_lines() {
    decides(
        json!({"headers": {"x": {"exact": "2"}}}),
        &["b/ | x: 1 | x: 2", "b/ | x: 2 | x: 1", "b/ | x: 2 | x: 2"],
        &["b/ | x: 1,2", "b/ | x: 1 | x: 3"],
    );
    decides(json!({"headers": {"x": {"exact": "1,2"}}}), &["b/ | x: 1,2"], &["b/ | x: 1 | x: 2"]);
    decides(
        json!({"withoutHeaders": {"x": {"exact": "2"}}}),
        &["b/ | x: 1 | x: 3", "b/ | x: 1,2"],
        &["b/ | x: 1 | x: 2", "b/ | x: 2 | x: 1"],
    );
}

/// A missing header counts as an empty one, except for a condition that it be there.
#[test]
fn without_headers() {
    for presence in [json!({}), json!({"regex": "*"})] {
        decides(json!({"withoutHeaders": {"X": presence}}), &["b/"], &["b/ | x: ", "b/ | x: 1"]);
    }
    decides(json!({"withoutHeaders": {"x": {"exact": "j"}}}), &["b/", "b/ | x: ", "b/ | x: k"], &["b/ | x: j"]);
    decides(json!({"withoutHeaders": {"x": {"prefix": "j"}}}), &["b/", "b/ | x: k"], &["b/ | x: j", "b/ | x: jj"]);
    decides(json!({"withoutHeaders": {"x": {"regex": "j+"}}}), &["b/", "b/ | x: k"], &["b/ | x: j", "b/ | x: jj"]);
    for anything in [json!({"regex": ".*"}), json!({"exact": ""}), json!({"regex": "()"})] {
        decides(json!({"withoutHeaders": {"x": anything}}), &[], &["b/", "b/ | x: "]);
    }
    decides(
        json!({"withoutHeaders": {"x": {}, "y": {"exact": "1"}}}),
        &["b/", "b/ | y: 2"],
        &["b/ | x: 1", "b/ | y: 1"],
    );
}

#[test]
fn query_params() {
    decides(
        json!({"queryParams": {"a": {"exact": "1"}}}),
        &["b/?a=1", "b/?x&a=1&b", "b/?a=1&a=2", "b/?a=1#f"],
        &["b/", "b/?a=2&a=1", "b/?A=1", "b/?a=11", "b/?x=a=1", "b/?%61=1", "b/#?a=1", "b/?b;a=1"],
    );
    for presence in [json!({}), json!({"regex": "*"})] {
        decides(json!({"queryParams": {"a": presence}}), &["b/?a", "b/?a=", "b/?b&a=2"], &["b/?b", "b/a"]);
    }
    decides(json!({"queryParams": {"a": {"exact": ""}}}), &["b/?a", "b/?a="], &["b/?a=1", "b/"]);
    decides(json!({"queryParams": {"a": {"prefix": "x"}}}), &["b/?a=xy"], &["b/?a=y", "b/"]);
    decides(json!({"queryParams": {"a": {"regex": "\\d+"}}}), &["b/?a=12"], &["b/?a=12x", "b/?a=", "b/"]);
    decides(json!({"queryParams": {"a": {"exact": "1"}, "b": {"exact": "2"}}}), &["b/?b=2&a=1"], &["b/?a=1", "b/?b=2"]);
    // As it stands in the URL.
    decides(json!({"queryParams": {"a": {"exact": "x y"}}}), &[], &["b/?a=x%20y", "b/?a=x+y"]);
}

#[test]
fn all_conditions_of_an_entry_and_one_entry_of_a_rule() {
    let entry = json!({
        "uri": {"prefix": "/a"}, "method": {"exact": "GET"}, "headers": {"x": {"exact": "1"}},
        "withoutHeaders": {"y": {}}, "queryParams": {"q": {}},
    });
    decides(
        entry,
        &["b/a?q | x: 1"],
        &["b/?q | x: 1", "POST b/a?q | x: 1", "b/a?q", "b/a?q | x: 1 | y: 1", "b/a | x: 1"],
    );
    decides(json!({}), &["b/", "POST b/x?y"], &[]);
    let either = json!([{"match": [{"uri": {"exact": "/a"}}, {"headers": {"x": {}}}], "route": to("yes")}]);
    Fixture::new(&rules(either)).check(&[
        ("b/a", "yes"),
        ("b/b | x: 1", "yes"),
        ("b/b", "404 pointsman_no_rule_matched{vs}"),
    ]);
}

/// First match, not best match; nothing behind a rule without conditions is ever reached.
#[test]
fn the_first_rule_wins() {
    let policy = rules(json!([
        {"match": [{"uri": {"prefix": "/a"}}], "route": to("one")},
        {"match": [{"uri": {"exact": "/ab"}}], "route": to("two")},
        {"match": [{"headers": {"x": {"exact": "1"}}}, {"headers": {"x": {"exact": "2"}}}], "route": to("three")},
        {"match": [], "route": to("four")},
        {"match": [{"headers": {"x": {"exact": "9"}}}], "route": to("five")},
    ]));
    Fixture::new(&policy).check(&[
        ("b/ab", "one"),
        ("b/ab | x: 1", "one"),
        ("b/ | x: 1", "three"),
        ("b/ | x: 2", "three"),
        ("b/ | x: 9", "four"),
        ("b/", "four"),
    ]);
}

#[test]
fn header_names_of_every_kind() {
    decides(json!({"headers": {"a!#$%&'*+-.^_`|~z": {"exact": "why"}}}), &["b/ | a!#$%&'*+-.^_`|~z: why"], &["b/"]);
}

/// What a client says in headers that are for us alone is not seen by conditions either.
#[test]
fn conditions_do_not_see_what_steers() {
    decides(json!({"headers": {"x-pointsman-cluster": {}}}), &[], &["b/"]);
    Fixture::new(&super::yes_or_no(json!({"headers": {"x-pointsman-a": {}}})))
        .check(&[("b/ | x-pointsman-a: 1", "no; -x-pointsman-a")]);
    Fixture::new(&super::yes_or_no(json!({"withoutHeaders": {"x-envoy-retry-on": {}}})))
        .check(&[("b/ | x-envoy-retry-on: 5xx", "yes; -x-envoy-retry-on")]);
}
