//! Envoy's own `ratelimit` filter as the judge: the same limits, in the same words, on a listener with it, on one with the
//! one pass, and on one with the slim module. Whatever is asked, and whatever the service says, all three must show the
//! same to upstream and client.
//!
//! What is different on purpose, and has tests of its own beside the comparisons:
//! - A refusal has a `retry-after`, if the service has told when it ends. Envoy's has none.
//! - What is over its limit is not asked about again until that ends.
//! - Headers of a service that are none, and those that say where a message ends or whom it is for, are left out. Those
//!   whose value is in `raw_value` are added; Envoy adds them without.
//! - Hits that are given in a header that is not there, or that is no number, count as one. Envoy makes no descriptor of
//!   such a request.
//! - One number of hits for all descriptors is told as such, which limitador understands; Envoy tells it of each.
//! - A limit's name that would end where it should not, in `x-ratelimit-limit`, is left out.
//! - The details name the limit. The flags (`RL`, `RLSE`) no filter in Wasm can set.

mod real;
mod scripted;

use anyhow::Result;
use envoy_test::{Answer, Connection, Envoy, Listener, ListenerConfig, Request, Test, Upstream, module};
use serde_json::{Value, json};

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    [real::tests(), scripted::tests()].concat()
}

/// What the three are to do.
#[derive(Debug, Clone)]
struct Case {
    /// Lists of actions, for each a descriptor, and the hits of each.
    limits: Vec<(Value, Value)>,
    /// Fields of `global`, and of `response`.
    global: Value,
    response: Value,
}

impl Case {
    fn new(limits: impl IntoIterator<Item = Value>) -> Self {
        let limits = limits.into_iter().map(|actions| (actions, Value::Null)).collect();
        Self { limits, global: json!({}), response: json!({"rateLimitHeaders": "DRAFT_VERSION_03"}) }
    }

    fn hits(mut self, hits: Value) -> Self {
        self.limits.iter_mut().for_each(|(_, own)| *own = hits.clone());
        self
    }

    fn global(self, fields: Value) -> Self {
        Self { global: with(self.global, fields), ..self }
    }

    fn response(self, fields: Value) -> Self {
        Self { response: with(self.response, fields), ..self }
    }

    fn policy(&self, service: &Upstream, domain: &str) -> Value {
        let global = with(global(service, self.global.clone()), json!({"domain": domain}));
        let limits = self.limits.iter().map(|(actions, hits)| {
            let limit = json!({"actions": actions, "global": global, "response": self.response});
            if hits.is_null() { limit } else { with(limit, json!({"hitsAddend": hits})) }
        });
        json!({"rateLimits": limits.collect::<Vec<_>>()})
    }

    /// Envoy's own filter, and what a route says of it: the descriptors. (Those of a `RouteAction` have no hits.)
    fn native(&self, service: &Upstream, domain: &str) -> (Value, Value) {
        let global = global(service, self.global.clone());
        let mut filter = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
            "domain": domain,
            "timeout": global["timeout"],
            "failureModeDeny": global["failureModeDeny"],
            "disableXEnvoyRatelimitedHeader": global["disableXEnvoyRatelimitedHeader"],
            "rateLimitService": {
                "transportApiVersion": "V3",
                "grpcService": {"envoyGrpc": {"clusterName": service.name()}},
            },
            "enableXRatelimitHeaders": self.response["rateLimitHeaders"],
            "rateLimitedAsResourceExhausted": self.response["rateLimitedAsResourceExhausted"],
        });
        for (theirs, ours) in
            [("rateLimitedStatus", &self.response["status"]), ("statusOnError", &global["statusOnError"])]
        {
            if !ours.is_null() {
                filter[theirs] = json!({"code": ours});
            }
        }
        let headers = self.response["headers"].as_object().into_iter().flatten();
        filter["responseHeadersToAdd"] =
            headers.map(|(key, value)| json!({"header": {"key": key, "value": value}})).collect();
        let limits = self.limits.iter().map(|(actions, hits)| {
            let limit = json!({"actions": actions});
            let hits = match hits["requestHeader"].as_str() {
                Some(name) => json!({"format": format!("%REQ({name})%")}),
                None => hits.clone(),
            };
            if hits.is_null() { limit } else { with(limit, json!({"hitsAddend": hits})) }
        });
        let of_route = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
            "rateLimits": limits.collect::<Vec<_>>(),
        });
        (json!({"name": "envoy.filters.http.ratelimit", "typed_config": filter}), of_route)
    }
}

/// The listeners with the modules, and the one without.
struct Judged {
    theirs: Listener,
    ours: [Listener; 2],
    domains: [String; 3],
}

impl Judged {
    /// Each asks about a domain of its own, which the service has to have.
    async fn new(envoy: &Envoy, case: &Case, service: &Upstream, domains: [&str; 3]) -> Result<Self> {
        let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "default"}});
        let (filter, limits) = case.native(service, domains[0]);
        let limited = json!({"typed_per_filter_config": {"envoy.filters.http.ratelimit": limits}});
        let theirs = ListenerConfig::new().routes([with(route.clone(), limited)]).filter_before(filter);
        let ours = |name: &str, domain: &str| {
            let config = ListenerConfig::new().routes([route.clone()]);
            Ok::<_, anyhow::Error>(config.module(module(name)?).policy(case.policy(service, domain)))
        };
        Ok(Self {
            theirs: envoy.add_listener(theirs).await?,
            ours: [
                envoy.add_listener(ours(WHOLE, domains[1])?).await?,
                envoy.add_listener(ours(SLIM, domains[2])?).await?,
            ],
            domains: domains.map(str::to_owned),
        })
    }

    fn listeners(&self) -> [&Listener; 3] {
        [&self.theirs, &self.ours[0], &self.ours[1]]
    }

    /// All show the same, for every request, one after the other. With the first of its kind that is refused, its kind is
    /// over: the next one Envoy would ask about, and we would not.
    async fn same(&self, what: &str, http2: bool, requests: &[(Request, usize)]) -> Result<()> {
        let mut connections = Vec::new();
        for listener in self.listeners() {
            connections.push(Connection::open(listener.address(), http2).await?);
        }
        let mut over = None;
        for (kind, request) in
            requests.iter().enumerate().flat_map(|(kind, (request, times))| vec![(kind, request); *times])
        {
            if over == Some(kind) {
                continue;
            }
            let mut shown = Vec::new();
            for (connection, domain) in connections.iter_mut().zip(&self.domains) {
                let answer = connection.send(request.clone()).await?;
                if answer.header("x-envoy-upstream-service-time").is_none() {
                    over = Some(kind);
                }
                shown.push(seen(&answer).into_iter().map(|line| line.replace(domain, "DOMAIN")).collect::<Vec<_>>());
            }
            let [theirs, ours, slim] = &shown[..] else { anyhow::bail!("there are three") };
            let only = |of: &[String], in_none: &[String]| -> Vec<String> {
                of.iter().filter(|line| !in_none.contains(line)).cloned().collect()
            };
            assert!(
                theirs == ours && theirs == slim,
                "{what}, http2: {http2}, request {kind}: {request:?}\nEnvoy's: {theirs:#?}\nours alone: {:#?}\nthe slim \
                 module's alone: {:#?}\n(If there is nothing, it is lines that are missing, or the order.)",
                only(ours, theirs),
                only(slim, theirs),
            );
        }
        Ok(())
    }
}

/// Everything that upstream and client see, but for what differs from one request to the next, and what only we have.
fn seen(answer: &Answer) -> Vec<String> {
    const VARIES: [&str; 4] = ["x-request-id", "x-envoy-upstream-service-time", "date", "retry-after"];
    envoy_test::seen(answer, |_, name, value| {
        // The listeners are not asked at the same moment, and each has an authority of its own.
        let is_later = name.ends_with("ratelimit-reset") && value.parse::<u64>().is_ok_and(|seconds| seconds > 60);
        let value = if is_later { "later" } else { value };
        (name != ":authority" && !VARIES.contains(&name)).then(|| value.to_owned())
    })
}

/// A request with these headers, for whichever listener.
fn request(method: &str, headers: &[(&str, &str)]) -> Request {
    let request = Request::new(([127, 0, 0, 1], 0).into(), method, "/path?query");
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Those of gRPC.
fn grpc(headers: &[(&str, &str)]) -> Request {
    request("POST", headers).header("content-type", "application/grpc").header("te", "trailers")
}
