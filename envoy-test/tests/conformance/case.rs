//! A case as it stands in the suite.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::steps::Object;

/// See the module. A field that is not known here is an error: what a case asks for is never ignored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // What is for readers.
pub struct Case {
    pub id: String,
    pub area: String,
    pub source: String,
    pub policy_format: String,
    pub policy: Value,
    /// See [`steps`](crate::steps::steps).
    pub request: Object,
    pub expect: Object,
    #[serde(default)]
    pub setup: Setup,
    #[serde(default)]
    note: Value,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    verify: bool,
    /// Of our own cases: each of these in place of what is expected must be found to be wrong.
    #[serde(default)]
    pub wrong: Vec<Object>,
    /// Of our own cases: what the runner must say when it refuses this one.
    pub refused: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
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
    downstream_mtls: Value,
    #[serde(default)]
    pub jwt_payload: Value,
    #[serde(default)]
    pub upstream_delay_ms: u64,
    pub upstream_behavior: Option<Behavior>,
    #[serde(default)]
    pub upstream_response_headers: Headers,
    /// One after the other, each once if it does not say how often.
    #[serde(default)]
    pub upstream_behaviors: Vec<Behavior>,
    pub count: Option<u32>,
    /// This client never does.
    #[serde(default)]
    #[allow(dead_code)]
    client_must_not_normalize: bool,
}

impl Request {
    /// The URI that the client's certificate has: of the principal that the case names, or of anybody. None: no mTLS.
    pub fn client_uri(&self) -> Result<Option<String>> {
        let principal = match &self.downstream_mtls {
            Value::Null | Value::Bool(false) => return Ok(None),
            Value::Bool(true) => "cluster.local/ns/default/sa/client",
            Value::String(principal) => principal,
            Value::Object(fields) if fields.len() == 1 => match fields.get("principal") {
                Some(Value::String(principal)) => principal,
                _ => bail!("the runner does not know downstream_mtls: {}", self.downstream_mtls),
            },
            other => bail!("the runner does not know downstream_mtls: {other}"),
        };
        Ok(Some(format!("spiffe://{}", principal.trim_start_matches("spiffe://"))))
    }

    /// What the listener has of it.
    pub fn listener(&self) -> impl PartialEq + '_ {
        (self.listener_port, self.downstream_tls, &self.downstream_mtls, &self.jwt_payload)
    }

    /// The authority without its port.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }
}

/// What upstreams do.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Behavior {
    Status(u16),
    Described(Described),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    respond: Option<u16>,
    /// So many times it is `respond`; without it, always.
    succeed_after_failures: Option<usize>,
}

impl Behavior {
    pub fn status(&self) -> u16 {
        match self {
            Self::Status(status) => *status,
            Self::Described(described) => described.respond.unwrap_or(503),
        }
    }

    /// How often, if it says so.
    pub fn times(&self) -> Option<usize> {
        match self {
            Self::Status(_) => None,
            Self::Described(described) => described.succeed_after_failures,
        }
    }
}

/// Header lines by name; a list as value is a repeated header, null none.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, Value>);

impl Headers {
    pub fn lines(&self) -> Result<Vec<(&str, String)>> {
        let mut lines = Vec::new();
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_null()) {
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

/// The entries of a list; none of anything else.
fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A destination that a policy names: its host and its subset.
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

    /// The cluster that the module makes of it.
    pub fn cluster(&self) -> String {
        match self.subset.as_str() {
            "" => self.host.clone(),
            subset => format!("{}-{subset}", self.host),
        }
    }

    /// What an expectation calls it: its subset, its host or its cluster.
    pub fn is_called(&self, name: &str) -> bool {
        self.subset == name || self.host == name || self.cluster() == name
    }

    /// An expectation may leave out the subset, and either may leave out the namespace and the domain.
    fn is_loosely(&self, expected: &Self) -> bool {
        let begins = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'));
        let (own, other) = (&self.host, &expected.host);
        (own == other || begins(own, other) || begins(other, own))
            && (expected.subset.is_empty() || expected.subset == self.subset)
    }
}

/// Those that an expectation means: itself if it is there, or else what it may be short for.
pub fn meant<'a>(all: &'a [Destination], expected: &Destination) -> Vec<&'a Destination> {
    let exact: Vec<_> = all.iter().filter(|one| *one == expected).collect();
    if exact.is_empty() { all.iter().filter(|one| one.is_loosely(expected)).collect() } else { exact }
}

impl Case {
    /// The rules of its VirtualService, or of several.
    fn rules(&self) -> impl Iterator<Item = &Value> {
        let all = each(&self.policy).chain(self.policy.is_object().then_some(&self.policy));
        all.flat_map(|policy| each(&policy["http"]))
    }

    /// The destinations as the policy has them.
    pub fn routes(&self) -> Vec<&Value> {
        self.rules().flat_map(|rule| each(&rule["route"])).map(|route| &route["destination"]).collect()
    }

    pub fn mirrors(&self) -> Vec<Destination> {
        let several = self.rules().flat_map(|rule| each(&rule["mirrors"])).map(|mirror| &mirror["destination"]);
        several.chain(self.rules().map(|rule| &rule["mirror"])).filter_map(Destination::of).collect()
    }

    /// All destinations that the policy names, those of mirrors too.
    pub fn destinations(&self) -> Vec<Destination> {
        let mut all = self.mirrors();
        all.extend(self.routes().into_iter().filter_map(Destination::of));
        all.sort();
        all.dedup();
        all
    }
}
