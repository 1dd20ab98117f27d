//! Conditions on headers and on query parameters.

use anyhow::Result;
use envoy_test::{Envoy, Request, Test, tests};
use serde_json::{Value, json};

use super::super::{bucket, descriptor};
use super::{Case, Judged, request};

pub fn tests() -> Vec<Test> {
    tests![of_headers, of_query_parameters, several_at_once]
}

/// Whether there is a descriptor tells the bucket's size.
fn case(action: Value, key: &str, requests: &[Request]) -> Case {
    let local = json!({"tokenBucket": bucket(1000), "descriptors": [descriptor(key, "v", &bucket(500))]});
    Case::new(local, json!([action]), requests.to_vec())
}

/// Envoy's StringMatcher, each kind of it.
fn texts() -> Vec<Value> {
    [
        json!({"exact": "x"}),
        json!({"exact": ""}),
        json!({"exact": "aBc"}),
        json!({"exact": "aBc", "ignoreCase": true}),
        json!({"prefix": "aB"}),
        json!({"prefix": "aB", "ignoreCase": true}),
        json!({"suffix": "Bc"}),
        json!({"suffix": "Bc", "ignoreCase": true}),
        json!({"contains": "B"}),
        json!({"contains": "B", "ignoreCase": true}),
        json!({"safeRegex": {"regex": "x+"}}),
        json!({"safeRegex": {"regex": "a|x|"}}),
        json!({"safeRegex": {"regex": "(?i)abc"}}),
        json!({"safeRegex": {"regex": "\\d+"}}),
        json!({"safeRegex": {"regex": "x."}}),
    ]
    .into()
}

const VALUES: [&str; 17] =
    ["", "x", "X", "xx", "xy", "y", "x,y", "aBc", "abc", "ABC", "zabc", "aBcz", "3", "5", "-1", "3x", " "];

async fn of_headers(envoy: &Envoy) -> Result<()> {
    let ranges = [(1, 5), (-5, 0), (0, 0), (3, 4), (-(1_i64 << 40), 1 << 40), (5, 3)];
    let ranges = ranges.iter().filter(|(start, end)| start < end);
    let kinds = texts().into_iter().map(|text| json!({"stringMatch": text}));
    let kinds = kinds.chain(ranges.map(|(start, end)| json!({"rangeMatch": {"start": start, "end": end}})));
    let present = [json!({}), json!({"presentMatch": true}), json!({"presentMatch": false})];
    let mut conditions: Vec<Value> = Vec::new();
    for kind in kinds {
        for inverted in [false, true] {
            for missing in [false, true] {
                let fields = json!({"name": "a", "invertMatch": inverted, "treatMissingHeaderAsEmpty": missing});
                conditions.push(super::super::with(kind.clone(), fields));
            }
        }
    }
    for kind in present {
        for inverted in [false, true] {
            conditions.push(super::super::with(kind.clone(), json!({"name": "a", "invertMatch": inverted})));
        }
    }
    let mut requests = vec![request("/", &[])];
    requests.extend(VALUES.map(|value| request("/", &[("a", value)])));
    let lines = [("x", "y"), ("y", "x"), ("3", "9"), ("9", "3"), ("", "x"), ("aBc", ""), ("9", "y")];
    requests.extend(lines.map(|(one, two)| request("/", &[("a", one), ("a", two)])));
    requests.extend([&b"x\xff"[..], b"\xff"].map(|value| request("/", &[]).header("a", value)));
    let mut cases = Vec::new();
    for condition in conditions {
        for expect in [None, Some(false)] {
            let action = json!({"headerValueMatch": {
                "descriptorValue": "v", "expectMatch": expect, "headers": [condition],
            }});
            cases.push(case(action, "header_match", &requests));
        }
    }
    Judged::new(envoy, cases).await?.same().await
}

async fn of_query_parameters(envoy: &Envoy) -> Result<()> {
    let texts = texts().into_iter().map(|text| json!({"name": "a", "stringMatch": text}));
    let present = [json!({"name": "a"}), json!({"name": "a", "presentMatch": true})];
    let absent = [json!({"name": "a", "presentMatch": false}), json!({"name": "b c", "presentMatch": true})];
    let mut requests: Vec<Request> = VALUES.map(|value| request(&format!("/?a={}", value.trim()), &[])).into();
    let others = [
        "/",
        "/?a",
        "/?b=1",
        "/?A=x",
        "/?a=y&a=x",
        "/?a=x&a=y",
        "/?%61=%78",
        "/?b%20c",
        "/?b+c",
        "/?a=x%20",
        "/?a=%ff",
        "/?a=x%ff",
    ];
    requests.extend(others.map(|path| request(path, &[])));
    let mut cases = Vec::new();
    for condition in texts.chain(present).chain(absent) {
        for expect in [None, Some(false)] {
            let action = json!({"queryParameterValueMatch": {
                "descriptorValue": "v", "expectMatch": expect, "queryParameters": [condition],
            }});
            cases.push(case(action, "query_match", &requests));
        }
    }
    Judged::new(envoy, cases).await?.same().await
}

async fn several_at_once(envoy: &Envoy) -> Result<()> {
    let x = |name: &str| json!({"name": name, "stringMatch": {"exact": "x"}});
    let mut cases = Vec::new();
    for expect in [None, Some(true), Some(false)] {
        let fields = json!({"descriptorValue": "v", "expectMatch": expect, "descriptorKey": "k"});
        let of_headers = super::super::with(fields.clone(), json!({"headers": [x("a"), x("b")]}));
        let requests: Vec<Request> = [("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")]
            .map(|(a, b)| request(&format!("/?a={a}&b={b}"), &[("a", a), ("b", b)]))
            .into();
        cases.push(case(json!({"headerValueMatch": of_headers}), "k", &requests));
        let of_queries = super::super::with(fields, json!({"queryParameters": [x("a"), x("b")]}));
        cases.push(case(json!({"queryParameterValueMatch": of_queries}), "k", &requests));
    }
    Judged::new(envoy, cases).await?.same().await
}
