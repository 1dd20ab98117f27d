//! A filter with its configuration, the proxy around it, and a service that answers as it is told.

use pointsman_filter::{Answer, Destination, Filter as _, GrpcCall, LocalReply, Request, Response, Step, Wake};
use pointsman_host::{FakeHost, Node};
use pointsman_http::{HeaderMap, Write};
use pointsman_wire::{Cursor, Path, Report};
use prost::Message as _;
use serde_json::Value;

use crate::rls::tests::messages::{RateLimitRequest, RateLimitResponse};
use crate::{RateLimit, Stream};

pub struct Fixture {
    pub filter: RateLimit,
    pub host: FakeHost,
    /// What a service answers, call by call; without an answer it is out of reach.
    pub answers: Vec<RateLimitResponse>,
    /// What it was asked.
    pub asked: Vec<RateLimitRequest>,
    /// Where requests go.
    pub destination: Destination,
}

/// A request that has not ended.
pub struct Live {
    pub stream: Stream,
    pub request: Request,
    pub reply: Option<LocalReply>,
}

/// The filter, and what was said about its configuration.
pub fn configure(configuration: &Value) -> (Option<RateLimit>, Vec<String>, Vec<String>) {
    let tree = configuration.into();
    let report = std::cell::RefCell::new(Report::default());
    let at = Cursor::new(&tree, &Path::ROOT, &report);
    let filter = RateLimit::configure(at, pointsman_routes::read(at, &Node::default(), true).of_one());
    let report = report.into_inner();
    let text = |list: &[_]| list.iter().map(ToString::to_string).collect();
    let (errors, warnings) = (report.errors().iter().map(ToString::to_string).collect(), text(report.warnings()));
    (filter, errors, warnings)
}

impl Fixture {
    #[track_caller]
    pub fn new(configuration: &Value) -> Self {
        let (filter, errors, _) = configure(configuration);
        let filter = filter.unwrap_or_else(|| panic!("{configuration:#}\n{}", errors.join("\n")));
        let host = FakeHost { now: 1_000_000_000_000, random: [1, 2, 3, 4].into(), ..FakeHost::default() };
        Self { filter, host, answers: Vec::new(), asked: Vec::new(), destination: Destination::OfProxy }
    }

    /// `AUTHORITY/PATH[ | name: value]…` comes, and services answer until it goes on or is answered.
    pub fn begin(&mut self, request: &str) -> Live {
        let mut parts = request.split(" | ");
        let (authority, path) = parts.next().and_then(|url| url.split_once('/')).unwrap();
        let path = format!("/{path}");
        let own = parts.map(|line| line.split_once(": ").unwrap());
        let first = [(":method", "GET"), (":authority", authority), (":path", path.as_str())];
        let headers: Vec<(&str, &str)> = first.into_iter().chain(own).collect();
        let headers = HeaderMap::parse(HeaderMap::serialize(&headers)).unwrap();
        let mut request = if self.filter.needs_headers() { Request::new(headers) } else { Request::unread() };
        request.destination = self.destination.clone();
        let mut live = Live { stream: Stream::default(), request, reply: None };
        let mut wake = Wake::Arrived;
        loop {
            match self.filter.on_request(&mut live.stream, wake, &mut live.request, &mut self.host) {
                Step::Continue => return live,
                Step::Reply(reply) => {
                    live.reply = Some(reply);
                    return live;
                }
                Step::GrpcCall(call) => wake = Wake::Answered(self.answer(&call)),
                other => panic!("{other:?}"),
            }
        }
    }

    fn answer(&mut self, call: &GrpcCall) -> Answer {
        self.asked.push(RateLimitRequest::decode(call.message.as_slice()).unwrap());
        if self.answers.is_empty() {
            return Answer::Grpc { status: 14, message: Vec::new() };
        }
        Answer::Grpc { status: 0, message: self.answers.remove(0).encode_to_vec() }
    }

    /// Its response comes with those headers, `name: value`; what is written into it.
    pub fn respond(&mut self, live: &mut Live, headers: &[&str]) -> Vec<String> {
        if !self.filter.has_more(&live.stream) {
            return Vec::new();
        }
        let split = |line: &&str| line.split_once(": ").map(|(name, value)| (name.into(), value.into())).unwrap();
        self.host.response = headers.iter().map(split).collect();
        let mut response = Response::default();
        self.filter.on_response(&mut live.stream, &live.request, &mut response, &mut self.host);
        let mut written = Vec::new();
        response.edits.write(None, |write| written.push(shown(write)));
        written
    }

    /// It ends; what is called then.
    pub fn end(&mut self, live: &mut Live) -> Vec<RateLimitRequest> {
        if !self.filter.has_more(&live.stream) {
            return Vec::new();
        }
        let calls = self.filter.on_end(&mut live.stream, &mut self.host);
        assert!(!self.filter.has_more(&live.stream), "nothing is left to do");
        calls.iter().map(|call| RateLimitRequest::decode(call.message.as_slice()).unwrap()).collect()
    }

    /// What becomes of a request: `passes`, or `429 by LABEL`; then it ends.
    pub fn ask(&mut self, request: &str) -> String {
        let mut live = self.begin(request);
        self.respond(&mut live, &[]);
        self.end(&mut live);
        live.outcome()
    }

    /// The metric without its prefix; `{labels}` behind it, `key=value` each.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        let metric = pointsman_host::Metric::counter(&format!("pointsman_rate_limit_{name}"), labels);
        self.host.metrics.borrow().get(metric.name()).copied().unwrap_or_default()
    }
}

impl Live {
    pub fn outcome(&self) -> String {
        match &self.reply {
            None => "passes".into(),
            Some(reply) => {
                let who = reply.details.split_once('{').unwrap().1.trim_end_matches('}');
                format!("{} by {who}", reply.status)
            }
        }
    }

    /// The answer's headers, `name: value`.
    pub fn headers(&self) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = self.reply.iter().flat_map(|reply| &reply.headers);
        headers.map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
    }

    /// What is written into the request.
    pub fn written(&self) -> Vec<String> {
        let mut written = Vec::new();
        self.request.edits.write(self.request.known_headers(), |write| written.push(shown(write)));
        self.request.foreign.write(None, |write| written.push(shown(write)));
        written
    }
}

fn shown(write: Write<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match write {
        Write::Add(name, value) => format!("+{}: {}", text(name), text(value)),
        Write::Replace(name, value) => format!("{}: {}", text(name), text(value)),
        Write::Remove(name) => format!("-{}", text(name)),
    }
}
