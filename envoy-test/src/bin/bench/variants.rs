//! What is measured against what.

use anyhow::{Context as _, Result, anyhow, bail};
use envoy_test::{
    Connection, Envoy, Listener, ListenerConfig, Reply, Request, Upstream, UpstreamConfig, module, routes, test_module,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::limits::Limits;
use crate::rules::{END_USER, Kind, PATH, Rules};

/// The host that the requests ask for.
pub const HOST: &str = "reviews.example.com";

/// Where a request goes that no rule concerns.
pub const USER: &str = "user";
/// Where the last rule sends it.
pub const CHOSEN: &str = "chosen";

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
const CELL: &str = "bare, responses too: a cell";
const READ_AND_CELL: &str = "bare, responses too: read, a cell";
const READ_AND_SET: &str = "bare, responses too: read, a cell of 136 bytes";

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
    let all = |policy: Value| Ok(plain().module(module("pointsman")?).policy(policy));
    let row = |name, config| Variant { name, floor: None, config, chooses: false, named: false };
    let rules = |name, kind, count| row(name, ours(Rules(kind, count).policy(HOST))).above(READ_AND_WRITE).chooses();
    let own = |name, kind, count| row(name, Ok(plain().routes(Rules(kind, count).routes()))).chooses();

    // A fault for others, as an experiment is.
    let fault = json!({"delay": {"fixedDelay": "5s", "percentage": {"value": 100}}});
    let others = json!([{"headers": {"x-chaos": {"exact": "on"}}}]);
    let fault_injection =
        |faults: Value| Ok(plain().module(module("pointsman-fault-injection")?).policy(json!({"faults": faults})));

    let limited = |limits: Limits| Ok(plain().module(module("pointsman-rate-limit")?).policy(limits.policy()));
    let limits = |name, limits| row(name, limited(limits));
    let own_limits = |name, limits: Limits| row(name, Ok(plain().filter_before(limits.filter())));

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
        row(CELL, bare("bare-responses", "cell=16")),
        row(READ_AND_CELL, bare("bare-responses", "reads=1 cell=16")),
        row(READ_AND_SET, bare("bare-responses", "reads=1 cell=136")),
        row("no filter, the client names the cluster", Ok(plain())).named(),
        row("routing: no policy for the host", ours(Rules(Kind::Header, 20).policy("other.example.com"))).above(READ),
        rules("routing: one rule, 1 write", Kind::Header, 1),
        own("Envoy's own routes: last of 20 headers", Kind::Header, 20),
        rules("routing: last of 20 headers", Kind::Header, 20),
        own("Envoy's own routes: last of 10 paths", Kind::Path, 10),
        rules("routing: last of 10 paths", Kind::Path, 10),
        own("Envoy's own routes: last of 10,000 paths", Kind::Path, 10_000),
        rules("routing: last of 10,000 paths", Kind::Path, 10_000),
        own("Envoy's own routes: last of 1,000 header regexes", Kind::HeaderRegex, 1000),
        rules("routing: last of 1,000 header regexes", Kind::HeaderRegex, 1000),
        own("Envoy's own routes: last of 1,000 path regexes", Kind::PathRegex, 1000),
        rules("routing: last of 1,000 path regexes", Kind::PathRegex, 1000),
        row("Envoy's own fault filter: nothing injected", Ok(plain().filter_before(own_fault()))),
        row("fault injection: nothing injected", fault_injection(json!([{"match": others, "fault": fault}])))
            .above("bare: read"),
        own_limits("Envoy's own limits: one bucket", Limits::Everything),
        limits("rate limit: one bucket", Limits::Everything).above(CELL),
        own_limits("Envoy's own limits: one rule, a header", Limits::Rules(1)),
        limits("rate limit: one rule, a header", Limits::Rules(1)).above(READ_AND_CELL),
        own_limits("Envoy's own limits: last of 100 rules", Limits::Rules(100)),
        limits("rate limit: last of 100 rules", Limits::Rules(100)).above(READ_AND_CELL),
        own_limits("Envoy's own limits: last of 100 values", Limits::Values(100)),
        limits("rate limit: last of 100 values", Limits::Values(100)).above(READ_AND_CELL),
        own_limits("Envoy's own limits: a bucket for each value", Limits::EachValue),
        limits("rate limit: a bucket for each value", Limits::EachValue).above(READ_AND_SET),
        row("all filters: no policy for the host", all(Rules(Kind::Header, 20).policy("other.example.com")))
            .above(READ),
        row("all filters: one rule, 1 write", all(Rules(Kind::Header, 1).policy(HOST))).above(READ_AND_WRITE).chooses(),
        row("all filters: one limit, one bucket", all(Limits::Everything.policy())),
    ]
}

/// Envoy's fault filter with the same.
fn own_fault() -> Value {
    json!({
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "headers": [{"name": "x-chaos", "string_match": {"exact": "on"}}],
            "delay": {"fixed_delay": "5s", "percentage": {"numerator": 100}},
        },
    })
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
        .get(&format!("{PATH}?sort=newest"))
        .host(HOST)
        .header("user-agent", "bench/1.0")
        .header("accept", "application/json")
        .header("accept-language", "en-US,en;q=0.9")
        .header("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl")
        .header("cookie", "session=0123456789abcdef; theme=dark")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("end-user", END_USER)
}
