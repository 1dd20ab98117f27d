//! What is said of a configuration that is wrong: where, what, and the cure; all of it at once.

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
            ".banana: unknown field; known here: name, match, route, redirect, directResponse, rewrite, timeout, retries, mirror, \
             mirrorPercentage, mirrorPercent, mirrors, corsPolicy, headers, sticky",
        ),
        (
            json!({"route": [{"destination": {"host": "a"}, "weigth": 1}]}),
            ".route[0].weigth: unknown field; did you mean `weight`?",
        ),
        (destination(json!({"host": "a", "subsets": "x"})), ".route[0].destination.subsets: unknown field; did you mean `subset`?"),
        (
            destination(json!({"host": "a", "port": {"number": 1, "name": "http"}})),
            ".route[0].destination.port.name: unknown field; known here: number",
        ),
        (json!({"route": to("a"), "headers": {"requests": {}}}), ".headers.requests: unknown field; did you mean `request`?"),
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
        (json!({"headers": {"@x": {"is": "a"}}}), ".headers[\"@x\"].is: unknown field; known here: exact, prefix, regex"),
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
        (with("fault", json!({"abort": {}})), ".fault: is refused: there is no fault filter in this version yet"),
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
    let mut policy = rules(json!([{"route": to("a")}]));
    policy["virtualServices"][0]["tcp"] = json!([{}]);
    policy["virtualServices"][0]["tls"] = json!([{}]);
    says(
        &policy,
        &[
            "virtualServices[0].tcp: is refused: this filter routes HTTP; Envoy's own tcp_proxy routes TCP",
            "virtualServices[0].tls: is refused: this filter routes HTTP; TLS passthrough belongs to Envoy's own filter \
             chains",
        ],
    );
    // What says nothing is nothing.
    policy["virtualServices"][0]["tcp"] = json!([]);
    policy["virtualServices"][0]["tls"] = json!(null);
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
        (json!({"headers": {"x": "1"}}), ".headers.x: \"1\" is a string, expected an object"),
        (json!({"headers": {"x": null}}), ".headers.x: null, expected an object"),
        (json!({"uri": "/a"}), ".uri: \"/a\" is a string, expected an object"),
        (json!({"ignoreUriCase": "true"}), ".ignoreUriCase: \"true\" is a string, expected true or false"),
        (json!({"port": "80"}), ".port: \"80\" is a string, expected a whole number"),
        (json!({"gateways": "mesh"}), ".gateways: \"mesh\" is a string, expected a list"),
        (json!(null), ": null, expected an object"),
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
        (json!({"route": [{"destination": {"host": 1}}]}), &format!(".route[0].destination.host: 1 is a number, {quotes}")),
        (
            json!({"route": [{"destination": {"host": "a", "subset": 1}}]}),
            &format!(".route[0].destination.subset: 1 is a number, {quotes}"),
        ),
        (
            json!({"route": [{"destination": {"host": "a", "port": 80}}]}),
            ".route[0].destination.port: 80 is a number, expected an object",
        ),
        (json!({"route": {"destination": {"host": "a"}}}), ".route: an object, expected a list"),
        (json!({"route": to("a"), "name": true}), &format!(".name: true is a boolean, {quotes}")),
        (json!({"match": {"uri": {"exact": "/"}}, "route": to("a")}), ".match: an object, expected a list"),
    ]);
}

#[test]
fn conditions_that_make_no_sense() {
    let empty = "is empty: leave the condition out if any value will do";
    let regex = "is empty: an empty regex matches nothing but an empty value; say `exact: \"\"` for that";
    of_entries(&[
        (json!({"uri": {"regex": "*"}}), ".uri.regex: `*` is no regex; any value is `.*`"),
        (json!({"method": {"regex": "*"}}), ".method.regex: `*` is no regex; any value is `.*`"),
        (json!({"scheme": {"prefix": ""}}), &format!(".scheme.prefix: {empty}")),
        (json!({"authority": {"prefix": ""}}), &format!(".authority.prefix: {empty}")),
        (json!({"headers": {"x": {"prefix": ""}}}), &format!(".headers.x.prefix: {empty}")),
        (json!({"withoutHeaders": {"x": {"prefix": ""}}}), &format!(".withoutHeaders.x.prefix: {empty}")),
        (json!({"queryParams": {"x": {"prefix": ""}}}), &format!(".queryParams.x.prefix: {empty}")),
        (json!({"uri": {"regex": ""}}), &format!(".uri.regex: {regex}")),
        (json!({"uri": {"exact": "/", "prefix": "/"}}), ".uri: has more than one of exact, prefix and regex: keep one"),
        (json!({"uri": {"regex": "a".repeat(1025)}}), ".uri.regex: has more than 1024 characters, Istio's limit"),
        (json!({"headers": {"": {}}}), ".headers[\"\"]: a header's name is empty"),
        (json!({"headers": {"a b": {}}}), ".headers[\"a b\"]: `a b` is not a header's name"),
        (
            json!({"headers": {"@request.auth.sub": {"exact": "x"}}}),
            ".headers[\"@request.auth.sub\"]: is neither a header's name nor a claim's: `@request.auth.claims.NAME` \
             or `…[NAME][NAME]`",
        ),
        (json!({"queryParams": {"": {}}}), ".queryParams[\"\"]: a query parameter's name is empty"),
        (json!({"port": 65536}), ".port: 65536 is not a port, expected 1 to 65535"),
        (json!({"port": -1}), ".port: -1 is not in range, expected a whole number from 0 to 4294967295"),
        (json!({"port": 0.5}), ".port: 0.5 is not in range, expected a whole number from 0 to 4294967295"),
    ]);
}

/// The regular expression's own errors name its fault.
#[test]
fn regular_expressions_that_are_none() {
    for regex in ["(", "a{2,1}", "[z-a]", "\\8", "(?=x)", "a**", "x{1001}", "\\C\\Z"] {
        let policy = rules(json!([{"match": [{"uri": {"regex": regex}}], "route": to("a")}]));
        let errors = configure(&policy, &Node::default()).1;
        let [error] = errors.as_slice() else { panic!("{regex}: {errors:?}") };
        let why = error.strip_prefix("virtualServices[0].http[0].match[0].uri.regex: ").unwrap_or_else(|| panic!("{error}"));
        assert!(why.len() > 10, "{regex}: {why}");
    }
}

#[test]
fn actions_that_make_no_sense() {
    let routes = |weights: &[Value]| {
        let destinations = weights.iter().map(|weight| json!({"destination": {"host": "a"}, "weight": weight}));
        json!({"route": destinations.collect::<Vec<_>>()})
    };
    let operations = |operations: Value| json!({"route": to("a"), "headers": {"request": operations}});
    let destination = |destination: Value| json!({"route": [{"destination": destination}]});
    let label = "its labels are of letters, digits and `-` (not first or last), at most 63 of them";
    of_rules(&[
        (json!({}), ": does nothing: it needs one of route, redirect and directResponse"),
        (json!({"route": []}), ": does nothing: it needs one of route, redirect and directResponse"),
        (
            json!({"route": to("a"), "redirect": {"uri": "/x"}}),
            ": does more than one of route, redirect and directResponse: keep one",
        ),
        (json!({"route": [{}]}), ".route[0].destination: is missing"),
        (destination(json!({})), ".route[0].destination.host: `` is no host: it is empty"),
        (destination(json!({"host": "*"})), ".route[0].destination.host: `*` is no host: a wildcard cannot stand here"),
        (destination(json!({"host": "a_b"})), &format!(".route[0].destination.host: `a_b` is no host: {label}")),
        (
            destination(json!({"host": "a:80"})),
            ".route[0].destination.host: `a:80` is no host: leave the port out, it is ignored in a request's host too",
        ),
        (
            destination(json!({"host": "a", "subset": "v_1"})),
            ".route[0].destination.subset: `v_1` is no subset's name, which is of letters, digits and `-`",
        ),
        (
            destination(json!({"host": "a", "port": {}})),
            ".route[0].destination.port.number: 0 is not a port, expected 1 to 65535",
        ),
        (routes(&[json!(0), json!(null)]), ".route: the weights add up to 0: nothing would ever be chosen"),
        (routes(&[json!(-5)]), ".route[0].weight: -5 is not a weight, expected 0 or more"),
        (routes(&[json!("5")]), ".route[0].weight: \"5\" is a string, expected a whole number"),
        (
            routes(&[json!(4_294_967_295u32)]),
            ".route[0].weight: 4294967295 is not in range, expected a whole number from -2147483648 to 2147483647",
        ),
        (
            operations(json!({"set": {":path": "/"}})),
            ".headers.request.set[\":path\"]: only `:authority` may be changed, and only in a request",
        ),
        (operations(json!({"remove": ["Host"]})), ".headers.request.remove[0]: the host cannot be removed"),
        (
            operations(json!({"remove": [":method"]})),
            ".headers.request.remove[0]: only `:authority` may be changed, and only in a request",
        ),
        (operations(json!({"add": {"a b": "1"}})), ".headers.request.add[\"a b\"]: `a b` is not a header's name"),
        (operations(json!({"remove": [""]})), ".headers.request.remove[0]: a header's name is empty"),
        (operations(json!({"set": {"x": "a\nb"}})), ".headers.request.set.x: '\\n' cannot stand in a header's value"),
        (
            operations(json!({"set": {"x": "100%"}})),
            ".headers.request.set.x: `100%`: a `%` in it begins no command such as `%REQ(name)%`; write a percent sign as `%%`",
        ),
        (
            operations(json!({"set": {"x": "%RESP(y)%"}})),
            ".headers.request.set.x: tells of the response, which a request does not have yet",
        ),
        (
            operations(json!({"set": {"Host": "a"}, "add": {":authority": "b"}})),
            ".headers.request: rewrites the host more than once (Host, :authority): keep one",
        ),
        (
            json!({"route": to("a"), "headers": {"response": {"set": {":authority": "x"}}}}),
            ".headers.response.set[\":authority\"]: a response has no such header to change",
        ),
    ]);
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
        ("http://a", "is no host: leave the port out, it is ignored in a request's host too".into()),
        ("a.*.com", "is no host: a wildcard is `*` alone or the first label, as in `*.example.com`".into()),
        ("**.com", "is no host: a wildcard is `*` alone or the first label, as in `*.example.com`".into()),
        ("1.2", "is no host: its last label is a number".into()),
        (&"a.".repeat(128), "is no host: it has more than 255 characters".into()),
    ] {
        let policy = json!({"virtualServices": [{"hosts": [host], "http": [{"route": to("a")}]}]});
        says(&policy, &[&format!("virtualServices[0].hosts[0]: `{host}` {why}")]);
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
            vec!["virtualServices[0].kind: expected `VirtualService`: other kinds do not belong here".into()],
        ),
        (json!([whole("VirtualService", "v1")]), vec![format!("virtualServices[0].apiVersion: {version}")]),
        (
            json!({"kind": "List", "items": [whole("DestinationRule", "networking.istio.io/v1")]}),
            vec!["virtualServices.items[0].kind: expected `VirtualService`: other kinds do not belong here".into()],
        ),
        (
            json!([{"kind": "VirtualService", "apiVersion": "networking.istio.io/v1"}]),
            vec!["virtualServices[0].spec: is missing".into()],
        ),
        (
            json!([{"metadata": {"name": 1}, "spec": {}}]),
            vec![
                "virtualServices[0].kind: expected `VirtualService`: other kinds do not belong here".into(),
                format!("virtualServices[0].apiVersion: {version}"),
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
fn sections_beside_the_resources() {
    let missing = "is missing";
    for (section, value, expected) in [
        ("gateway", json!(1), "gateway: 1 is a number, expected a string: put it in quotes"),
        ("gateway", json!(""), "gateway: is no gateway's name; leave it out if the rules of every gateway are ours"),
        ("trustClientRouterHeaders", json!("always"), "trustClientRouterHeaders: \"always\" is a string, expected `never` or `internal`"),
        ("trustClientRouterHeaders", json!(true), "trustClientRouterHeaders: true is a boolean, expected `never` or `internal`"),
        ("debug", json!(true), "debug: true is a boolean, expected an object"),
        ("debug", json!({}), &format!("debug.header: {missing}")),
        ("debug", json!({"header": "a b"}), "debug.header: `a b` is not a header's name"),
        ("debug", json!({"headers": "x", "header": "y"}), "debug.headers: unknown field; did you mean `header`?"),
        ("destinations", json!([]), "destinations: a list, expected an object"),
        ("destinations", json!({"by": "header"}), "destinations.by: \"header\" is a string, expected `authority`"),
        ("destinations", json!({"header": ""}), "destinations.header: a header's name is empty"),
        ("destinations", json!({"defaultPort": 0}), "destinations.defaultPort: 0 is not a port, expected 1 to 65535"),
        ("destinations", json!({"clusterName": "{host"}), "destinations.clusterName: `{host` has no closing brace"),
        (
            "destinations",
            json!({"clusterName": "{service}"}),
            "destinations.clusterName: `{service}` is unknown; known here: {host}, {subset}, {port}",
        ),
        (
            "destinations",
            json!({"clusterName": "one"}),
            "destinations.clusterName: needs {host} or {subset}: otherwise all destinations would be one cluster",
        ),
        (
            "destinations",
            json!({"clusterName": "c-{port}"}),
            "destinations.clusterName: needs {host} or {subset}: otherwise all destinations would be one cluster",
        ),
        ("destinations", json!({"clusters": [{"host": "a"}]}), &format!("destinations.clusters[0].cluster: {missing}")),
        ("destinations", json!({"clusters": [{"cluster": "a"}]}), &format!("destinations.clusters[0].host: {missing}")),
        (
            "destinations",
            json!({"clusters": [{"host": "a", "cluster": "b", "port": {"number": 1}}]}),
            "destinations.clusters[0].port: an object, expected a whole number",
        ),
        (
            "destinations",
            json!({"by": "authority", "clusterName": "{host}"}),
            "destinations.clusterName: names clusters, and `by: authority` uses none: keep one of the two",
        ),
    ] {
        let mut configuration = rules(json!([{"route": to("a")}]));
        configuration[section] = value;
        says(&configuration, &[expected]);
    }
}

#[test]
fn what_authority_cannot_tell() {
    let mut policy = rules(json!([
        {"route": [{"destination": {"host": "a", "subset": "v1"}}]},
        {"route": [{"destination": {"host": "a"}, "headers": {"request": {"set": {"host": "x"}}}}]},
    ]));
    policy["destinations"] = json!({"by": "authority"});
    let cure = "use `destinations.header` instead of `by: authority`";
    says(
        &policy,
        &[
            &format!("virtualServices[0].http[0].route[0].destination: has a subset, which no host can tell: {cure}"),
            &format!(
                "virtualServices[0].http[1].route[0].destination: rewrites the host, by which Envoy is to choose: {cure}"
            ),
        ],
    );
}
