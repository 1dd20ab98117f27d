//! Envoy's own routes as the judge of the module: the same rules on a listener with it, and, as istiod says them to
//! Envoy, on one without. Whatever is asked, both must show the same to upstream and client.

mod cors;
mod formats;
mod redirects;
mod rewrites;

use anyhow::Result;
use envoy_test::{Answer, Connection, Envoy, Listener, ListenerConfig, Request, Test, module};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    [cors::tests(), formats::tests(), redirects::tests(), rewrites::tests()].concat()
}

/// A rule of VirtualService, and the route of Envoy's that is the same. Their conditions, if any, are about the path alone;
/// the rule's are one entry.
#[derive(Debug, Clone)]
struct Case {
    rule: Value,
    route: Value,
}

/// The listener with the module, and the one without.
struct Pair {
    ours: Listener,
    theirs: Listener,
    cases: Vec<Case>,
}

impl Case {
    fn new(rule: Value, route: Value) -> Self {
        Self { rule, route }
    }

    /// With header operations of the rule: one level.
    fn with_headers(mut self, headers: &Value) -> Self {
        self.rule["headers"] = headers.clone();
        add(&mut self.route, operations(&[headers]));
        self
    }
}

impl Pair {
    /// Both listeners. Each case is chosen by its number in the request header `case`.
    async fn new(envoy: &Envoy, cases: Vec<Case>) -> Result<Self> {
        Self::on(envoy, ListenerConfig::new(), cases).await
    }

    /// Both, each of them such a listener.
    async fn on(envoy: &Envoy, listener: ListenerConfig, cases: Vec<Case>) -> Result<Self> {
        let numbered = || cases.iter().enumerate().map(|(number, case)| (number.to_string(), case.clone()));
        let rules: Vec<Value> = numbered()
            .map(|(number, Case { mut rule, .. })| {
                rule["match"]["headers"] = json!({"case": {"exact": number}});
                rule["match"] = json!([rule["match"]]);
                rule
            })
            .collect();
        let routes = numbered().map(|(number, Case { mut route, .. })| {
            if route["match"].is_null() {
                route["match"] = json!({"prefix": "/"});
            }
            route["match"]["headers"] = json!([{"name": "case", "string_match": {"exact": number}}]);
            route
        });
        let policy = json!({"virtualServices": [{"hosts": ["*"], "http": rules}]});
        let log =
            json!({"original": "%REQ(X-ENVOY-ORIGINAL-PATH)%", "host": "%REQ(:AUTHORITY)%", "case": "%REQ(CASE)%"});
        let listener = listener.access_log(log);
        let cors = json!({
            "name": "envoy.filters.http.cors",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"},
        });
        let native = listener.clone().routes(routes).filter_after(cors);
        let native = native.manager(json!({"route_config": {"validate_clusters": false}}));
        Ok(Self {
            ours: envoy.add_listener(listener.module(module("pointsman-routing")?).policy(policy)).await?,
            theirs: envoy.add_listener(native).await?,
            cases,
        })
    }

    /// A request for [`same`](Self::same), which sends it to both.
    fn get(&self, path: &str) -> Request {
        self.ours.get(path)
    }

    /// Both show the same, for every case and every request, in both protocols.
    async fn same(&self, requests: &[Request]) -> Result<()> {
        let mut different = Vec::new();
        for http2 in [false, true] {
            for (number, case) in self.cases.iter().enumerate() {
                for request in requests {
                    let request = request.clone().header("case", number.to_string());
                    let mut shown = Vec::new();
                    for listener in [&self.ours, &self.theirs] {
                        let mut connection = Connection::open(listener.address(), http2).await?;
                        shown.push(seen(&connection.send(request.clone()).await?, listener));
                    }
                    if shown[0] != shown[1] {
                        different.push(format!("{request:?}\n{case:?}\nours and Envoy's: {shown:#?}"));
                    }
                }
            }
        }
        let some: Vec<&str> = different.iter().take(3).map(String::as_str).collect();
        assert!(different.is_empty(), "{} differ, such as\n{}", different.len(), some.join("\n"));
        Ok(())
    }

    /// After [`same`](Self::same) with these requests: both access logs say the same about path and host.
    async fn same_log(&self, requests: &[Request]) -> Result<()> {
        let mut logs = Vec::new();
        for listener in [&self.ours, &self.theirs] {
            let log = listener.access_log(2 * self.cases.len() * requests.len()).await?;
            let said = |line: &Value| ["case", "code", "path", "original", "host"].map(|field| line[field].to_string());
            let mut lines: Vec<_> = log.iter().map(said).collect();
            // Workers may log in another order than that of the requests.
            lines.sort();
            logs.push(lines);
        }
        for (ours, theirs) in logs[0].iter().zip(&logs[1]) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(logs[0].len(), logs[1].len());
        Ok(())
    }
}

/// What istiod makes of levels of HeaderOperations that are to be one: removals, then what is set, then what is added.
fn operations(levels: &[&Value]) -> Value {
    let mut fields = json!({});
    for side in ["request", "response"] {
        let removed = levels.iter().filter_map(|level| level[side]["remove"].as_array()).flatten();
        fields[format!("{side}_headers_to_remove")] = removed.cloned().collect();
        let put = |operation: &str, action: &str| -> Vec<Value> {
            let all = levels.iter().filter_map(|level| level[side][operation].as_object()).flatten();
            all.map(|(key, value)| json!({"header": {"key": key, "value": value}, "append_action": action})).collect()
        };
        let put = [put("set", "OVERWRITE_IF_EXISTS_OR_ADD"), put("add", "APPEND_IF_EXISTS_OR_ADD")];
        fields[format!("{side}_headers_to_add")] = put.concat().into();
    }
    fields
}

/// Adds fields to an object.
fn add(object: &mut Value, fields: Value) {
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
}

/// Everything that upstream and client see, but for what differs from one request to the next.
fn seen(answer: &Answer, listener: &Listener) -> Vec<String> {
    let mut lines = vec![answer.status.to_string()];
    let port = format!(":{}", listener.address().port());
    let mut note = |side: &str, name: &str, value: &str| {
        if !["date", "content-length", "x-request-id", "x-envoy-upstream-service-time"].contains(&name) {
            lines.push(format!("{side} {name}: {}", value.replace(&port, ":LISTENER")));
        }
    };
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(echo) if echo["service"].is_string() => {
            let echo = answer.echo();
            note("request", ":path", &echo.path);
            note("request", ":authority", &echo.authority);
            note("request", ":to", &echo.service);
            echo.headers.iter().for_each(|(name, value)| note("request", name, value));
        }
        _ => note("response", ":body", &answer.text()),
    }
    for name in answer.headers.keys() {
        answer.header_lines(name.as_str()).iter().for_each(|value| note("response", name.as_str(), value));
    }
    // The order of different names says nothing, that of one name's lines does.
    lines.sort_by(|a, b| a.split(": ").next().cmp(&b.split(": ").next()));
    lines
}
