//! What is measured against what.

use anyhow::{Context as _, Result, anyhow, bail};
use envoy_test::{
    Connection, Envoy, Listener, ListenerConfig, Reply, Request, Upstream, UpstreamConfig, module, routes, test_module,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The rules of a policy; the last one matches.
const RULES: usize = 20;
/// The host that the requests ask for.
const HOST: &str = "reviews.example.com";

/// Where a request goes that no rule concerns.
const USER: &str = "user";
/// Where the last rule sends it.
const CHOSEN: &str = "chosen";

/// The services behind Envoy.
pub struct Upstreams {
    _running: [Upstream; 2],
}

impl Upstreams {
    /// Each answers with its name alone, so that all answers cost the same.
    pub async fn start(envoy: &Envoy) -> Result<Self> {
        let start = async |name: &str| -> Result<Upstream> {
            let upstream = envoy.add_upstream(UpstreamConfig::new(name).exact_name()).await?;
            upstream.script([Reply::status(200).body(name.to_owned())]);
            Ok(upstream)
        };
        Ok(Self { _running: [start(USER).await?, start(CHOSEN).await?] })
    }
}

/// One row of the table.
pub struct Variant {
    pub name: &'static str,
    /// The bare module that makes the same host calls, by its row's name.
    pub floor: Option<&'static str>,
    config: Result<ListenerConfig>,
    /// Whether it shall choose the upstream, or leave the request alone.
    chooses: bool,
    /// The client names the cluster: what the route costs that goes with the filter.
    named: bool,
}

/// The row that the others' costs are counted above.
pub const NOTHING: &str = "no filter";
/// The row whose cost is the unit.
pub const UNIT: &str = "no-op, SDK";

/// The rows that ours are compared with: the same callbacks and host calls.
const READ: &str = "bare, responses too: read";
const READ_AND_WRITE: &str = "bare, responses too: read, 1 write";

/// All of them, in the order of the table.
pub fn all() -> Vec<Variant> {
    let plain = || {
        ListenerConfig::new()
            .routes(routes::usual(USER))
            // The same for all, so it would only blur the differences.
            .manager(json!({"access_log": null}))
    };
    let test = |module: &str, policy: &str| Ok(plain().module(test_module(module)?).policy(policy));
    let bare = |module: &str, calls: &str| test(module, &format!("{calls} cluster={CHOSEN}"));
    let ours = |policy: Value| Ok(plain().module(module("pointsman-routing")?).policy(policy));
    let row = |name, config| Variant { name, floor: None, config, chooses: false, named: false };

    vec![
        row(NOTHING, Ok(plain())),
        row(UNIT, test("no-op", "")),
        row("no-op, SDK stripped", test("no-op-stripped", "")),
        row("bare: request callback alone", bare("bare", "")),
        row("bare: read", bare("bare", "reads=1")),
        row("bare: read, 1 write", bare("bare", "reads=1 writes=1")).chooses(),
        row("bare, responses too", bare("bare-responses", "")),
        row(READ, bare("bare-responses", "reads=1")),
        row(READ_AND_WRITE, bare("bare-responses", "reads=1 writes=1")).chooses(),
        row("no filter, the client names the cluster", Ok(plain())).named(),
        row("Envoy's own routes: last of 20", Ok(plain().routes(own_routes()))).chooses(),
        row("routing: no policy for the host", ours(policy("other.example.com", 0))).above(READ),
        row("routing: one rule, 1 write", ours(policy(HOST, RULES - 1))).above(READ_AND_WRITE).chooses(),
        row("routing: last of 20 rules, 1 write", ours(policy(HOST, 0))).above(READ_AND_WRITE).chooses(),
    ]
}

impl Variant {
    fn chooses(mut self) -> Self {
        self.chooses = true;
        self
    }

    fn named(mut self) -> Self {
        self.named = true;
        self.chooses()
    }

    fn above(mut self, floor: &'static str) -> Self {
        self.floor = Some(floor);
        self
    }

    /// Brings it up, with so many connections, and sees that it answers rightly.
    pub async fn start(&self, envoy: &Envoy, connections: usize) -> Result<Running> {
        let config = self.config.as_ref().map_err(|error| anyhow!("{error:#}"))?;
        let listener = envoy.add_listener(config.clone()).await?;
        let mut request = request(&listener);
        if self.named {
            request = request.header("x-pointsman-cluster", CHOSEN);
        }
        let expected = if self.chooses { CHOSEN } else { USER };
        let mut running = Running { request, expected, connections: Vec::new(), listener };
        for _ in 0..connections {
            running.connections.push(running.listener.connect().await?);
        }
        running.send(connections).await?;
        Ok(running)
    }
}

/// A variant that serves.
pub struct Running {
    request: Request,
    expected: &'static str,
    connections: Vec<Connection>,
    listener: Listener,
}

impl Running {
    /// Sends so many requests, on each connection one after the other; an answer that is not the right one is an error.
    pub async fn send(&mut self, requests: usize) -> Result<()> {
        let each = requests / self.connections.len();
        let mut tasks = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let (request, expected) = (self.request.clone(), self.expected);
            tasks.spawn(async move {
                for _ in 0..each {
                    let answer = connection.send(request.clone()).await.context("no answer")?;
                    if answer.status != 200 || answer.body != expected {
                        bail!("expected {expected:?}, got {} {:?}", answer.status, answer.text());
                    }
                }
                Ok(connection)
            });
        }
        while let Some(connection) = tasks.join_next().await {
            self.connections.push(connection??);
        }
        Ok(())
    }
}

/// A request with the headers that one in a mesh has. It is the same for every variant.
fn request(listener: &Listener) -> Request {
    listener
        .get("/api/v1/reviews/1234?sort=newest")
        .host(HOST)
        .header("user-agent", "bench/1.0")
        .header("accept", "application/json")
        .header("accept-language", "en-US,en;q=0.9")
        .header("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl")
        .header("cookie", "session=0123456789abcdef; theme=dark")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("end-user", end_user(RULES - 1))
}

fn end_user(rule: usize) -> String {
    format!("user-{rule}")
}

/// Only the last rule is right: one that takes another is found out.
fn destination(rule: usize) -> &'static str {
    if rule + 1 == RULES { CHOSEN } else { USER }
}

/// The rules from that one on.
fn policy(host: &str, first: usize) -> Value {
    let rule = |rule| {
        json!({
            "match": [{"headers": {"end-user": {"exact": end_user(rule)}}}],
            "route": [{"destination": {"host": destination(rule)}}],
        })
    };
    json!({"virtualServices": [{"hosts": [host], "http": (first..RULES).map(rule).collect::<Vec<_>>()}]})
}

/// The same rules as routes of Envoy, each with what ours has besides.
fn own_routes() -> Vec<Value> {
    let rule = |rule| {
        let mut route = routes::routed();
        route["name"] = json!(format!("rule-{rule}"));
        route["match"]["headers"] = json!([{"name": "end-user", "string_match": {"exact": end_user(rule)}}]);
        if let Some(action) = route["route"].as_object_mut() {
            action.remove("cluster_header");
            action.insert("cluster".to_owned(), json!(destination(rule)));
        }
        route
    };
    (0..RULES).map(rule).chain([routes::catch_all(USER)]).collect()
}
