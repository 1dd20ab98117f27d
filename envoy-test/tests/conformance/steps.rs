//! The requests of a case: its one, or those of its `sequence`, and what is expected of each.
//!
//! A sequence is a number (so often the same), a list of requests (paths, or objects whose fields go over those of the
//! case's request, with expectations of their own beside them or in `expect`), or a list of what upstreams answer
//! (statuses, or `upstream_behavior`s). Where the case expects a list in place of one value, that is of each in order.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::case::{Case, Request};
use crate::expect;

pub type Object = Map<String, Value>;

/// A request, sent as often as its `count` says.
pub struct Step {
    pub request: Request,
    /// It has upstreams of its own; otherwise they go on with what they do.
    pub own_upstreams: bool,
    pub expect: Object,
}

/// What upstreams do, as the fields of a request.
const UPSTREAM: [&str; 4] =
    ["upstream_delay_ms", "upstream_behavior", "upstream_behaviors", "upstream_response_headers"];

/// The expectations of one request that may be a list, of several; and where lists stand.
const LISTS: [&str; 10] = [
    "status",
    "statuses",
    "allowed",
    "destination",
    "destinations",
    "rewritten_path",
    "rewritten_authority",
    "route_name",
    "location_path",
    "sequence",
];

pub fn steps(case: &Case) -> Result<Vec<Step>> {
    let mut base = case.request.clone();
    let sequence = base.remove("sequence").unwrap_or_default();
    let mut patches = match &sequence {
        Value::Null => vec![Object::new()],
        Value::Number(number) => {
            ensure!(base.insert("count".into(), number.clone().into()).is_none(), "both a count and a sequence");
            vec![Object::new()]
        }
        Value::Array(list) if !list.is_empty() && list.iter().all(is_behavior) => {
            base.insert("upstream_behaviors".into(), sequence.clone());
            vec![Object::new()]
        }
        Value::Array(list) if !list.is_empty() => {
            let count = base.remove("count");
            ensure!(count.is_none_or(|count| count == json!(list.len())), "both a count and a sequence");
            let patch = |one| patch(one).with_context(|| format!("the runner does not know the request {one}"));
            list.iter().map(patch).collect::<Result<_>>()?
        }
        other => bail!("the runner does not know the sequence {other}"),
    };
    let (common, lists): (Object, Object) =
        case.expect.clone().into_iter().partition(|(key, value)| !(LISTS.contains(&key.as_str()) && value.is_array()));
    if let Some(length) = lists.values().filter_map(Value::as_array).map(Vec::len).next() {
        if let [only] = &patches[..]
            && only.is_empty()
        {
            let count = base.remove("count").unwrap_or(json!(length));
            ensure!(count == json!(length), "{count} requests, and {length} expectations");
            patches = vec![Object::new(); length];
        }
        for (key, list) in &lists {
            let list = list.as_array().context("no list")?;
            ensure!(list.len() == patches.len(), "{} requests, and {} of expect.{key}", patches.len(), list.len());
            for (patch, one) in patches.iter_mut().zip(list) {
                expect_also(patch, key, one);
            }
        }
    }
    let only = patches.len() == 1;
    patches.into_iter().enumerate().map(|(index, patch)| step(&base, &common, patch, index == 0, only)).collect()
}

/// An entry of a sequence of requests: the fields that differ from those of the case's request, and `expect`.
fn patch(one: &Value) -> Result<Object> {
    let mut patch = Object::new();
    let fields = match one {
        Value::String(path) if path.starts_with('/') => {
            return Ok([("path".into(), json!(path))].into_iter().collect());
        }
        Value::Object(fields) => fields,
        _ => bail!("neither a path nor an object"),
    };
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("request", Value::Object(fields)) => patch.extend(fields.clone()),
            ("expect" | "expected", Value::Object(expected)) => {
                expected.iter().for_each(|(key, value)| expect_also(&mut patch, key, value));
            }
            ("expect" | "expected" | "expect_status" | "expected_status", Value::Number(_)) => {
                expect_also(&mut patch, "status", value);
            }
            ("repeat" | "times", Value::Number(_)) => drop(patch.insert("count".into(), value.clone())),
            ("note", _) => {}
            (key, value) if key != "count" && expect::is_known(key) => expect_also(&mut patch, key, value),
            // What is no field of a request is found when all of them are read.
            (key, value) => drop(patch.insert(key.into(), value.clone())),
        }
    }
    Ok(patch)
}

/// Adds to what is expected of that request. One of the sequence has no name: it is a status, or several expectations.
fn expect_also(patch: &mut Object, key: &str, value: &Value) {
    let Value::Object(expect) = patch.entry("expect").or_insert_with(|| json!({})) else { return };
    match (key, value) {
        ("sequence", Value::Object(fields)) => expect.extend(fields.clone()),
        ("sequence" | "statuses", _) => drop(expect.insert("status".into(), value.clone())),
        ("destinations", _) => drop(expect.insert("destination".into(), value.clone())),
        _ => drop(expect.insert(key.into(), value.clone())),
    }
}

fn step(base: &Object, common: &Object, mut patch: Object, first: bool, only: bool) -> Result<Step> {
    let own = patch.remove("expect").unwrap_or_default();
    let own_upstreams = first || UPSTREAM.iter().any(|field| patch.contains_key(*field));
    let mut request = base.clone();
    for (key, value) in patch {
        match (request.get_mut(&key), value) {
            (Some(Value::Object(headers)), Value::Object(more)) if key == "headers" => headers.extend(more),
            (_, value) => drop(request.insert(key, value)),
        }
    }
    let text = Value::from(request.clone()).to_string();
    let request = serde_json::from_value(request.into()).with_context(|| format!("the runner does not know {text}"))?;
    let mut expect = common.clone();
    if !only {
        expect.retain(|key, _| !expect::is_of_all(key));
    }
    expect.extend(own.as_object().cloned().unwrap_or_default());
    Ok(Step { request, own_upstreams, expect })
}

/// An entry of a sequence of what upstreams answer.
fn is_behavior(one: &Value) -> bool {
    one.as_u64().is_some_and(|status| (200..600).contains(&status)) || one.get("respond").is_some()
}
