//! Rate limits that the proxy keeps itself, in the one pass and as a module of their own.

mod concurrency;
mod destinations;
mod exact;
mod example;
mod flood;
mod hits;
mod hostile;
mod keyed;
mod load;
mod native;
mod panics;
mod shadows;
mod told;
mod updates;
mod which;

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Request, Test, module};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    [
        exact::tests(),
        flood::tests(),
        concurrency::tests(),
        hits::tests(),
        shadows::tests(),
        updates::tests(),
        told::tests(),
        which::tests(),
        keyed::tests(),
        destinations::tests(),
        hostile::tests(),
        panics::tests(),
        native::tests(),
        example::tests(),
    ]
    .concat()
}

const WHOLE: &str = "pointsman";
const SLIM: &str = "pointsman-rate-limit";

/// A bucket that gets no token back while a test runs.
fn bucket(max_tokens: u32) -> Value {
    json!({"maxTokens": max_tokens, "fillInterval": "3600s"})
}

/// A descriptor of one entry; an empty value is any.
fn descriptor(key: &str, value: &str, bucket: &Value) -> Value {
    json!({"entries": [{"key": key, "value": value}], "tokenBucket": bucket})
}

/// The value of that header, under its own name.
fn header(name: &str) -> Value {
    json!({"requestHeaders": {"headerName": name, "descriptorKey": name}})
}

/// For each value of that header such a bucket.
fn by_header(name: &str, bucket: &Value) -> Value {
    json!({"actions": [header(name)], "local": {"descriptors": [descriptor(name, "", bucket)]}})
}

/// Adds fields to an object, and to the objects in it.
fn with(mut base: Value, fields: Value) -> Value {
    merge(&mut base, fields);
    base
}

fn merge(into: &mut Value, fields: Value) {
    match (into, fields) {
        (Value::Object(into), Value::Object(fields)) => {
            fields.into_iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (into, value) => *into = value,
    }
}

/// A listener with these limits.
async fn listener(envoy: &Envoy, name: &str, limits: Value) -> Result<Listener> {
    listener_like(envoy, ListenerConfig::new(), name, limits).await
}

async fn listener_like(envoy: &Envoy, config: ListenerConfig, name: &str, limits: Value) -> Result<Listener> {
    envoy.add_listener(config.module(module(name)?).policy(json!({"rateLimits": limits}))).await
}

/// So many times the same request, one after the other.
async fn statuses(request: &Request, times: usize) -> Result<Vec<u16>> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(request.clone().send().await?.status);
    }
    Ok(statuses)
}

/// A list with that many 200 and that many 429 behind them.
fn then_refused(admitted: usize, refused: usize) -> Vec<u16> {
    [vec![200; admitted], vec![429; refused]].concat()
}

/// How often a limit refused, or would have in the shadow. No two listeners of an Envoy have limits of one name, so that
/// it can be told whose it was.
async fn counted(envoy: &Envoy, metric: &str, limit: &str, by: &str) -> Result<u64> {
    envoy.admin().stat(&format!("wasmcustom.limit=.={limit};.;by=.={by};.;pointsman_rate_limit_{metric}")).await
}

/// One of the metrics that have no other label than the limit's name.
async fn metric(envoy: &Envoy, metric: &str, limit: &str) -> Result<u64> {
    envoy.admin().stat(&format!("wasmcustom.limit=.={limit};.;pointsman_rate_limit_{metric}")).await
}

/// The headers that say how much is left: limit, remaining, reset.
fn told(answer: &Answer) -> [Option<String>; 3] {
    ["limit", "remaining", "reset"].map(|name| answer.header(&format!("x-ratelimit-{name}")))
}
