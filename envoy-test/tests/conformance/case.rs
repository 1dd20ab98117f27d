//! A case as it stands in the suite.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// See the module. A field that is not known here is an error: what a case asks for is never ignored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // What is for readers.
pub struct Case {
    pub id: String,
    pub area: String,
    pub source: String,
    pub policy_format: String,
    pub policy: Value,
    pub request: Request,
    pub expect: BTreeMap<String, Value>,
    #[serde(default)]
    pub setup: Setup,
    #[serde(default)]
    note: Value,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    verify: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Merged into the HTTP connection manager.
    #[serde(default)]
    pub hcm: Value,
}

/// A request as the client sends it, and how the upstreams answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub authority: String,
    #[serde(default)]
    pub headers: Headers,
    pub listener_port: Option<u16>,
    #[serde(default)]
    pub downstream_tls: bool,
    #[serde(default)]
    pub downstream_mtls: bool,
    #[serde(default)]
    pub jwt_payload: Value,
    #[serde(default)]
    pub upstream_delay_ms: u64,
    pub upstream_behavior: Option<UpstreamBehavior>,
    #[serde(default)]
    pub upstream_response_headers: Headers,
    #[serde(default)]
    pub sequence: Value,
    pub count: Option<u32>,
    /// This client never does.
    #[serde(default)]
    #[allow(dead_code)]
    client_must_not_normalize: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamBehavior {
    pub respond: u16,
    /// So many times; without it, always.
    pub succeed_after_failures: Option<usize>,
}

/// Header lines by name; a list as value is a repeated header.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, Value>);

impl Headers {
    pub fn lines(&self) -> Result<Vec<(&str, String)>> {
        let mut lines = Vec::new();
        for (name, value) in &self.0 {
            lines.extend(texts(value)?.into_iter().map(|value| (name.as_str(), value)));
        }
        Ok(lines)
    }
}

/// The value's text, or each text of a list.
pub fn texts(value: &Value) -> Result<Vec<String>> {
    match value {
        Value::Array(list) => Ok(list.iter().map(texts).collect::<Result<Vec<_>>>()?.concat()),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Number(number) => Ok(vec![number.to_string()]),
        Value::Bool(boolean) => Ok(vec![boolean.to_string()]),
        other => bail!("the runner does not know the value {other}"),
    }
}

/// A destination that a policy names: its host, its subset, and the cluster that the module makes of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    pub host: String,
    pub subset: String,
}

impl Destination {
    /// Of the policy's own form, which is also that of `expect`. None: it has no host.
    pub fn of(value: &Value) -> Option<Self> {
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        Some(Self { host: text("host"), subset: text("subset") }).filter(|destination| !destination.host.is_empty())
    }

    pub fn cluster(&self) -> String {
        match self.subset.as_str() {
            "" => self.host.clone(),
            subset => format!("{}-{subset}", self.host),
        }
    }
}

impl Case {
    /// All destinations that the policy names, those of mirrors too.
    pub fn destinations(&self) -> Vec<Destination> {
        fn collect(value: &Value, all: &mut Vec<Destination>) {
            if let Value::Object(map) = value {
                let named = ["destination", "mirror"].iter().filter_map(|field| Destination::of(map.get(*field)?));
                all.extend(named);
            }
            match value {
                Value::Object(map) => map.values().for_each(|value| collect(value, all)),
                Value::Array(list) => list.iter().for_each(|value| collect(value, all)),
                _ => {}
            }
        }
        let mut all = Vec::new();
        collect(&self.policy["http"], &mut all);
        all.sort();
        all.dedup();
        all
    }
}
