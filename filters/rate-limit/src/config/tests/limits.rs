use super::*;
use crate::descriptors::Hits;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn local() -> Value {
    json!({"local": {"tokenBucket": {"maxTokens": 10, "fillInterval": "1s"}}})
}

fn keyed() -> Value {
    let descriptor = json!({"entries": [{"key": "user"}, {"key": "remote_address"}],
        "tokenBucket": {"maxTokens": 20, "tokensPerFill": 5, "fillInterval": "60s"}});
    json!({
        "name": "users",
        "actions": [{"requestHeaders": {"headerName": "x-user", "descriptorKey": "user"}}, {"remoteAddress": {}}],
        "local": {"descriptors": [descriptor]},
    })
}

#[test]
fn defaults() {
    let limit = right(&local());
    let local = limit.local.unwrap();
    assert_eq!(local.bucket, Some(bucket(10, 1, 1)));
    assert!(local.always_consume_default && local.sets == 2048 && local.descriptors.is_empty());
    assert!(limit.name.is_empty() && limit.matches.is_empty() && limit.route.is_none() && !limit.shadow);
    assert_eq!((limit.hits, limit.concurrency), (Hits::Number(1), None));
    let response = limit.response;
    assert_eq!((response.status, &response.body), (429, &None));
    assert!(response.headers.is_empty() && !response.rate_limited_as_resource_exhausted);
    assert_eq!(response.rate_limit_headers, RateLimitHeaders::Off);
    let global = right(&json!({"actions": [{"remoteAddress": {}}], "global": {"domain": "d", "cluster": "c"}}));
    let global = global.global.unwrap();
    assert_eq!((&*global.domain, &*global.cluster, global.timeout), ("d", "c", Duration::from_millis(20)));
    assert!(!global.failure_mode_deny && global.status_on_error == 500 && !global.disable_x_envoy_ratelimited_header);
    assert_eq!(right(&json!({"concurrency": 3})).concurrency, Some(3));
}

#[test]
fn all_that_can_be_said() {
    let limit = right(&json!({
        "name": "all", "match": [{"uri": {"prefix": "/a"}}], "shadow": true, "concurrency": 7,
        "actions": [{"genericKey": {"descriptorValue": "v"}}], "hitsAddend": {"responseTrailer": "X-Cost"},
        "local": {
            "tokenBucket": {"maxTokens": 100, "tokensPerFill": 10, "fillInterval": "1m"}, "sets": 16,
            "descriptors": [{"entries": [{"key": "generic_key", "value": ""}],
                "tokenBucket": {"maxTokens": 30, "fillInterval": "50ms"}}],
            "alwaysConsumeDefaultTokenBucket": false,
        },
        "shareAcross": {"replicas": 3},
        "global": {"domain": "d", "cluster": "c", "timeout": "1s", "failureModeDeny": true, "statusOnError": 503,
            "disableXEnvoyRatelimitedHeader": true},
        "response": {"status": 503, "body": "", "headers": {"X-Limited": "yes"}, "rateLimitHeaders": "DRAFT_VERSION_03",
            "rateLimitedAsResourceExhausted": true},
    }));
    assert_eq!(limit.hits, Hits::ResponseTrailer(b"x-cost"[..].into()));
    let local = limit.local.unwrap();
    assert_eq!(local.bucket, Some(bucket(33, 10, 180)));
    assert_eq!(local.descriptors[0].bucket, crate::rate::tests::token_bucket(10, 1, 150));
    assert!(local.descriptors[0].is_keyed() && local.sets == 16 && !local.always_consume_default);
    assert_eq!(limit.response.headers, [("x-limited".to_owned(), "yes".to_owned())]);
    assert_eq!(limit.response.body.as_deref(), Some(""));
    assert_eq!(limit.response.rate_limit_headers, RateLimitHeaders::Draft03);
    let of_route = right(&with(&local_of_route(), json!({"hitsAddend": {"requestHeader": "Host"}})));
    assert_eq!(of_route.route.as_deref(), Some("search"));
    assert_eq!(of_route.hits, Hits::RequestHeader(b":authority"[..].into()));
}

fn local_of_route() -> Value {
    with(&local(), json!({"route": "search"}))
}

#[test]
fn what_is_wrong() {
    let replicas = NonZeroU32::MIN;
    assert_eq!(
        right(&with(&local(), json!({"shareAcross": {"replicas": replicas}}))).local.unwrap().bucket,
        Some(bucket(10, 1, 1))
    );
    for (fields, expected) in [
        (json!({"local": null}), ": limits nothing: it needs at least one of local, global, concurrency"),
        (json!({"local": {}}), "local: limits nothing: it needs tokenBucket or descriptors"),
        (json!({"match": [], "route": "a"}), ": has more than one of match, route: keep one"),
        (json!({"route": ""}), "route: is empty"),
        (json!({"name": "a[0]"}), "name: `[` cannot stand in a limit's name: it is in those of places"),
        (json!({"name": "a\n"}), "name: '\\n' cannot stand in a name"),
        (json!({"concurrency": 0}), "concurrency: 0 is no number of requests, expected 1 or more"),
        (json!({"shareAcross": {}}), "shareAcross.replicas: is missing"),
        (
            json!({"shareAcross": {"replicas": 11}}),
            "local.tokenBucket: has fewer tokens than there are replicas, 11: none would be left for some",
        ),
        (
            json!({"local": null, "concurrency": 1, "shareAcross": {"replicas": 2}}),
            "shareAcross: is for `local`: what a service keeps is shared anyway",
        ),
        (
            json!({"global": {"domain": "d", "cluster": "c"}}),
            "actions: is missing: without it global is for no request",
        ),
        (json!({"stage": 1}), "stage: is refused: a limit has one place: which requests it is for says its match"),
        (
            json!({"applyOnStreamDone": true}),
            "applyOnStreamDone: is refused: responseHeader and responseTrailer of hitsAddend say so already",
        ),
        (
            json!({"hitsAddend": {}}),
            "hitsAddend: needs exactly one of number, requestHeader, responseHeader, responseTrailer",
        ),
        (json!({"hitsAddend": {"number": 0}}), "hitsAddend.number: 0 is no number of hits, expected 1 to 1000000000"),
        (
            json!({"hitsAddend": {"format": "%REQ(x)%"}}),
            "hitsAddend.format: is refused: a filter has no format strings: use requestHeader, responseHeader or \
             responseTrailer",
        ),
        (json!({"response": {"status": 200}}), "response.status: 200 is no status of an error, expected 400 to 599"),
        (
            json!({"response": {"headers": {"Content-Length": "1"}}}),
            "response.headers.Content-Length: says where an answer ends: that is the proxy's",
        ),
        (json!({"response": {"headers": {"x": "a\r"}}}), "response.headers.x: '\\r' cannot stand in a header's value"),
        (
            json!({"response": {"rateLimitHeaders": "DRAFT"}}),
            "response.rateLimitHeaders: \"DRAFT\" is no version, expected OFF or DRAFT_VERSION_03",
        ),
    ] {
        wrong(&with(&local(), fields), &[expected]);
    }
    for (fields, expected) in [
        (json!({"maxTokens": null}), "maxTokens: is missing"),
        (json!({"maxTokens": 0}), "maxTokens: 0 is no number of tokens, expected 1 to 4294967295"),
        (json!({"tokensPerFill": 0}), "tokensPerFill: 0 is no number of tokens, expected 1 to 4294967295"),
        (json!({"fillInterval": null}), "fillInterval: is missing"),
        (
            json!({"fillInterval": "49ms"}),
            "fillInterval: is less than 50ms, Envoy's least: let more tokens come in a longer one",
        ),
        (json!({"fillInterval": 1}), "fillInterval: 1 has no unit: write it as \"1s\" or \"1ms\""),
    ] {
        let bucket = with(&local()["local"]["tokenBucket"], fields);
        wrong(&json!({"local": {"tokenBucket": bucket}}), &[&format!("local.tokenBucket.{expected}")]);
    }
    let slow = json!({"local": {"tokenBucket": {"maxTokens": 2, "fillInterval": "8760h"}}});
    wrong(
        &slow,
        &["local.tokenBucket: takes more than a year to fill: fewer tokens, or more of them in each interval"],
    );
    for (fields, expected) in [
        (json!({}), &["global.domain: is missing", "global.cluster: is missing"][..]),
        (
            json!({"domain": "d", "cluster": "c", "timeout": "0s"}),
            &["global.timeout: is less than 1ms: nobody answers so soon"],
        ),
        (
            json!({"domain": "d", "cluster": "c", "timeout": "2h"}),
            &["global.timeout: is longer than an hour, which no request waits"],
        ),
        (
            json!({"domain": "d", "cluster": "c", "statusOnError": 200}),
            &["global.statusOnError: 200 is no status of an error, expected 400 to 599"],
        ),
    ] {
        wrong(&json!({"actions": [{"remoteAddress": {}}], "global": fields}), expected);
    }
}

#[test]
fn descriptors() {
    assert!(right(&keyed()).local.unwrap().descriptors[0].is_keyed());
    let mut other = keyed();
    other["local"]["sets"] = json!(0);
    other["local"]["descriptors"].as_array_mut().unwrap().extend([
        keyed()["local"]["descriptors"][0].clone(),
        json!({"entries": [], "tokenBuckets": {}}),
        json!({"entries": [{"value": "a"}]}),
    ]);
    wrong(
        &other,
        &[
            "local.descriptors[2].tokenBuckets: unknown field; did you mean `tokenBucket`?",
            "local.descriptors[2].entries: needs at least one entry",
            "local.descriptors[3].entries[0].key: is missing",
            "local.descriptors[3].tokenBucket: is missing",
            "local.descriptors[1]: has the same entries as descriptors[0]",
            "local.sets: 0 is no number of sets, expected 1 to 16384",
        ],
    );
    wrong(
        &with(&keyed(), json!({"actions": null})),
        &["actions: is missing: without it local.descriptors is for no request"],
    );
}

#[test]
fn what_has_no_effect() {
    let entries = |entries: Value| {
        let mut limit = keyed();
        limit["local"]["descriptors"][0]["entries"] = entries;
        limit["actions"].as_array_mut().unwrap().extend([
            json!({"genericKey": {"descriptorValue": "v"}}),
            json!({"requestHeaders": {"headerName": "x", "descriptorKey": "x", "skipIfAbsent": true}}),
        ]);
        limit
    };
    let (user, address) = (json!({"key": "user"}), json!({"key": "remote_address", "value": "10.0.0.1"}));
    for (more, can) in [
        (json!([{"key": "generic_key", "value": "v"}]), true),
        (json!([{"key": "generic_key"}]), true),
        (json!([{"key": "generic_key"}, {"key": "x", "value": "1"}]), true),
        (json!([{"key": "generic_key", "value": "w"}]), false),
        (json!([]), false),
        (json!([{"key": "generic_key"}, {"key": "x"}, {"key": "x"}]), false),
        (json!([{"key": "x"}, {"key": "generic_key"}]), false),
    ] {
        let mut all = vec![user.clone(), address.clone()];
        all.extend(more.as_array().unwrap().clone());
        let why = "local.descriptors[0]: is for no request: the actions make (user, remote_address, generic_key=v, x?)";
        warns(&entries(json!(all)), [why].get(usize::from(can)..).unwrap());
    }
    let actions = json!([{"remoteAddress": {}}]);
    for (fields, expected) in [
        (json!({"actions": actions}), "actions: has no effect: neither local.descriptors nor global is there"),
        (
            json!({"hitsAddend": {"number": 11}}),
            "hitsAddend.number: is more than fits into a bucket, 10: none of its requests passes",
        ),
    ] {
        warns(&with(&local(), fields), &[expected]);
    }
    right(&with(&local(), json!({"hitsAddend": {"number": 10}})));
    let mut more = local();
    more["local"]["tokenBucket"]["tokensPerFill"] = json!(11);
    more["local"]["sets"] = json!(1);
    more["local"]["alwaysConsumeDefaultTokenBucket"] = json!(true);
    more["local"]["maxDynamicDescriptors"] = json!(20);
    warns(
        &more,
        &[
            "local.maxDynamicDescriptors: has no effect: no value loses its bucket to others that come later: see \
             `sets`",
            "local.tokenBucket.tokensPerFill: is more than maxTokens: no more than 10 can be taken at once",
            "local.alwaysConsumeDefaultTokenBucket: has no effect: it needs both tokenBucket and descriptors",
            "local.sets: has no effect: no descriptor leaves a value open",
        ],
    );
}

#[test]
fn names_are_told_apart() {
    let named = with(&local(), json!({"name": "a"}));
    let (limits, _) = read(&json!([local(), named, local(), named, 5]));
    assert_eq!(
        limits.unwrap_err(),
        [
            "rateLimits[3].name: `a` is the name of another one as well",
            "rateLimits[4]: 5 is a number, expected an object such as {match: …}",
        ]
    );
    assert_eq!(read(&Value::Null).0.unwrap().len(), 0);
    let many: Vec<Value> = (0..17).map(|number| with(&keyed(), json!({"name": number.to_string()}))).collect();
    assert_eq!(
        read(&json!(many)).0.unwrap_err(),
        ["rateLimits: has 17 descriptors that leave a value open, expected at most 16"]
    );
    assert_eq!(read(&json!(many[..16])).0.unwrap().len(), 16);
}
