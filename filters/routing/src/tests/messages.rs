//! What is said of a configuration that is wrong: where, what, and the cure; all of it at once.

mod conditions;
mod sections;

use pointsman_host::Node;
use serde_json::{Value, json};

use super::{configure, rules, to};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[track_caller]
fn says(configuration: &Value, expected: &[&str]) {
    assert_eq!(configure(configuration, &Node::default()).1, expected, "{configuration:#}");
}

/// Each rule, and the one thing that is said of it, behind `virtualServices[0].http[0]`.
#[track_caller]
fn of_rules(table: &[(Value, &str)]) {
    for (rule, expected) in table {
        says(&rules(json!([rule])), &[&format!("virtualServices[0].http[0]{expected}")]);
    }
}

/// The same of a match entry, behind `.match[0]`.
#[track_caller]
fn of_entries(table: &[(Value, &str)]) {
    for (entry, expected) in table {
        of_rules(&[(json!({"match": [entry], "route": to("a")}), &format!(".match[0]{expected}"))]);
    }
}

#[test]
fn unknown_fields_and_their_neighbours() {
    let destination = |destination: Value| json!({"route": [{"destination": destination}]});
    of_rules(&[
        (json!({"route": to("a"), "matches": []}), ".matches: unknown field; did you mean `match`?"),
        (json!({"route": to("a"), "header": {}}), ".header: unknown field; did you mean `headers`?"),
        (
            json!({"route": to("a"), "banana": 1}),
            ".banana: unknown field; known here: match, name, route, redirect, directResponse, rewrite, timeout, retries, mirror, \
             mirrorPercentage, mirrorPercent, mirrors, corsPolicy, headers, sticky, fault",
        ),
        (
            json!({"route": [{"destination": {"host": "a"}, "weigth": 1}]}),
            ".route[0].weigth: unknown field; did you mean `weight`?",
        ),
        (
            destination(json!({"host": "a", "subsets": "x"})),
            ".route[0].destination.subsets: unknown field; did you mean `subset`?",
        ),
        (
            destination(json!({"host": "a", "port": {"number": 1, "name": "http"}})),
            ".route[0].destination.port.name: unknown field; known here: number",
        ),
        (
            json!({"route": to("a"), "headers": {"requests": {}}}),
            ".headers.requests: unknown field; did you mean `request`?",
        ),
        (
            json!({"route": to("a"), "headers": {"request": {"adds": {}}}}),
            ".headers.request.adds: unknown field; did you mean `add`?",
        ),
    ]);
    of_entries(&[
        (json!({"url": {"exact": "/"}}), ".url: unknown field; did you mean `uri`?"),
        (json!({"ignore_uri_case": true}), ".ignore_uri_case: unknown field; did you mean `ignoreUriCase`?"),
        (json!({"uri": {"Exact": "/"}}), ".uri.Exact: unknown field; did you mean `exact`?"),
        (json!({"headers": {"x": {"preffix": "a"}}}), ".headers.x.preffix: unknown field; did you mean `prefix`?"),
        (
            json!({"headers": {"@request.auth.claims.x": {"is": "a"}}}),
            ".headers[\"@request.auth.claims.x\"].is: unknown field; known here: exact, prefix, regex",
        ),
    ]);
}

#[test]
fn fields_that_are_refused() {
    let with = |field: &str, value: Value| {
        let mut rule = json!({"route": to("a")});
        rule[field] = value;
        rule
    };
    of_rules(&[
        (
            with("fault", json!({"abort": {}})),
            ".fault: this module has no filter for it; pointsman.wasm and pointsman-fault-injection.wasm have",
        ),
        (
            with("delegate", json!({"name": "x"})),
            ".delegate: is refused: a filter sees no other VirtualServices than those given to it: write the delegate's \
             rules here",
        ),
        (
            with("retries", json!({"attempts": 1, "backoff": "1s"})),
            ".retries.backoff: is refused: no header can tell Envoy's router: leave it out for Envoy's 25ms, or set it \
             in the Envoy route itself",
        ),
    ]);
    // What says nothing is nothing.
    let mut policy = rules(json!([{"route": to("a")}]));
    policy["virtualServices"][0]["http"][0]["fault"] = json!(null);
    policy["virtualServices"][0]["http"][0]["timeout"] = json!(null);
    policy["virtualServices"][0]["http"][0]["mirrors"] = json!([]);
    says(&policy, &[]);
}

/// What YAML makes of values without quotes.
#[test]
fn numbers_and_booleans_where_text_belongs() {
    let quotes = "expected a string: put it in quotes";
    of_entries(&[
        (json!({"headers": {"x": {"exact": 1}}}), &format!(".headers.x.exact: 1 is a number, {quotes}")),
        (json!({"headers": {"x": {"exact": true}}}), &format!(".headers.x.exact: true is a boolean, {quotes}")),
        (json!({"queryParams": {"v": {"prefix": 1.5}}}), &format!(".queryParams.v.prefix: 1.5 is a number, {quotes}")),
        (json!({"uri": {"exact": 404}}), &format!(".uri.exact: 404 is a number, {quotes}")),
        (json!({"sourceLabels": {"version": 2}}), &format!(".sourceLabels.version: 2 is a number, {quotes}")),
        (json!({"headers": {"x": "1"}}), ".headers.x: \"1\" is a string, expected an object such as {exact: …}"),
        (json!({"headers": {"x": null}}), ".headers.x: null, expected an object such as {exact: …}"),
        (json!({"uri": "/a"}), ".uri: \"/a\" is a string, expected an object such as {exact: …}"),
        (json!({"ignoreUriCase": "true"}), ".ignoreUriCase: \"true\" is a string, expected true or false"),
        (json!({"port": "http"}), ".port: \"http\" is a string, expected a whole number"),
        (json!({"gateways": "mesh"}), ".gateways: \"mesh\" is a string, expected a list"),
        (json!(null), ": null, expected an object such as {uri: …}"),
    ]);
    of_rules(&[
        (
            json!({"route": to("a"), "headers": {"request": {"set": {"x-v": 2}}}}),
            &format!(".headers.request.set.x-v: 2 is a number, {quotes}"),
        ),
        (
            json!({"route": to("a"), "headers": {"request": {"remove": "x"}}}),
            ".headers.request.remove: \"x\" is a string, expected a list",
        ),
        (
            json!({"route": [{"destination": {"host": 1}}]}),
            &format!(".route[0].destination.host: 1 is a number, {quotes}"),
        ),
        (
            json!({"route": [{"destination": {"host": "a", "subset": 1}}]}),
            &format!(".route[0].destination.subset: 1 is a number, {quotes}"),
        ),
        (
            json!({"route": [{"destination": {"host": "a", "port": 80}}]}),
            ".route[0].destination.port: 80 is a number, expected an object such as {number: …}",
        ),
        (json!({"route": {"destination": {"host": "a"}}}), ".route: an object, expected a list"),
        (json!({"route": to("a"), "name": true}), &format!(".name: true is a boolean, {quotes}")),
        (json!({"match": {"uri": {"exact": "/"}}, "route": to("a")}), ".match: an object, expected a list"),
    ]);
}

#[test]
fn resources() {
    let whole = |kind: &str, version: &str| json!({"kind": kind, "apiVersion": version, "spec": {"hosts": ["a"], "http": [{"route": to("a")}]}});
    let version = "expected networking.istio.io/v1, networking.istio.io/v1beta1 or the like";
    for (services, expected) in [
        (json!("x"), vec!["virtualServices: \"x\" is a string, expected a list of resources".to_owned()]),
        (json!(["x"]), vec!["virtualServices[0]: \"x\" is a string, expected VirtualService".into()]),
        (json!([null]), vec!["virtualServices[0]: null, expected VirtualService".into()]),
        (
            json!([whole("Gateway", "networking.istio.io/v1")]),
            vec!["virtualServices[0].kind: `Gateway` is another kind of resource, expected `VirtualService`: take it out".into()],
        ),
        (json!([whole("VirtualService", "v1")]), vec![format!("virtualServices[0].apiVersion: {version}")]),
        (
            json!({"kind": "List", "items": [whole("DestinationRule", "networking.istio.io/v1")]}),
            vec!["virtualServices.items[0].kind: `DestinationRule` is another kind of resource, expected `VirtualService`: take it out".into()],
        ),
        (
            json!([{"kind": "VirtualService", "apiVersion": "networking.istio.io/v1"}]),
            vec!["virtualServices[0].spec: is missing".into()],
        ),
        (
            json!([{"metadata": {"name": 1}, "spec": {}}]),
            vec![
                "virtualServices[0].kind: is missing, expected `VirtualService`".into(),
                format!("virtualServices[0].apiVersion: is missing, {version}"),
                "virtualServices[0].metadata.name: 1 is a number, expected a string: put it in quotes".into(),
                "virtualServices[0].spec.hosts: needs at least one host".into(),
                "virtualServices[0].spec.http: needs at least one rule".into(),
            ],
        ),
        (json!([{"name": "a", "hosts": ["a"]}]), vec!["virtualServices[0].http: needs at least one rule".into()]),
        (
            json!([{"name": 1, "hosts": ["a"], "http": [{"route": to("a")}]}]),
            vec!["virtualServices[0].name: 1 is a number, expected a string: put it in quotes".into()],
        ),
    ] {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        says(&json!({"virtualServices": services}), &expected);
    }
}

#[test]
fn hosts_that_are_none() {
    let label = "its labels are of letters, digits and `-` (not first or last), at most 63 of them";
    for (host, why) in [
        ("", "is no host: it is empty".to_owned()),
        ("a_b.com", format!("is no host: {label}")),
        ("-a", format!("is no host: {label}")),
        ("a..b", format!("is no host: {label}")),
        ("a:80", "is no host: leave the port out, it is ignored in a request's host too".into()),
        ("http://a", "is no host: leave `http://` out".into()),
        ("https://a/b:80", "is no host: leave `https://` out".into()),
        ("a:80/b", "is no host: leave the path out, it belongs into a match".into()),
        ("a:b", format!("is no host: {label}")),
        ("a.*.com", "is no host: a wildcard is `*` alone or the first label, as in `*.example.com`".into()),
        ("**.com", "is no host: a wildcard is `*` alone or the first label, as in `*.example.com`".into()),
        ("1.2", "is no host: its last label is a number".into()),
        (&"a.".repeat(128), "is no host: it has more than 255 characters".into()),
    ] {
        let policy = json!({"virtualServices": [{"hosts": [host], "http": [{"route": to("a")}]}]});
        let cut = host.char_indices().nth(200).map_or(host.into(), |(end, _)| format!("{}…", &host[..end]));
        says(&policy, &[&format!("virtualServices[0].hosts[0]: `{cut}` {why}")]);
    }
    let service = |hosts: Value| json!({"virtualServices": [{"hosts": hosts, "http": [{"route": to("a")}]}]});
    says(&service(json!([])), &["virtualServices[0].hosts: needs at least one host"]);
    says(&service(json!("a")), &["virtualServices[0].hosts: \"a\" is a string, expected a list"]);
    let cure = "put one of them into a VirtualService of its own";
    says(
        &service(json!(["a.com", "*.com", "A.com"])),
        &[
            &format!("virtualServices[0].hosts[1]: `*.com` overlaps `a.com`: {cure}"),
            &format!("virtualServices[0].hosts[2]: `a.com` overlaps `a.com`: {cure}"),
        ],
    );
    // Beside one that is none.
    says(
        &service(json!(["a.com", 7, "a.com"])),
        &[
            "virtualServices[0].hosts[1]: 7 is a number, expected a string: put it in quotes",
            &format!("virtualServices[0].hosts[2]: `a.com` overlaps `a.com`: {cure}"),
        ],
    );
}
