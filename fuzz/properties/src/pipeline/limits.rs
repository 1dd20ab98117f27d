//! Rate limits, made of choices.

use serde_json::{Value, json};

use super::policy::{maybe, object, string_match, text};
use super::words::{PATHS, PATTERNS};
use crate::choices::Choices;

/// The request header whose values have buckets of their own where a [`Claim`] says so.
pub const KEY: &str = "x";

/// What holds of a limit whatever else the policy says, as long as the clock stands still and no request ends.
#[derive(Debug)]
pub struct Claim {
    /// So many requests pass at most.
    pub most: usize,
    /// Of each value of [`KEY`]; those without one are not counted.
    pub is_keyed: bool,
}

/// What is known of a policy's limits.
#[derive(Debug, Default)]
pub struct Limits {
    pub claims: Vec<Claim>,
    /// There is one claim, and nothing else refuses a request: so many do pass.
    pub is_exact: bool,
}

fn bucket(choices: &mut Choices<'_>) -> (usize, Value) {
    let tokens = 1 + choices.below(4);
    (tokens, json!({"maxTokens": tokens, "fillInterval": choices.pick(&["1000s", "50ms"])}))
}

/// Envoy's StringMatcher.
fn wanted(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => json!({"exact": "a"}),
        1 => json!({"prefix": "a", "ignoreCase": choices.one_in(2)}),
        2 => json!({"safeRegex": {"regex": choices.pick(&PATTERNS)}}),
        _ => json!({"contains": "a"}),
    }
}

fn action(choices: &mut Choices<'_>) -> (&'static str, Value) {
    let skip = choices.one_in(3);
    match choices.below(12) {
        0 => ("k", json!({"requestHeaders": {"headerName": KEY, "descriptorKey": "k", "skipIfAbsent": skip}})),
        1 => ("remote_address", json!({"remoteAddress": {}})),
        2 => ("masked_remote_address", json!({"maskedRemoteAddress": {"v4PrefixMaskLen": choices.below(33)}})),
        3 => ("g", json!({"genericKey": {"descriptorKey": "g", "descriptorValue": choices.pick(&["a", "é"])}})),
        4 => {
            let header = json!({"name": KEY, "stringMatch": wanted(choices), "invertMatch": skip});
            ("header_match", json!({"headerValueMatch": {"descriptorValue": "m", "headers": [header]}}))
        }
        5 => ("q", json!({"queryParameters": {"queryParameterName": "q", "descriptorKey": "q", "skipIfAbsent": skip}})),
        6 => ("destination_cluster", json!({"destinationCluster": {}})),
        7 => ("source_cluster", json!({"sourceCluster": {}})),
        8 => {
            let value = maybe(choices, 2, |_| "default".into());
            let key = json!({"key": "envoy.lb", "path": [{"key": "a"}]});
            let fields = [("metadataKey", Some(key)), ("descriptorKey", Some("m".into())), ("defaultValue", value)];
            ("m", json!({"metadata": object(fields)}))
        }
        9 => (
            "path",
            json!({"path": {"descriptorKey": "path", "template": choices.pick(&["/{id}", "/a/{id}", "/{**}", "/"])}}),
        ),
        10 => ("jwt", json!({"jwtClaim": {"claim": "sub", "descriptorKey": "jwt", "skipIfAbsent": skip}})),
        _ => {
            let parameter = json!({"name": "q", "stringMatch": wanted(choices)});
            (
                "query_match",
                json!({"queryParameterValueMatch": {"descriptorValue": "m", "queryParameters": [parameter]}}),
            )
        }
    }
}

/// The keys of the actions in their order, mostly, with values here and there.
fn descriptor(choices: &mut Choices<'_>, actions: &[(&'static str, Value)]) -> Value {
    let mut entries = Vec::new();
    for (key, _) in actions {
        if entries.is_empty() || !choices.one_in(6) {
            let value = maybe(choices, 3, |choices| choices.pick(&["a", "m", "1.2.3.4", "default"]).into());
            entries.push(object([("key", Some((*key).into())), ("value", value)]));
        }
    }
    json!({"entries": entries, "tokenBucket": bucket(choices).1})
}

fn global(choices: &mut Choices<'_>) -> Value {
    object([
        ("domain", Some(choices.pick(&["d", "d", "other"]).into())),
        ("cluster", Some(choices.pick(&["ratelimit", "ratelimit", "users"]).into())),
        ("timeout", maybe(choices, 4, |choices| choices.pick(&["1ms", "1s"]).into())),
        ("failureModeDeny", maybe(choices, 2, |_| true.into())),
        ("statusOnError", maybe(choices, 4, |choices| choices.pick(&[500, 400, 599]).into())),
        ("disableXEnvoyRatelimitedHeader", maybe(choices, 4, |_| true.into())),
    ])
}

fn response(choices: &mut Choices<'_>) -> Value {
    let header = |choices: &mut Choices<'_>| json!({choices.pick(&["x-busy", "X-Busy", "retry-after"]): text(choices)});
    object([
        ("status", maybe(choices, 3, |choices| choices.pick(&[429, 503, 400]).into())),
        ("body", maybe(choices, 3, |choices| text(choices).into())),
        ("headers", maybe(choices, 3, header)),
        ("rateLimitHeaders", maybe(choices, 2, |_| "DRAFT_VERSION_03".into())),
        ("rateLimitedAsResourceExhausted", maybe(choices, 4, |_| true.into())),
    ])
}

/// How many hits a request counts for, if that is said, and how many they are, if it is always the same.
fn hits(choices: &mut Choices<'_>) -> (Option<Value>, Option<usize>) {
    match choices.below(8) {
        0..4 => (None, Some(1)),
        4 => {
            let number = 1 + choices.below(3);
            (Some(json!({"number": number})), Some(number))
        }
        5 => (Some(json!({"requestHeader": choices.pick(&["x", "y"])})), None),
        6 => (Some(json!({"responseHeader": choices.pick(&["x", "y"])})), None),
        _ => (Some(json!({"responseTrailer": choices.pick(&["x", "y"])})), None),
    }
}

/// A limit, what holds of it, and whether that says when it refuses a request.
fn limit(choices: &mut Choices<'_>, rules: &[String], place: usize) -> (Value, Vec<Claim>, bool) {
    let kinds: usize = choices.pick(&[1, 1, 2, 4, 1, 2, 4, 3, 5, 6, 7]);
    let [has_local, has_concurrency, has_global] = [1, 2, 4].map(|kind| kinds & kind > 0);
    let (said_hits, hits) = hits(choices);
    let shadow = choices.one_in(5);
    let scope = choices.below(5);
    let matches = json!([{"uri": {"prefix": choices.pick(&PATHS)}}, {"headers": {KEY: string_match(choices)}}]);
    let route = rules.get(choices.below(4)).filter(|_| scope == 4);
    let is_for_all = scope < 3 && !shadow;

    let mut claims = Vec::new();
    let mut claim = |tokens: usize, is_keyed: bool| {
        let most = hits.map(|hits| tokens / hits);
        claims.extend(most.filter(|_| is_for_all).map(|most| Claim { most, is_keyed }));
    };
    // By the values of one header, or whatever it may be.
    let is_plain = choices.one_in(2);
    let mut actions = vec![("k", json!({"requestHeaders": {"headerName": KEY, "descriptorKey": "k"}}))];
    if !is_plain {
        actions = vec![action(choices)];
        actions.extend(choices.list(2, action));
    }
    let mut needs_actions = has_global;
    let mut is_exact = kinds.count_ones() == 1 && !has_global;
    let local = has_local.then(|| {
        let (has_bucket, has_descriptors) = choices.pick(&[(true, false), (false, true), (true, true)]);
        let always = maybe(choices, 4, |choices| choices.one_in(2).into());
        let bucket_of_all = has_bucket.then(|| bucket(choices)).map(|(tokens, bucket)| {
            if !has_descriptors || always != Some(json!(false)) {
                claim(tokens, false);
            }
            bucket
        });
        needs_actions |= has_descriptors;
        let descriptors = has_descriptors.then(|| {
            if !is_plain {
                is_exact = false;
                let mut descriptors = vec![descriptor(choices, &actions)];
                descriptors.extend(choices.list(2, |choices| descriptor(choices, &actions)));
                return descriptors.into();
            }
            let (tokens, bucket) = bucket(choices);
            claim(tokens, true);
            json!([{"entries": [{"key": "k"}], "tokenBucket": bucket}])
        });
        object([
            ("tokenBucket", bucket_of_all),
            ("descriptors", descriptors),
            ("alwaysConsumeDefaultTokenBucket", always),
            ("sets", maybe(choices, 4, |choices| choices.pick(&[1, 16]).into())),
        ])
    });
    let concurrency = has_concurrency.then(|| 1 + choices.below(3));
    claims.extend(concurrency.filter(|_| is_for_all).map(|most| Claim { most, is_keyed: false }));
    let actions: Vec<Value> = actions.into_iter().map(|(_, action)| action).collect();
    let value = object([
        ("name", maybe(choices, 2, |_| format!("l{place}").into())),
        ("match", (scope == 3).then_some(matches)),
        ("route", route.map(|route| route.as_str().into())),
        ("actions", needs_actions.then(|| actions.into())),
        ("hitsAddend", said_hits),
        ("local", local),
        ("shareAcross", maybe(choices, 16, |_| json!({"replicas": 1})).filter(|_| has_local)),
        ("concurrency", concurrency.map(Into::into)),
        ("global", has_global.then(|| global(choices))),
        ("shadow", shadow.then(|| true.into())),
        ("response", maybe(choices, 2, response)),
    ]);
    (value, claims, is_exact)
}

/// Adds them to most policies.
pub fn add(choices: &mut Choices<'_>, configuration: &mut Value) -> Limits {
    if choices.one_in(3) {
        return Limits::default();
    }
    let services = configuration["virtualServices"].as_array().unwrap().iter();
    let rules = services.flat_map(|service| service.get("spec").unwrap_or(service)["http"].as_array().unwrap());
    let names = rules.filter_map(|rule| rule.get("name")?.as_str()).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    let mut place = 0;
    let mut make = |choices: &mut Choices<'_>| {
        place += 1;
        limit(choices, &names, place)
    };
    let mut limits = vec![make(choices)];
    if choices.one_in(2) {
        limits.extend(choices.list(3, make));
    }
    let mut all = Limits { claims: Vec::new(), is_exact: limits.len() == 1 };
    let mut values = Vec::new();
    for (value, claims, is_exact) in limits {
        values.push(value);
        all.is_exact &= is_exact && claims.len() == 1;
        all.claims.extend(claims);
    }
    configuration["rateLimits"] = values.into();
    all
}
