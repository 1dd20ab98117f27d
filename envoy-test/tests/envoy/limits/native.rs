//! Envoy's own `local_ratelimit` as the judge: the same limits, in the same words, on a listener with it, on one with the
//! one pass, and on one with the slim module. Whatever is asked, all three must show the same to upstream and client.
//!
//! What is different on purpose, and so not compared here:
//! - A refusal has a `retry-after`, which Envoy's has not. The details name the limit. The flag (`RL`) no filter in Wasm
//!   can set.
//! - Where the operator's own headers say `x-ratelimit-…`, nothing else is told. Envoy says both.
//! - A cluster that a header names is no destination if there is no such cluster, or no such header. Envoy takes the
//!   header's value, and an empty one.
//! - The network of an IPv6 address never has its zone (`fe80::1%4`). In Envoy's it stands before `/128`.
//! - Which of several descriptors with values left open it is that a request fits: here the first. Envoy's is any of them.
//! - Hits that are given in a header that is not there, or that is no number, count as one. Envoy makes no descriptor of
//!   such a request. A request of no hits passes; Envoy refuses it whatever is left.
//! - Hits are taken from a limit's default bucket, too. Envoy takes one there.
//! - Of two limits with the same descriptor, each has a bucket. Envoy takes twice from one.

mod actions;
mod answers;
mod descriptors;
mod hits;
mod matchers;
mod protocols;

use anyhow::Result;
use envoy_test::{Answer, Connection, Envoy, Listener, ListenerConfig, Request, Test, module};
use serde_json::{Value, json};

use super::{SLIM, WHOLE, merge};

pub fn tests() -> Vec<Test> {
    [actions::tests(), answers::tests(), descriptors::tests(), hits::tests(), matchers::tests(), protocols::tests()]
        .concat()
}

/// A limit, and the requests whose answers are compared, one after the other.
#[derive(Debug, Clone)]
struct Case {
    /// `local`, as both have it.
    local: Value,
    /// Lists of actions, for each a descriptor. Here each but the first is a limit of its own, with the descriptors that
    /// `local` has, but not with its bucket: so no descriptor is to be of two of them.
    actions: Vec<Value>,
    hits: Value,
    response: Value,
    requests: Vec<Request>,
}

/// The listeners with the modules, and the one without.
struct Judged {
    ours: [Listener; 2],
    theirs: Listener,
    cases: Vec<Case>,
}

/// A request of that path with these headers, for whichever listener.
fn request(path: &str, headers: &[(&str, &str)]) -> Request {
    let request = Request::new(([127, 0, 0, 1], 0).into(), "GET", path);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

impl Case {
    /// What is left is told in response headers: they say which bucket it was.
    fn new(local: Value, actions: Value, requests: impl IntoIterator<Item = Request>) -> Self {
        let response = json!({"rateLimitHeaders": "DRAFT_VERSION_03"});
        let requests = requests.into_iter().collect();
        let actions = if actions.is_null() { Vec::new() } else { vec![actions] };
        Self { local, actions, hits: Value::Null, response, requests }
    }

    /// With the descriptor that these actions make, too.
    fn and(mut self, actions: Value) -> Self {
        self.actions.push(actions);
        self
    }

    fn hits(self, hits: Value) -> Self {
        Self { hits, ..self }
    }

    fn response(mut self, response: Value) -> Self {
        merge(&mut self.response, response);
        self
    }

    /// The limits for requests with that number in the header `case`.
    fn limits(&self, number: usize) -> Vec<Value> {
        let chosen = json!([{"headers": {"case": {"exact": number.to_string()}}}]);
        let limit = |local: Value, actions: &Value| {
            let mut limit = json!({"match": chosen, "local": local, "response": self.response});
            if !actions.is_null() {
                merge(&mut limit, json!({"actions": actions}));
            }
            if !self.hits.is_null() {
                merge(&mut limit, json!({"hitsAddend": self.hits}));
            }
            limit
        };
        let first = limit(self.local.clone(), self.actions.first().unwrap_or(&Value::Null));
        let others = self
            .actions
            .iter()
            .skip(1)
            .map(|actions| limit(json!({"descriptors": self.local["descriptors"]}), actions));
        [first].into_iter().chain(others).collect()
    }

    /// Envoy's own, for one route.
    fn native(&self) -> Value {
        let always = json!({"default_value": {"numerator": 100}});
        let rate_limits = self.actions.iter().map(|actions| {
            let mut entry = json!({"actions": actions});
            if !self.hits.is_null() {
                merge(&mut entry, json!({"hitsAddend": self.hits}));
            }
            entry
        });
        let mut native = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "native",
            "filter_enabled": always,
            "filter_enforced": always,
            "rateLimits": rate_limits.collect::<Vec<_>>(),
            // More than any test has: here none is lost to others.
            "maxDynamicDescriptors": 1000,
        });
        merge(&mut native, self.local.clone());
        let response = &self.response;
        native["enableXRatelimitHeaders"] = response["rateLimitHeaders"].clone();
        native["rateLimitedAsResourceExhausted"] = response["rateLimitedAsResourceExhausted"].clone();
        if let Some(status) = response["status"].as_u64() {
            native["status"] = json!({"code": status});
        }
        let headers = response["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(key, value)| {
            json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD", "keep_empty_value": true})
        });
        native["responseHeadersToAdd"] = headers.collect();
        native
    }
}

impl Judged {
    /// Each case is chosen by its number in the request header `case`.
    async fn new(envoy: &Envoy, cases: Vec<Case>) -> Result<Self> {
        Self::on(envoy, ListenerConfig::new(), json!({"route": {"cluster": "default"}}), cases).await
    }

    /// Each of them such a listener, with such a route.
    async fn on(envoy: &Envoy, listener: ListenerConfig, route: Value, cases: Vec<Case>) -> Result<Self> {
        let limits: Vec<Value> = cases.iter().enumerate().flat_map(|(number, case)| case.limits(number)).collect();
        let policy = json!({"rateLimits": limits});
        let routes = |has_native: bool| routes(&cases, &route, has_native);
        let mut ours = Vec::new();
        for name in [WHOLE, SLIM] {
            let listener = listener.clone().routes(routes(false)).module(module(name)?);
            ours.push(envoy.add_listener(listener.policy(policy.clone())).await?);
        }
        let theirs = envoy.add_listener(listener.clone().routes(routes(true)).filter_after(native_filter())).await?;
        let ours = ours.try_into().expect("there are two");
        Ok(Self { ours, theirs, cases })
    }

    /// A listener with Envoy's own for that case, which is number 0.
    async fn native_alone(envoy: &Envoy, case: &Case) -> Result<Listener> {
        let routes = routes(std::slice::from_ref(case), &json!({"route": {"cluster": "default"}}), true);
        envoy.add_listener(ListenerConfig::new().routes(routes).filter_after(native_filter())).await
    }

    fn listeners(&self) -> [&Listener; 3] {
        [&self.theirs, &self.ours[0], &self.ours[1]]
    }

    /// All show the same, for every case and every request.
    async fn same(&self) -> Result<()> {
        let mut different = Vec::new();
        for (number, case) in self.cases.iter().enumerate() {
            // A connection for all, so that a case's requests come one after the other in any case.
            let mut connections = Vec::new();
            for listener in self.listeners() {
                connections.push(Connection::open(listener.address(), true).await?);
            }
            for (place, request) in case.requests.iter().enumerate() {
                let request = request.clone().header("case", number.to_string());
                let mut shown = Vec::new();
                for connection in &mut connections {
                    shown.push(seen(&connection.send(request.clone()).await?));
                }
                if shown.iter().any(|other| *other != shown[0]) {
                    let [theirs, ours, slim] = &shown[..] else { panic!("there are three") };
                    let only = |of: &[String], in_none: &[String]| -> Vec<String> {
                        of.iter().filter(|line| !in_none.contains(line)).cloned().collect()
                    };
                    different.push(format!(
                        "request {place}: {request:?}\n{}\nEnvoy's alone: {:#?}\nours: {:#?}\nthe slim module's: {:#?}",
                        json!(case.limits(number)),
                        only(theirs, if theirs == ours { slim } else { ours }),
                        only(ours, theirs),
                        only(slim, theirs),
                    ));
                    break;
                }
            }
        }
        let some: Vec<&str> = different.iter().take(3).map(String::as_str).collect();
        assert!(different.is_empty(), "{} differ, such as\n{}", different.len(), some.join("\n"));
        Ok(())
    }
}

/// For each case a route.
fn routes(cases: &[Case], route: &Value, has_native: bool) -> Vec<Value> {
    let routes = cases.iter().enumerate().map(|(number, case)| {
        let chosen = json!([{"name": "case", "string_match": {"exact": number.to_string()}}]);
        let mut of_case = json!({"match": {"prefix": "/", "headers": chosen}});
        merge(&mut of_case, route.clone());
        if has_native {
            let own = json!({"envoy.filters.http.local_ratelimit": case.native()});
            merge(&mut of_case, json!({"typed_per_filter_config": own}));
        }
        of_case
    });
    routes.collect()
}

/// Which does nothing where no route says so.
fn native_filter() -> Value {
    json!({
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "native",
        },
    })
}

/// Everything that upstream and client see, but for what differs from one request to the next, and what only we have.
fn seen(answer: &Answer) -> Vec<String> {
    const VARIES: [&str; 4] = ["x-request-id", "x-envoy-upstream-service-time", "date", "retry-after"];
    envoy_test::seen(answer, |_, name, value| match name {
        // Each listener has its own.
        ":authority" => None,
        "x-ratelimit-reset" => Some(minutes(value)),
        _ => (!VARIES.contains(&name)).then(|| value.to_owned()),
    })
}

/// The listeners are not asked at the same moment, and all intervals here are of some minutes.
fn minutes(seconds: &str) -> String {
    seconds.parse::<u64>().map_or_else(|_| seconds.to_owned(), |seconds| format!("{} minutes", (seconds + 30) / 60))
}
