//! Of conditions and actions that make no sense.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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
        (json!({"port": -1}), ".port: -1 is not a port, expected 1 to 65535"),
        (json!({"port": 0.5}), ".port: 0.5 is not a port, expected 1 to 65535"),
    ]);
}

/// The regular expression's own errors name its fault.
#[test]
fn regular_expressions_that_are_none() {
    for regex in ["(", "a{2,1}", "[z-a]", "\\8", "(?=x)", "a**", "x{1001}", "\\C\\Z"] {
        let policy = rules(json!([{"match": [{"uri": {"regex": regex}}], "route": to("a")}]));
        let errors = configure(&policy, &Node::default()).1;
        let [error] = errors.as_slice() else { panic!("{regex}: {errors:?}") };
        let why =
            error.strip_prefix("virtualServices[0].http[0].match[0].uri.regex: ").unwrap_or_else(|| panic!("{error}"));
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
        (destination(json!({})), ".route[0].destination.host: is missing"),
        (destination(json!({"host": "*"})), ".route[0].destination.host: `*` is no host: a wildcard cannot stand here"),
        (destination(json!({"host": "a_b"})), &format!(".route[0].destination.host: `a_b` is no host: {label}")),
        (
            destination(json!({"host": "a:80"})),
            ".route[0].destination.host: `a:80` is no host: the port has a field of its own, `port: {number: 80}`",
        ),
        (destination(json!({"host": "a/b"})), ".route[0].destination.host: `a/b` is no host: leave the path out"),
        (
            destination(json!({"host": "a", "subset": "v_1"})),
            ".route[0].destination.subset: `v_1` is no subset's name, which is of letters, digits and `-`",
        ),
        (destination(json!({"host": "a", "port": {}})), ".route[0].destination.port.number: is missing"),
        (routes(&[json!(0), json!(null)]), ".route: the weights add up to 0: nothing would ever be chosen"),
        (routes(&[json!(-5)]), ".route[0].weight: -5 is not a weight, expected 0 or more"),
        (json!({"route": to("a"), "timeout": "0.5ms"}), ".timeout: is less than 1ms; leave it out for no time-out"),
        (
            json!({"route": to("a"), "retries": {"attempts": 1, "perTryTimeout": "1.5ms"}}),
            ".retries.perTryTimeout: is not in whole milliseconds, which is all that Istio takes",
        ),
        (routes(&[json!("5%")]), ".route[0].weight: \"5%\" is a string, expected a whole number"),
        (routes(&[json!("-0.5")]), ".route[0].weight: \"-0.5\" is not a weight, expected 0 or more"),
        (
            routes(&[json!(4_294_967_295u32)]),
            ".route[0].weight: 4294967295 is not in range, expected a whole number from 0 to 2147483647",
        ),
        (
            operations(json!({"set": {":path": "/"}})),
            ".headers.request.set[\":path\"]: only `:authority` may be changed, and only in a request",
        ),
        (operations(json!({"remove": ["Host"]})), ".headers.request.remove[0]: the host cannot be removed"),
        (
            operations(json!({"set": {"X-Envoy-Max-Retries": "1"}})),
            ".headers.request.set.X-Envoy-Max-Retries: Envoy's router goes by it: set the rule's `timeout` and `retries` \
             instead",
        ),
        (
            operations(json!({"add": {"grpc-timeout": "1S"}})),
            ".headers.request.add.grpc-timeout: Envoy's router goes by it: set the rule's `timeout` instead",
        ),
        (
            operations(json!({"remove": ["x", "x-envoy-attempt-count"]})),
            ".headers.request.remove[1]: Envoy's router writes it later",
        ),
        (
            operations(json!({"remove": ["X-Forwarded-Proto"]})),
            ".headers.request.remove[0]: Envoy finds no route for a request without it: it can be set, not removed",
        ),
        (json!({"redirect": {"scheme": "HTTPS"}}), ".redirect.scheme: `HTTPS` is neither `http` nor `https`"),
        (json!({"route": to("a"), "retries": {"attempts": -1}}), ".retries.attempts: is negative; 0 turns retries off"),
        (
            json!({"route": to("a"), "retries": {"retryRemoteLocalities": false}}),
            ".retries.attempts: is 0, which turns retries off: then perTryTimeout, retryOn and retryRemoteLocalities must \
             be left out",
        ),
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

/// A rule in which nothing is right: one field does not wait for another.
#[test]
fn each_field_is_read_whatever_the_others_are() {
    let errors = |rule: Value| configure(&rules(json!([rule])), &Node::default()).1;
    let paths = |rule: Value| -> Vec<String> {
        let errors = errors(rule);
        let path = |error: &String| error.split(": ").next().unwrap().replace("virtualServices[0].http[0]", "");
        errors.iter().map(path).collect()
    };
    let policy = json!({
        "allowOrigins": [7, {}], "allowMethods": ["get", 7], "allowHeaders": ["a b", 7], "exposeHeaders": ["", 7],
        "maxAge": "0s",
    });
    assert_eq!(
        paths(json!({
            "match": [{
                "uri": {"prefix": 1}, "method": {"prefix": ""}, "headers": {"a b": 7, "x": {"prefix": ""}, "y": 7},
                "queryParams": {"": 7}, "port": 80800,
            }],
            "retries": {"attempts": -1, "retryIgnorePreviousHosts": false, "retryRemoteLocalities": true, "retryOn": 7},
            "mirror": {"host": "*", "subset": "a b", "port": 80}, "mirrors": [7, 7, 7, 7], "mirrorPercent": 101,
            "corsPolicy": policy, "rewrite": {"uri": "\n", "authority": "a"}, "timeout": 5,
            "headers": {
                "request": {
                    "set": {"x": "%RESP(y)%", "host": 7, "a b": 7}, "add": {"x-envoy-max-retries": 7},
                    "remove": ["host", 7, "x-forwarded-proto"],
                },
                "response": {"set": {":authority": 7}},
            },
            "sticky": {"httpHeaderName": 7, "httpCookie": {"name": "a b", "path": ";", "ttl": "0.5s"}},
        })),
        [
            ".match[0].uri.prefix",
            ".match[0].method.prefix",
            ".match[0].headers[\"a b\"]",
            ".match[0].headers[\"a b\"]",
            ".match[0].headers.x.prefix",
            ".match[0].headers.y",
            ".match[0].queryParams[\"\"]",
            ".match[0].queryParams[\"\"]",
            ".match[0].port",
            ".rewrite.uri",
            ".timeout",
            ".retries.attempts",
            ".retries.retryOn",
            ".retries.retryIgnorePreviousHosts",
            ".retries.retryRemoteLocalities",
            ".mirror.host",
            ".mirror.subset",
            ".mirror.port",
            ".mirrorPercent",
            ".mirrors[0]",
            ".mirrors[1]",
            ".mirrors[2]",
            ".mirrors[3]",
            ".mirrors",
            ".corsPolicy.allowOrigins[0]",
            ".corsPolicy.allowOrigins[1]",
            ".corsPolicy.allowMethods[0]",
            ".corsPolicy.allowMethods[1]",
            ".corsPolicy.allowHeaders[0]",
            ".corsPolicy.allowHeaders[1]",
            ".corsPolicy.exposeHeaders[0]",
            ".corsPolicy.exposeHeaders[1]",
            ".corsPolicy.maxAge",
            ".headers.request.set[\"a b\"]",
            ".headers.request.set[\"a b\"]",
            ".headers.request.set.host",
            ".headers.request.add.x-envoy-max-retries",
            ".headers.request.remove[0]",
            ".headers.request.remove[1]",
            ".headers.request.set.x",
            ".headers.request.add.x-envoy-max-retries",
            ".headers.request.remove[2]",
            ".headers.response.set[\":authority\"]",
            ".headers.response.set[\":authority\"]",
            ".sticky.httpHeaderName",
            ".sticky.httpCookie.name",
            ".sticky.httpCookie.path",
            ".sticky.httpCookie.ttl",
            ".sticky",
            "",
            "",
            ".headers.request",
        ]
    );
    assert_eq!(
        paths(json!({
            "redirect": {"uri": 7, "prefixRewrite": "\n", "redirectCode": 7, "port": 0, "derivePort": "x", "scheme": "x"},
            "directResponse": {"body": {"string": 7, "bytes": "?"}}, "rewrite": {"uri": "/", "uriRegexRewrite": {}},
            "match": [{"uri": {"exact": 7}}],
        })),
        [
            ".match[0].uri.exact",
            ".redirect.uri",
            ".redirect.port",
            ".redirect.derivePort",
            ".redirect.scheme",
            ".redirect.redirectCode",
            ".redirect.prefixRewrite",
            ".redirect",
            ".redirect",
            ".directResponse.status",
            ".directResponse.body.string",
            ".directResponse.body.bytes",
            ".directResponse.body",
            ".rewrite.uriRegexRewrite.match",
            ".rewrite.uriRegexRewrite.rewrite",
            ".rewrite",
            "",
            ".redirect.prefixRewrite",
            ".rewrite",
        ]
    );
}

/// What seems to be missing may be what is misspelt.
#[test]
fn a_misspelt_name_is_one_mistake() {
    of_rules(&[
        (json!({"routes": to("a")}), ".routes: unknown field; did you mean `route`?"),
        (json!({"redirect": {"urii": "/x"}}), ".redirect.urii: unknown field; did you mean `uri`?"),
        (json!({"route": to("a"), "rewrite": {"urii": "/x"}}), ".rewrite.urii: unknown field; did you mean `uri`?"),
        (
            json!({"route": to("a"), "retries": {"attempt": 2, "retryOn": "5xx"}}),
            ".retries.attempt: unknown field; did you mean `attempts`?",
        ),
        (
            json!({"route": to("a"), "sticky": {"httpHeaderNames": "x"}}),
            ".sticky.httpHeaderNames: unknown field; did you mean `httpHeaderName`?",
        ),
        (
            json!({"directResponse": {"status": 200, "body": {"strings": "x"}}}),
            ".directResponse.body.strings: unknown field; did you mean `string`?",
        ),
    ]);
}
