//! What is said of a configuration: whole messages, and all at once.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[track_caller]
fn says(configuration: &Value, expected: &[&str]) {
    let (_, errors, warnings) = configure::<true>(configuration, &Node::default());
    assert_eq!(errors, expected, "{configuration}");
    assert_eq!(warnings, [""; 0], "{configuration}");
}

#[track_caller]
fn warns(configuration: &Value, expected: &[&str]) {
    let (_, errors, warnings) = configure::<true>(configuration, &Node::default());
    assert_eq!(errors, [""; 0], "{configuration}");
    assert_eq!(warnings, expected, "{configuration}");
}

/// What is said of the section with those fields, and of an entry with them.
#[track_caller]
fn of_both(table: &[(Value, &str)]) {
    for (fields, expected) in table {
        says(&faults(json!([]), fields.clone()), &[&format!("faultInjection.{expected}")]);
        says(
            &faults(json!([with(json!({"fault": delay(1)}), fields)]), json!({})),
            &[&format!("faults[0].{expected}")],
        );
    }
}

#[test]
fn of_the_section() {
    const EXPECTED: &str = "expected a whole number from 0 to 4294967295";
    for (fields, expected) in [
        (json!({"maxActive": -1}), format!("maxActive: -1 is not in range, {EXPECTED}")),
        (json!({"maxActive": 0.5}), format!("maxActive: 0.5 is not in range, {EXPECTED}")),
        (json!({"maxActive": 4_294_967_296u64}), format!("maxActive: 4294967296 is not in range, {EXPECTED}")),
        (json!({"maxActive": true}), "maxActive: true is a boolean, expected a whole number".into()),
        (json!({"maxPercentage": 5}), "maxPercentage: 5 is a number, expected an object such as {value: …}".into()),
        (
            json!({"maxPercentage": {"value": 101}}),
            "maxPercentage.value: 101 is not a percentage, expected 0, or 0.0001 to 100".into(),
        ),
        (
            json!({"maxPercentage": {}}),
            "maxPercentage: lets no fault be: it needs a value, such as {value: 5} for 5 %".into(),
        ),
        (json!({"maxPercentages": {}}), "maxPercentages: unknown field; did you mean `maxPercentage`?".into()),
        (json!({"max_active": 1}), "max_active: unknown field; did you mean `maxActive`?".into()),
        (json!({"responseHeader": "x fault"}), "responseHeader: `x fault` is not a header's name".into()),
        (json!({"responseHeader": ""}), "responseHeader: a header's name is empty".into()),
        (
            json!({"responseHeader": ":status"}),
            "responseHeader: only `:authority` may be changed, and only in a request".into(),
        ),
        (json!({"responseHeader": 1}), "responseHeader: 1 is a number, expected a string: put it in quotes".into()),
        (
            json!({"faults": []}),
            "faults: unknown field; known here: maxActive, maxPercentage, startTime, endTime, when, shadow, \
             responseHeader"
                .into(),
        ),
    ] {
        says(&json!({"faultInjection": fields}), &[&format!("faultInjection.{expected}")]);
    }
    says(&json!({"faultInjection": []}), &["faultInjection: a list, expected an object such as {maxActive: …}"]);
    says(
        &json!({"faultInjection": "on"}),
        &["faultInjection: \"on\" is a string, expected an object such as {maxActive: …}"],
    );
}

#[test]
fn of_both_scopes() {
    of_both(&[
        (json!({"startTime": "now"}), "startTime: \"now\" is not a time, expected one such as 2026-11-22T10:00:00Z"),
        (json!({"endTime": 5}), "endTime: 5 is a number, expected a time such as 2026-11-22T10:00:00Z"),
        (
            json!({"startTime": "2026-11-22T10:00:00Z", "endTime": "2026-11-22T11:00:00+01:00"}),
            "endTime: is not after startTime: there would never be a fault",
        ),
        (
            json!({"startTime": "2026-11-22T10:00:00Z", "endTime": "2026-11-22T09:59:59Z"}),
            "endTime: is not after startTime: there would never be a fault",
        ),
        (json!({"shadow": "true"}), "shadow: \"true\" is a string, expected true or false"),
        (json!({"starTime": "2026-11-22T10:00:00Z"}), "starTime: unknown field; did you mean `startTime`?"),
        (json!({"when": {}}), "when: has no condition: it needs headers or cookies"),
        (json!({"when": {"headers": {}}}), "when: has no condition: it needs headers or cookies"),
        (json!({"when": {"headers": null, "cookies": {}}}), "when: has no condition: it needs headers or cookies"),
        (json!({"when": []}), "when: a list, expected an object such as {headers: …}"),
        (json!({"when": {"header": {"x": {}}}}), "when.header: unknown field; did you mean `headers`?"),
        (json!({"when": {"uri": {"prefix": "/"}}}), "when.uri: unknown field; known here: headers, cookies"),
        (json!({"when": {"headers": {"a b": {}}}}), "when.headers[\"a b\"]: `a b` is not a header's name"),
        (
            json!({"when": {"headers": {"x": "1"}}}),
            "when.headers.x: \"1\" is a string, expected an object such as {exact: …}",
        ),
        (
            json!({"when": {"headers": {"x": {"exat": "1"}}}}),
            "when.headers.x.exat: unknown field; did you mean `exact`?",
        ),
        (
            json!({"when": {"headers": {"x": {"exact": "1", "prefix": "1"}}}}),
            "when.headers.x: has more than one of exact, prefix and regex: keep one",
        ),
        (
            json!({"when": {"headers": {"@request.auth.claims.group": {"exact": "dev"}}}}),
            "when.headers[\"@request.auth.claims.group\"]: is a claim, and here are headers alone: put it into the \
             match of a fault",
        ),
        (json!({"when": {"headers": [{"name": "x"}]}}), "when.headers: a list, expected an object"),
        (json!({"when": {"cookies": {"a b": {}}}}), "when.cookies[\"a b\"]: `a b` is not a cookie's name"),
        (json!({"when": {"cookies": {"": {}}}}), "when.cookies[\"\"]: `` is not a cookie's name"),
        (
            json!({"when": {"cookies": {"c": {"exact": 1}}}}),
            "when.cookies.c.exact: 1 is a number, expected a string: put it in quotes",
        ),
        (json!({"when": {"cookies": "c=1"}}), "when.cookies: \"c=1\" is a string, expected an object"),
    ]);
}

#[test]
fn of_entries() {
    for (entry, expected) in [
        (json!({}), &["[0].fault: is missing"][..]),
        (json!({"fault": null}), &["[0].fault: is missing"]),
        (json!({"fault": {}}), &["[0].fault: does nothing: it needs at least one of delay, abort and throughput"]),
        (json!(null), &["[0]: null, expected an object such as {match: …}"]),
        (json!("x"), &["[0]: \"x\" is a string, expected an object such as {match: …}"]),
        (json!({"name": "a\nb", "fault": delay(1)}), &["[0].name: '\\n' cannot stand in a name"]),
        (json!({"name": "\u{85}", "fault": delay(1)}), &["[0].name: '\\u{85}' cannot stand in a name"]),
        (
            json!({"name": "faults[2]", "fault": delay(1)}),
            &["[0].name: `[` cannot stand in a fault's name: it is in those of places"],
        ),
        (json!({"name": 1, "fault": delay(1)}), &["[0].name: 1 is a number, expected a string: put it in quotes"]),
        (
            json!({"abort": {"httpStatus": 503}}),
            &[
                "[0].abort: unknown field; known here: name, match, fault, startTime, endTime, when, shadow",
                "[0].fault: is missing",
            ],
        ),
        (json!({"faults": delay(1)}), &["[0].faults: unknown field; did you mean `fault`?", "[0].fault: is missing"]),
        (json!({"fault": delay(1), "match": {"uri": {}}}), &["[0].match: an object, expected a list"]),
        (
            json!({"fault": delay(1), "match": [{"url": {"exact": "/"}}, {"uri": {"regex": "("}}]}),
            &[
                "[0].match[0].url: unknown field; did you mean `uri`?",
                "[0].match[1].uri.regex: a ( is never closed; write \\( for the character",
            ],
        ),
        (
            json!({"fault": delay(1), "maxActive": 5}),
            &["[0].maxActive: unknown field; known here: name, match, fault, startTime, endTime, when, shadow"],
        ),
    ] {
        let expected: Vec<String> = expected.iter().map(|message| format!("faults{message}")).collect();
        says(&json!({"faults": [entry]}), &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
    says(&json!({"faults": {}}), &["faults: an object, expected a list"]);
    says(&json!({"faults": "x"}), &["faults: \"x\" is a string, expected a list"]);
}

/// Names tell one from another. Those without a name have their places.
#[test]
fn names_that_stand_twice() {
    let entry = |name: &str| json!({"name": name, "fault": delay(1)});
    let list =
        json!([entry("a"), entry("b"), entry("a"), entry(""), entry(""), {"name": "b"}, 7, {"name": 7}, entry("a")]);
    says(
        &json!({"faults": list}),
        &[
            "faults[2].name: `a` is the name of another one as well",
            "faults[5].name: `b` is the name of another one as well",
            "faults[8].name: `a` is the name of another one as well",
            "faults[5].fault: is missing",
            "faults[6]: 7 is a number, expected an object such as {match: …}",
            "faults[7].name: 7 is a number, expected a string: put it in quotes",
            "faults[7].fault: is missing",
        ],
    );
}

#[test]
fn of_rules() {
    for (fault, expected) in [
        (json!({}), ": does nothing: it needs at least one of delay, abort and throughput"),
        (json!("503"), ": \"503\" is a string, expected an object such as {delay: …}"),
        (json!({"aborts": {}}), ".aborts: unknown field; did you mean `abort`?"),
        (json!({"httpStatus": 503}), ".httpStatus: unknown field; known here: delay, abort, throughput"),
    ] {
        says(&rules(json!([{}, {"fault": fault}])), &[&format!("virtualServices[0].http[1].fault{expected}")]);
    }
    // No warning beside the error that the same value is.
    let limit = |limit: i64| json!({"throughput": {"limitKbps": limit, "percentage": {"value": 1}}});
    for none in [-1, 0] {
        let why = format!("{none} is not a limit, expected a whole number of KiB a second, 1 or more");
        let place = "virtualServices[0].http[0].fault.throughput.limitKbps";
        says(&rules(json!([{"fault": limit(none)}])), &[&format!("{place}: {why}")]);
    }
    let slow = "is so slow that the stream idle time-out may end the response: see README, Throughput, for the buffers";
    warns(
        &json!({"faults": [{"fault": limit(1)}, {"fault": limit(7)}, {"fault": limit(8)}]}),
        &[0, 1]
            .map(|place| format!("faults[{place}].fault.throughput.limitKbps: {slow}"))
            .each_ref()
            .map(String::as_str),
    );
    // What Istio refuses to have beside it.
    for answer in ["redirect", "directResponse"] {
        let rule = json!({"fault": delay(1), answer: {}});
        let (_, errors, _) = configure::<true>(&rules(json!([rule, {"fault": null, answer: {}}])), &Node::default());
        let why = format!("cannot stand beside {answer}, which Istio refuses as well: nothing is routed here");
        assert_eq!(errors, [format!("virtualServices[0].http[0].fault: {why}")]);
    }
    // Beside what is wrong with the rule.
    let both = rules(
        json!([{"match": [{"port": -1}], "fault": {"delay": {"fixedDelay": "1s", "percentage": {"value": -1}}}}]),
    );
    says(
        &both,
        &[
            "virtualServices[0].http[0].match[0].port: -1 is not a port, expected 1 to 65535",
            "virtualServices[0].http[0].fault.delay.percentage.value: -1 is not a percentage, expected 0, or 0.0001 to 100",
        ],
    );
}

/// The module that is not called for responses has nothing that is about them, and says which one has.
#[test]
fn of_the_slim_module() {
    const WHY: &str = "this module is not called for responses, so that it costs a request less; pointsman.wasm is";
    let errors = |configuration: &Value| configure::<false>(configuration, &Node::default()).1;
    let mut configuration = rules(json!([{"fault": delay(1)}, {"fault": slow(1)}]));
    configuration["faults"] =
        json!([{"fault": with(slow(1), &abort(503, 1))}, {"fault": delay(1)}, {"fault": slow(0)}]);
    configuration["faultInjection"] = json!({"responseHeader": "x-fault"});
    let places = [
        "faults[0].fault.throughput",
        "faults[2].fault.throughput",
        "virtualServices[0].http[1].fault.throughput",
        "faultInjection.responseHeader",
    ];
    assert_eq!(errors(&configuration), places.map(|place| format!("{place}: {WHY}")));
    // Beside what else is wrong: each part is looked at by itself.
    configuration["gateway"] = json!("a b");
    let gateway = "gateway: is no gateway's name; leave it out if the rules of every gateway are ours".to_owned();
    let beside = [places[0], places[1], places[3]].map(|place| format!("{place}: {WHY}"));
    assert_eq!(errors(&configuration), [&[gateway][..], &beside].concat());
    configuration["gateway"] = json!(null);
    configuration["faults"] = json!([{"fault": {}}]);
    let empty = "faults[0].fault: does nothing: it needs at least one of delay, abort and throughput".to_owned();
    let beside = [places[2], places[3]].map(|place| format!("{place}: {WHY}"));
    assert_eq!(errors(&configuration), [&[empty][..], &beside].concat());
    // All else is as everywhere.
    let fine = faults(json!([{"fault": with(delay(1), &abort(503, 1))}]), json!({"maxActive": 1, "shadow": true}));
    assert_eq!(configure::<false>(&fine, &Node::default()).1, [""; 0]);
    // It reads of rules what it is for; of the rest it says that once.
    let route = json!([{"destination": {"host": "a"}}]);
    let whole = rules(json!([{"fault": delay(1), "route": route}, {"route": route, "timeout": "1s"}]));
    let (_, errors, warnings) = configure::<false>(&whole, &Node::default());
    assert_eq!(errors, [""; 0]);
    assert_eq!(
        warnings,
        ["virtualServices: no effect here: what rules say beside `match` and what this module is for; pointsman.wasm \
          runs them whole"]
    );
}

#[test]
fn warnings() {
    let never = "has no effect: without a percentage it is 0 %; `percentage: {value: 100}` is every request";
    let mut configuration = rules(json!([{"fault": {"delay": {"fixedDelay": "1s"}}}]));
    configuration["faults"] = json!([{
        "match": [{"statPrefix": "x"}],
        "fault": {"abort": {"httpStatus": 503, "percent": 5}, "throughput": {"limitKbps": 64, "percentage": {}}},
    }]);
    warns(
        &configuration,
        &[
            &format!("virtualServices[0].http[0].fault.delay: {never}"),
            "faults[0].match[0].statPrefix: has no effect: a filter has no Envoy route whose statistics it could name",
            "faults[0].fault.abort.percent: has no effect: Istio does not read it: use percentage",
            &format!("faults[0].fault.abort: {never}"),
            "faults[0].fault.throughput.percentage: has no effect: without a value it is 0 %",
        ],
    );
}

#[test]
fn all_at_once_in_their_order() {
    let configuration = json!({
        "gateway": "a b",
        "virtualServices": [{"hosts": ["a b"], "http": [{"fault": {"delay": {}}}, {"fault": {"abort": {"httpStatus": 1}}}]}],
        "faults": [
            {"name": "x", "match": [{"port": 0.5}], "fault": {"throughput": {"limitKbps": 0}}, "startTime": "x"},
            {"name": "x", "when": {"cookies": {"a b": {}}}, "shadow": 1},
        ],
        "faultInjection": {"maxActive": -1, "endTime": "1969-01-01T00:00:00Z", "when": {}, "responseHeader": "a b"},
    });
    let (_, errors, _) = configure::<true>(&configuration, &Node::default());
    let paths: Vec<_> = errors.iter().map(|error| error.split_once(": ").unwrap().0).collect();
    assert_eq!(
        paths,
        [
            "gateway",
            "virtualServices[0].hosts[0]",
            "virtualServices[0].http[0].fault.delay",
            "virtualServices[0].http[1].fault.abort.httpStatus",
            "faults[1].name",
            "faults[0].match[0].port",
            "faults[0].fault.throughput.limitKbps",
            "faults[0].startTime",
            "faults[1].fault",
            "faults[1].when.cookies[\"a b\"]",
            "faults[1].shadow",
            "faultInjection.maxActive",
            "faultInjection.endTime",
            "faultInjection.when",
            "faultInjection.responseHeader",
        ]
    );
}
