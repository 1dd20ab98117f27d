//! Faults as tables: a configuration, and what becomes of requests under it.

mod by_header;
mod contended;
mod contention;
mod draws;
mod ends;
mod entries;
mod messages;
mod mutations;
mod outcomes;
mod rules;
mod scopes;

use std::collections::VecDeque;
use std::time::Duration;

use pointsman_filter::{Filter as _, Request, Response, Step, Wake};
use pointsman_host::{FakeHost, Node};
use pointsman_http::{Edits, HeaderMap, Write};
use serde_json::{Value, json};

use crate::config::RuleFault;
use crate::{FaultInjection, Stream};

/// A filter with its configuration, and the proxy around it, whose clocks stand still but while a request waits.
struct Fixture {
    filter: FaultInjection<true>,
    host: FakeHost,
}

/// A request that has not ended.
struct Live {
    stream: Stream,
    request: Request,
    before: Lines,
    said: Vec<String>,
    /// It waits for that long.
    delay: Option<Duration>,
}

type Lines = Vec<(String, String)>;

impl Fixture {
    /// In an Envoy without an Istio.
    #[track_caller]
    fn new(configuration: &Value) -> Self {
        Self::at(configuration, &Node::default())
    }

    #[track_caller]
    fn at(configuration: &Value, node: &Node) -> Self {
        let (filter, errors, warnings) = configure::<true>(configuration, node);
        assert_eq!(warnings, [""; 0], "{configuration:#}");
        let filter = filter.unwrap_or_else(|| panic!("{configuration:#}\n{}", errors.join("\n")));
        Self { filter, host: FakeHost::default() }
    }

    /// What becomes of each request; see [`ask`](Self::ask).
    #[track_caller]
    fn check(mut self, table: &[(&str, &str)]) {
        for (request, expected) in table {
            assert_eq!(&self.ask(request), expected, "{request}");
        }
    }

    /// What becomes of a request `AUTHORITY/PATH[ | name: value]…` from its beginning to its end, as text: `delay 5ms`,
    /// `slow 64 KiB/s`, `503 by LABEL`, `200 grpc 14 by LABEL`, and `-name` for each header that the upstream does not
    /// get; `passes`, if it is nothing of all this. Behind `=>`: what the response says of it.
    fn ask(&mut self, request: &str) -> String {
        let mut live = self.begin(request);
        while live.delay.is_some() {
            self.wait(&mut live);
        }
        self.respond(&mut live);
        self.end(live)
    }

    /// The same with those random numbers. There is one for each draw, no more and no less.
    #[track_caller]
    fn draw(&mut self, numbers: &[u64], request: &str) -> String {
        // One that is drawn too many would be the last number.
        const LAST: u64 = u64::MAX;
        self.host.random = numbers.iter().copied().chain([LAST]).collect();
        let outcome = self.ask(request);
        assert_eq!(std::mem::take(&mut self.host.random), VecDeque::from([LAST]), "{numbers:?}: {outcome}");
        outcome
    }

    /// The request comes.
    fn begin(&mut self, request: &str) -> Live {
        let before = lines(request);
        let mut request = Request::new(map(&before));
        request.hide(|name, headers| self.filter.steers(name, headers));
        let mut live = Live { stream: Stream::default(), request, before, said: Vec::new(), delay: None };
        self.step(&mut live, Wake::Arrived);
        live
    }

    /// Its delay passes.
    fn wait(&mut self, live: &mut Live) {
        let delay = u64::try_from(live.delay.take().unwrap().as_nanos()).unwrap();
        (self.host.now, self.host.wall) = (self.host.now + delay, self.host.wall + delay);
        self.step(live, Wake::Delayed);
    }

    fn step(&mut self, live: &mut Live, wake: Wake) {
        match self.filter.on_request(&mut live.stream, wake, &mut live.request, &mut self.host) {
            Step::Continue => {
                if let Some(limit) = live.stream.throughput {
                    live.said.push(format!("slow {} KiB/s", limit.0));
                }
                let after = written(&live.request.edits, Some(live.request.headers()), live.before.clone());
                let gone = live.before.iter().filter(|line| !after.contains(line));
                live.said.extend(gone.map(|(name, _)| format!("-{name}")));
                assert!(after.iter().all(|line| live.before.contains(line)), "{after:?}");
            }
            Step::Delay(delay) => {
                live.said.push(format!("delay {}ms", delay.as_millis()));
                live.delay = Some(delay);
            }
            Step::Reply(reply) => {
                let grpc = reply.grpc_status.map(|status| format!(" grpc {status}")).unwrap_or_default();
                let details = reply.details.strip_prefix("pointsman_fault_abort{").unwrap().strip_suffix('}').unwrap();
                live.said.push(format!("{}{grpc} by {details}", reply.status));
            }
            step => panic!("{step:?}"),
        }
    }

    /// The response's headers come, of which the filter is told if it has more to do.
    fn respond(&mut self, live: &mut Live) {
        let mut response = Response::default();
        let is_slow = live.stream.throughput.is_some();
        if self.filter.has_more(&live.stream) {
            self.filter.on_response(&mut live.stream, &live.request, &mut response, &mut self.host);
        }
        assert_eq!(self.filter.wants_body(&live.stream), is_slow);
        let before = vec![("x-upstream".into(), "1".into()), ("x-fault".into(), "the upstream's".into())];
        let after = written(&response.edits, None, before.clone());
        let new = after.iter().filter(|line| !before.contains(line));
        let new: Vec<_> = new.map(|(name, value)| format!("{name}: {value}")).collect();
        if !new.is_empty() {
            live.said.push(format!("=> {}", new.join(", ")));
        }
    }

    /// It ends.
    fn end(&mut self, mut live: Live) -> String {
        if self.filter.has_more(&live.stream) {
            self.filter.on_end(&mut live.stream, &mut self.host);
        }
        assert!(!self.filter.has_more(&live.stream));
        if live.said.is_empty() { "passes".into() } else { live.said.join("; ") }
    }

    /// All that is not 0, as `LABEL[ CAP] NAME N` without what all names begin with, in alphabetical order.
    fn metrics(&self) -> String {
        let metrics = self.host.metrics.borrow();
        let metrics = metrics.iter().filter(|(_, value)| **value != 0).map(|(name, value)| {
            let name = name.replace("rule=.=", "").replace("cap=.=", "").replace(";.;", " ");
            format!("{} {value}", name.replace("pointsman_fault_", ""))
        });
        let mut metrics: Vec<_> = metrics.collect();
        metrics.sort();
        metrics.join(", ")
    }
}

/// The filter of a configuration, or what is wrong with it; and what in it has no effect.
fn configure<const RESPONSES: bool>(
    configuration: &Value,
    node: &Node,
) -> (Option<FaultInjection<RESPONSES>>, Vec<String>, Vec<String>) {
    let report = Default::default();
    let configuration = configuration.into();
    let at = pointsman_wire::Cursor::new(&configuration, &pointsman_wire::Path::ROOT, &report);
    let filter = FaultInjection::configure(at, pointsman_routes::read::<(RuleFault,)>(at, node, true).of_one());
    let report = report.into_inner();
    let texts = |problems: &[pointsman_wire::Problem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(filter.is_some(), report.errors().is_empty(), "{configuration:?} {report:?}");
    (filter, texts(report.errors()), texts(report.warnings()))
}

fn lines(request: &str) -> Lines {
    let mut parts = request.split(" | ");
    let (authority, path) = parts.next().unwrap().split_once('/').unwrap();
    let line = [(":authority", authority.to_owned()), (":method", "GET".into()), (":path", format!("/{path}"))];
    let line = line.map(|(name, value)| (name.to_owned(), value));
    let others = parts.map(|part| part.split_once(": ").unwrap());
    line.into_iter().chain(others.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

fn map(lines: &Lines) -> HeaderMap {
    HeaderMap::parse(HeaderMap::serialize(lines)).unwrap()
}

/// The lines when the proxy has done what the edits say.
fn written(edits: &Edits, map: Option<&HeaderMap>, mut lines: Lines) -> Lines {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
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

/// So many percent of requests wait 5 ms.
fn delay(percent: impl Into<Value>) -> Value {
    json!({"delay": {"fixedDelay": "5ms", "percentage": {"value": percent.into()}}})
}

/// So many percent of requests fail with that status.
fn abort(status: u32, percent: impl Into<Value>) -> Value {
    json!({"abort": {"httpStatus": status, "percentage": {"value": percent.into()}}})
}

/// So many percent of responses come with 64 KiB a second.
fn slow(percent: impl Into<Value>) -> Value {
    json!({"throughput": {"limitKbps": 64, "percentage": {"value": percent.into()}}})
}

/// The first, with all fields of the second.
fn with(mut first: Value, second: &Value) -> Value {
    for (name, value) in second.as_object().unwrap() {
        first[name] = value.clone();
    }
    first
}

/// Those entries, and that section.
fn faults(entries: Value, section: Value) -> Value {
    json!({"faults": entries, "faultInjection": section})
}

/// One VirtualService, `vs`, with these rules for all hosts.
fn rules(rules: Value) -> Value {
    json!({"virtualServices": [{"name": "vs", "hosts": ["*"], "http": rules}]})
}
