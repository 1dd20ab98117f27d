//! Envoy's own fault filter as the judge: the same faults on a listener with it, as istiod tells it of them, on one with
//! the one pass, and on one with the slim module in its place. Whatever is asked, all three must show the same to
//! upstream and client.
//!
//! Three things no filter in Wasm can do, so they are not compared: the response flags (`FI` and `DI`, which Envoy lets
//! nobody else set) and what `%RESPONSE_FLAGS%` makes of them; and the details, which are ours, to name the rule.

mod answers;
mod operations;
mod protocols;
mod routes;

use anyhow::Result;
use envoy_test::{Answer, Connection, Envoy, Listener, ListenerConfig, Request, Test, module};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    [answers::tests(), operations::tests(), protocols::tests(), routes::tests()].concat()
}

/// A rule of a VirtualService, and the route of Envoy's that is the same but for the fault.
#[derive(Debug, Clone)]
struct Case {
    fault: Value,
    rule: Value,
    route: Value,
}

/// The listeners with the modules, and the one without.
struct Judged {
    ours: [Listener; 2],
    theirs: Listener,
    cases: Vec<Case>,
}

/// A fault that every request gets.
pub fn always(mut fault: Value) -> Value {
    for kind in fault.as_object_mut().unwrap().values_mut() {
        kind["percentage"] = json!({"value": 100});
    }
    fault
}

/// gRPC's statuses, by their numbers.
const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What istiod makes of a fault that every request gets.
fn translated(fault: &Value) -> Value {
    let all = json!({"numerator": 1_000_000, "denominator": "MILLION"});
    let mut native = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"});
    if let Some(delay) = fault["delay"]["fixedDelay"].as_str() {
        native["delay"] = json!({"fixed_delay": delay, "percentage": all});
    }
    if let Some(status) = fault["abort"]["httpStatus"].as_u64() {
        native["abort"] = json!({"http_status": status, "percentage": all});
    }
    if let Some(status) = fault["abort"]["grpcStatus"].as_str() {
        let number = GRPC_STATUSES.iter().position(|name| *name == status).unwrap();
        native["abort"] = json!({"grpc_status": number, "percentage": all});
    }
    native
}

impl Case {
    /// A rule that only sends to `default`.
    fn new(fault: Value) -> Self {
        Self::to("default", fault)
    }

    fn to(cluster: &str, fault: Value) -> Self {
        let rule = json!({"route": [{"destination": {"host": cluster}}]});
        Self { fault: always(fault), rule, route: json!({"route": {"cluster": cluster, "timeout": "0s"}}) }
    }

    /// With these fields of the rule, and what they are on Envoy's route.
    fn with(mut self, rule: Value, route: Value) -> Self {
        merge(&mut self.rule, rule);
        merge(&mut self.route, route);
        self
    }
}

/// Adds fields to an object, and to the objects in it.
fn merge(into: &mut Value, fields: Value) {
    match (into, fields) {
        (Value::Object(into), Value::Object(fields)) => {
            fields.into_iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (into, value) => *into = value,
    }
}

impl Judged {
    /// Each case is chosen by its number in the request header `case`.
    async fn new(envoy: &Envoy, cases: Vec<Case>) -> Result<Self> {
        Self::on(envoy, ListenerConfig::new(), cases).await
    }

    /// Each of them such a listener.
    async fn on(envoy: &Envoy, listener: ListenerConfig, cases: Vec<Case>) -> Result<Self> {
        let numbered = || cases.iter().enumerate().map(|(number, case)| (number.to_string(), case.clone()));
        let rules = numbered().map(|(number, Case { mut rule, fault, .. })| {
            rule["fault"] = fault;
            rule["match"] = json!([{"headers": {"case": {"exact": number}}}]);
            rule
        });
        // A VirtualService refuses a fault of a rule that answers by itself. Envoy would do it, and so would we.
        let (refused, rules): (Vec<Value>, Vec<Value>) = rules.partition(|rule| rule["route"].is_null());
        let faults = refused.iter().map(|rule| json!({"match": rule["match"], "fault": rule["fault"]}));
        let faults: Vec<Value> = faults.collect();
        let without = refused.into_iter().map(|mut rule| {
            rule["fault"] = Value::Null;
            rule
        });
        let rules: Vec<Value> = rules.into_iter().chain(without).collect();
        let policy = json!({"virtualServices": [{"hosts": ["*"], "http": rules}], "faults": faults});
        let routes = |has_fault: bool| {
            numbered().map(move |(number, Case { mut route, fault, .. })| {
                let chosen = json!([{"name": "case", "string_match": {"exact": number}}]);
                merge(&mut route, json!({"match": {"prefix": "/", "headers": chosen}}));
                if has_fault {
                    let fault = json!({"envoy.filters.http.fault": translated(&fault)});
                    merge(&mut route, json!({"typed_per_filter_config": fault}));
                }
                route
            })
        };
        let filter = |name: &str, kind: &str| {
            let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}");
            json!({"name": format!("envoy.filters.http.{name}"), "typed_config": {"@type": kind}})
        };
        let native = |has_fault: bool| {
            let listener = listener.clone().routes(routes(has_fault));
            // As istiod has them: CORS is behind the faults.
            let fault = has_fault.then(|| filter("fault", "fault.v3.HTTPFault"));
            fault.into_iter().fold(listener, ListenerConfig::filter_before).filter_after(filter("cors", "cors.v3.Cors"))
        };
        let slim = native(false).module(module("pointsman-fault-injection")?).policy(policy.clone());
        let whole = listener.clone().module(module("pointsman")?).policy(policy);
        let ours = [envoy.add_listener(whole).await?, envoy.add_listener(slim).await?];
        Ok(Self { ours, theirs: envoy.add_listener(native(true)).await?, cases })
    }

    fn listeners(&self) -> [&Listener; 3] {
        [&self.theirs, &self.ours[0], &self.ours[1]]
    }

    /// A request for [`same`](Self::same), which sends it to all.
    fn request(&self, method: &str) -> Request {
        self.theirs.request(method, "/path?query")
    }

    /// All show the same, for every case and every request, in both protocols.
    async fn same(&self, requests: &[Request]) -> Result<()> {
        let mut different = Vec::new();
        for http2 in [false, true] {
            for (number, case) in self.cases.iter().enumerate() {
                for request in requests {
                    let request = request.clone().header("case", number.to_string());
                    let mut shown = Vec::new();
                    for listener in self.listeners() {
                        let mut connection = Connection::open(listener.address(), http2).await?;
                        shown.push(seen(&connection.send(request.clone()).await?));
                    }
                    if shown.iter().any(|other| *other != shown[0]) {
                        different.push(format!(
                            "http2: {http2}, {request:?}\n{case:?}\nEnvoy's, ours, and the slim module's: {shown:#?}"
                        ));
                    }
                }
            }
        }
        let some: Vec<&str> = different.iter().take(3).map(String::as_str).collect();
        assert!(different.is_empty(), "{} differ, such as\n{}", different.len(), some.join("\n"));
        Ok(())
    }
}

/// Everything that upstream and client see, but for what differs from one request to the next.
fn seen(answer: &Answer) -> Vec<String> {
    // Our mirror's header stays in the request: where Envoy removes it, there is no mirror.
    const VARIES: [&str; 3] = ["x-request-id", "x-envoy-upstream-service-time", "x-pointsman-mirror"];
    envoy_test::seen(answer, |_, name, value| {
        let is_time = name == "date" && value.ends_with(" GMT");
        (!is_time && !VARIES.contains(&name)).then(|| value.to_owned())
    })
}
