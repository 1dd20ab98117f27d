//! What the tests have in common: services that keep limits, and listeners that ask them.

use anyhow::Result;
use envoy_test::{
    Answer, Envoy, Limitador, Listener, ListenerConfig, RateLimitService, Request, Upstream, UpstreamConfig,
};
use envoy_test::{RateLimitStub, module};
use serde_json::{Value, json};

pub const WHOLE: &str = "pointsman";
pub const SLIM: &str = "pointsman-rate-limit";

/// Both real services.
pub const ENGINES: [Kind; 2] = [Kind::Ratelimit, Kind::Limitador];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ratelimit,
    Limitador,
}

/// A real service that runs.
#[derive(Debug)]
pub enum Engine {
    Ratelimit(RateLimitService),
    Limitador(Limitador),
}

/// The domain of most limits.
pub const DOMAIN: &str = "edge";

impl Engine {
    /// One with limits for the first descriptor: for each value of such an entry so many a year.
    pub async fn start(kind: Kind, limits: &[(&str, u32)]) -> Result<Self> {
        Self::start_for(kind, DOMAIN, limits).await
    }

    /// The same for another domain.
    pub async fn start_for(kind: Kind, domain: &str, limits: &[(&str, u32)]) -> Result<Self> {
        Ok(match kind {
            Kind::Ratelimit => {
                let descriptors = limits.iter().map(|(key, most)| a_year(json!({"key": key}), *most));
                let domain = json!({"domain": domain, "descriptors": descriptors.collect::<Vec<_>>()});
                Self::Ratelimit(RateLimitService::start([domain]).await?)
            }
            Kind::Limitador => {
                let limits = limits.iter().map(|(key, most)| {
                    let variables = [format!("descriptors[0][\"{key}\"]")];
                    let year = 365 * 86_400;
                    json!({"namespace": domain, "max_value": most, "seconds": year, "conditions": [], "variables": variables})
                });
                Self::Limitador(Limitador::start(limits).await?)
            }
        })
    }

    pub fn upstream(&self) -> UpstreamConfig {
        self.upstream_named("the-engine")
    }

    pub fn upstream_named(&self, name: &str) -> UpstreamConfig {
        match self {
            Self::Ratelimit(service) => service.upstream(name),
            Self::Limitador(service) => service.upstream(name),
        }
    }

    pub fn stop(&mut self) {
        match self {
            Self::Ratelimit(service) => service.stop_service(),
            Self::Limitador(service) => service.stop(),
        }
    }

    pub async fn start_again(&mut self) -> Result<()> {
        match self {
            Self::Ratelimit(service) => service.start_service().await,
            Self::Limitador(service) => service.start_again().await,
        }
    }
}

/// A descriptor in ratelimit's configuration, with so many a year.
pub fn a_year(descriptor: Value, most: u32) -> Value {
    with(descriptor, json!({"rate_limit": {"unit": "year", "requests_per_unit": most}}))
}

/// A stub, and its cluster.
pub async fn stub(envoy: &Envoy) -> Result<(RateLimitStub, Upstream)> {
    let stub = RateLimitStub::start()?;
    let upstream = envoy.add_upstream(stub.upstream("the-stub")).await?;
    Ok((stub, upstream))
}

/// The value of that header, under its own name.
pub fn header(name: &str) -> Value {
    json!({"requestHeaders": {"headerName": name, "descriptorKey": name}})
}

/// `global`, in which nothing is left to time: a service has half a minute, and without it requests are refused.
pub fn global(upstream: &Upstream, fields: Value) -> Value {
    let cluster = upstream.name();
    with(json!({"domain": DOMAIN, "cluster": cluster, "timeout": "30s", "failureModeDeny": true}), fields)
}

/// A limit for each value of that header.
pub fn by_header(name: &str, global: &Value) -> Value {
    json!({"actions": [header(name)], "global": global})
}

/// A limit for each user, whose name in metrics no other test has.
pub fn by_user(name: &str, upstream: &Upstream, of_global: Value) -> Value {
    with(by_header("user", &global(upstream, of_global)), json!({"name": name}))
}

/// A name for a limit that no other test has: clusters' names have numbers.
pub fn named(upstream: &Upstream) -> String {
    format!("of-{}", upstream.name())
}

pub async fn listener(envoy: &Envoy, name: &str, limits: Value) -> Result<Listener> {
    envoy.add_listener(ListenerConfig::new().module(module(name)?).policy(json!({"rateLimits": limits}))).await
}

/// So many times the same request, one after the other.
pub async fn statuses(request: &Request, times: usize) -> Result<Vec<u16>> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(request.clone().send().await?.status);
    }
    Ok(statuses)
}

/// A list with that many 200 and that many 429 behind them.
pub fn then_refused(admitted: usize, refused: usize) -> Vec<u16> {
    [vec![200; admitted], vec![429; refused]].concat()
}

/// How many calls a service's cluster has had.
pub async fn calls(envoy: &Envoy, upstream: &Upstream) -> Result<u64> {
    envoy.admin().stat(&format!("cluster.{}.upstream_rq_total", upstream.name())).await
}

/// How often a limit refused because of a service; `shadow_` before it: would have.
pub async fn refusals(envoy: &Envoy, prefix: &str, limit: &str) -> Result<u64> {
    let name = format!("pointsman_rate_limit_{prefix}rate_limited");
    envoy.admin().stat(&format!("wasmcustom.limit=.={limit};.;by=.=global;.;{name}")).await
}

/// One of the metrics of a service: `service_errors`, `failure_mode_allowed`.
pub async fn of_service(envoy: &Envoy, metric: &str, domain: &str) -> Result<u64> {
    envoy.admin().stat(&format!("wasmcustom.domain=.={domain};.;pointsman_rate_limit_{metric}")).await
}

/// The headers that say how much is left: limit, remaining, reset.
pub fn told(answer: &Answer) -> [Option<String>; 3] {
    ["limit", "remaining", "reset"].map(|name| answer.header(&format!("x-ratelimit-{name}")))
}

/// Waits until nothing is under way any more, at the listener and at the service.
pub async fn all_is_over(envoy: &Envoy, listener: &Listener, service: &Upstream) -> Result<()> {
    let names = [
        format!("http.{}.downstream_rq_active", listener.name()),
        format!("cluster.{}.upstream_rq_active", service.name()),
        format!("cluster.{}.upstream_rq_pending_active", service.name()),
    ];
    let over = async || {
        for name in &names {
            if envoy.admin().stat(name).await? > 0 {
                return Ok(None);
            }
        }
        Ok(Some(()))
    };
    envoy.admin().until(&format!("nothing is under way at {} and {service:?}", listener.name()), over).await
}

/// Adds fields to an object, and to the objects in it. A null takes one away.
pub fn with(mut base: Value, fields: Value) -> Value {
    merge(&mut base, fields);
    base
}

fn merge(into: &mut Value, fields: Value) {
    match (into, fields) {
        (Value::Object(into), Value::Object(fields)) => {
            for (name, value) in fields {
                if value.is_null() {
                    into.remove(&name);
                } else {
                    merge(into.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (into, value) => *into = value,
    }
}
