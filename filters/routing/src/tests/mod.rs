//! The semantics of Istio's VirtualService, as tables: a policy, and what becomes of requests under it.

mod claims;
mod destinations;
mod gateways;
mod headers;
mod hosts;
mod local_replies;
mod messages;
mod mutations;
mod properties;
mod rules;
mod selection;
mod steering;

use pointsman_filter::{Filter as _, Request, Response, Step, Wake};
use pointsman_host::{FakeHost, Node};
use pointsman_http::{Edits, HeaderMap, Write};
use serde_json::{Value, json};

use crate::Routing;
use crate::config::HttpRoute;

/// A filter with its policy, and the proxy around it.
struct Fixture {
    routing: Routing,
    host: FakeHost,
}

type Lines = Vec<(String, String)>;

impl Fixture {
    /// In an Envoy without an Istio.
    fn new(configuration: &Value) -> Self {
        Self::at(configuration, &Node::default())
    }

    fn at(configuration: &Value, node: &Node) -> Self {
        let (routing, errors, _) = configure(configuration, node);
        let routing = routing.unwrap_or_else(|| panic!("{configuration:#}\n{}", errors.join("\n")));
        Self { routing, host: FakeHost::default() }
    }

    /// Clients connect to this port.
    fn port(mut self, port: i64) -> Self {
        self.host.properties.insert("destination.port".into(), port.to_le_bytes().into());
        self
    }

    /// What becomes of each request; see [`ask`](Self::ask).
    #[track_caller]
    fn check(mut self, table: &[(&str, &str)]) {
        for (request, expected) in table {
            assert_eq!(&self.ask(request), expected, "{request}");
        }
    }

    /// What becomes of a request `[METHOD ]AUTHORITY/PATH[ | name: value]…`, as text: the cluster that Envoy is told
    /// (or `passes`, or the status of our own answer with its details), then each header that is no longer what the
    /// client sent: `name: line, line` or `-name`; then, behind `=>`, the same for the response.
    fn ask(&mut self, request: &str) -> String {
        let before = lines(request);
        let mut request = Request::new(map(&before));
        request.hide(|name, headers| self.routing.steers(name, headers));
        let mut stream = Default::default();
        let step = self.routing.on_request(&mut stream, Wake::Arrived, &mut request, &mut self.host);
        let mut outcome = match request.answer.take().map_or(step, Step::Reply) {
            Step::Continue => {
                let mut after = written(&request.edits, Some(request.headers()), before.clone());
                let told: Vec<_> = after.extract_if(.., |(name, _)| name == "x-pointsman-cluster").collect();
                let told: Vec<_> = told.into_iter().map(|(_, cluster)| cluster).collect();
                let told = if told.is_empty() { "passes".into() } else { told.join(" AND ") };
                told + &differences(&before, &after)
            }
            Step::Reply(reply) => format!("{} {}", reply.status, reply.details),
            step => panic!("{step:?}"),
        };
        let mut response = Response::default();
        if self.routing.has_more(&stream) {
            self.routing.on_response(&mut stream, &request, &mut response, &mut self.host);
        }
        let before = vec![(":status".into(), "200".into()), ("x-upstream".into(), "1".into())];
        let response = differences(&before, &written(&response.edits, None, before.clone()));
        if !response.is_empty() {
            outcome += &format!(" =>{}", &response[1..]);
        }
        outcome
    }
}

/// The filter of a configuration, or what is wrong with it; and what in it has no effect.
fn configure(configuration: &Value, node: &Node) -> (Option<Routing>, Vec<String>, Vec<String>) {
    let report = Default::default();
    let configuration = configuration.into();
    let at = pointsman_wire::Cursor::new(&configuration, &pointsman_wire::Path::ROOT, &report);
    let routing = Routing::configure(at, pointsman_routes::read::<(HttpRoute,)>(at, node, true).of_one());
    let report = report.into_inner();
    let texts = |problems: &[pointsman_wire::Problem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(routing.is_some(), report.errors().is_empty(), "{configuration:#} {report:?}");
    (routing, texts(report.errors()), texts(report.warnings()))
}

fn lines(request: &str) -> Lines {
    let mut parts = request.split(" | ");
    let line = parts.next().unwrap();
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (authority, path) = target.split_at(target.find('/').unwrap());
    let mut lines: Lines = vec![
        (":authority".into(), authority.into()),
        (":method".into(), method.into()),
        (":path".into(), path.into()),
        (":scheme".into(), "http".into()),
    ];
    for part in parts {
        let (name, value) = part[1..].split_once(": ").unwrap();
        let name = format!("{}{name}", &part[..1]);
        lines.retain(|(other, _)| !name.starts_with(':') || *other != name);
        lines.push((name, value.into()));
    }
    lines
}

/// As Envoy hands it over: latin-1, so that any byte can stand in a test's text.
fn map(lines: &Lines) -> HeaderMap {
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<_>>();
    let lines: Vec<_> = lines.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
    HeaderMap::parse(HeaderMap::serialize(&lines)).unwrap()
}

/// The lines when the proxy has done what the edits say.
fn written(edits: &Edits, map: Option<&HeaderMap>, mut lines: Lines) -> Lines {
    let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    edits.write(map, |write| match write {
        Write::Add(name, value) => lines.push((text(name), text(value))),
        Write::Remove(name) => lines.retain(|(other, _)| *other != text(name)),
        Write::Replace(name, value) => {
            lines.retain(|(other, _)| *other != text(name));
            lines.push((text(name), text(value)));
        }
    });
    lines
}

fn differences(before: &Lines, after: &Lines) -> String {
    let names: std::collections::BTreeSet<_> = before.iter().chain(after).map(|(name, _)| name.as_str()).collect();
    let of = |lines: &Lines, name: &str| {
        let values = lines.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone());
        values.collect::<Vec<_>>()
    };
    let mut text = String::new();
    for name in names.into_iter().filter(|name| *name != "x-pointsman-cluster") {
        match of(after, name) {
            values if values == of(before, name) => {}
            values if values.is_empty() => text += &format!("; -{name}"),
            values => text += &format!("; {name}: {}", values.join(", ")),
        }
    }
    text
}

/// One destination, as the field `route` has it.
fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

/// One VirtualService, `vs`, with these rules for all hosts.
fn rules(rules: Value) -> Value {
    json!({"virtualServices": [{"name": "vs", "hosts": ["*"], "http": rules}]})
}

/// A rule with that condition, to `yes`; behind it one for all else, to `no`.
fn yes_or_no(condition: Value) -> Value {
    rules(json!([{"match": [condition], "route": to("yes")}, {"route": to("no")}]))
}

/// Which requests fulfil the condition, and which do not.
#[track_caller]
fn decides(condition: Value, yes: &[&str], no: &[&str]) {
    let mut fixture = Fixture::new(&yes_or_no(condition.clone()));
    for (requests, expected) in [(yes, "yes"), (no, "no")] {
        for request in requests {
            assert_eq!(fixture.ask(request), expected, "{request} with {condition}");
        }
    }
}

fn sidecar() -> Node {
    Node::from_id("sidecar~10.0.0.1~web.shop~shop.svc.cluster.local")
}

fn gateway() -> Node {
    Node::from_id("router~10.0.0.1~edge.ingress~ingress.svc.cluster.local")
}
