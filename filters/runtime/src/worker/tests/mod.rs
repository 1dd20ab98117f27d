//! The pass over each request, without an Envoy: in front of it stands a proxy that counts its calls, holds the clock,
//! and panics where a real one would be misused.

mod bodies;
mod calls;
mod ends;
mod fake_proxy;
mod sequences;
mod waits;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use pointsman_filter::{Answer, Body, Filter, GrpcCall, HttpCall, LocalReply, Request, Response, Step, Uses, Wake};
use pointsman_host::cells::{Cell, Changed};
use pointsman_host::{Host, Metric};
use pointsman_http::{HeaderMap, Write};
use pointsman_routes::Policy;
use pointsman_wire::Cursor;

use fake_proxy::{FakeProxy, FakeStream, State};

use super::{Call, Flow, Outcome, Worker};
use crate::abi::{Buffer, Level, Map, Status};
use crate::proxy::Proxy;

const ROOT: u32 = 1;
const MILLISECOND: u64 = 1_000_000;

/// A filter that does what the request's header `x-N` says, word by word: `d5` waits 5 ms, `h` and `g` ask over HTTP and
/// gRPC, `r` answers with 403, `k` goes on and keeps the stream for the response, `b5` holds each part of its
/// body back for 5 ms, `t` calls at its end the cluster that its trailer `x-tell` names, `e`, before another word, keeps it until its end. Each time that it is called, it adds a
/// line to the request's header `story`.
struct Scripted<const N: usize> {
    generation: u32,
}

type Filters = (Scripted<0>, Scripted<1>);

fn filters(generation: u32) -> Filters {
    (Scripted { generation }, Scripted { generation })
}

#[derive(Default)]
struct Stream {
    position: usize,
    keeps: bool,
    /// Until its end.
    holds: bool,
    /// Each part of its body is held back for so long.
    slow: Option<u64>,
    until: u64,
    /// At its end it calls the cluster that a trailer names.
    tells: bool,
    trailer: Option<String>,
}

impl<const N: usize> Filter for Scripted<N> {
    const NAME: &'static str = "scripted";
    const SECTIONS: &'static [&'static str] = &[];
    const USES: Uses = Uses {
        response: true,
        response_body: true,
        response_trailers: true,
        delay: true,
        http_call: true,
        grpc_call: true,
        beat: true,
    };
    type Rule = ();
    type Stream = Stream;

    fn configure(_: Cursor<'_>, _: Policy<()>) -> Option<Self> {
        Some(Self { generation: 0 })
    }

    fn steers(&self, name: &[u8], _: &HeaderMap) -> bool {
        name == b"steering"
    }

    fn on_request(&self, stream: &mut Stream, wake: Wake, request: &mut Request, _: &mut dyn Host) -> Step {
        let woken = match wake {
            Wake::Arrived => "arrived".into(),
            Wake::Delayed => "delayed".into(),
            Wake::Answered(Answer::Failed) => "failed".into(),
            Wake::Answered(Answer::Http { headers, body }) => {
                format!("http {} {}", text(headers.first(b":status").unwrap()), body.len())
            }
            Wake::Answered(Answer::Grpc { status, message }) => format!("grpc {status} {}", message.len()),
        };
        let line = format!("{}.{N} {woken}", self.generation);
        request.edits.add(b"story".as_slice().into(), line.into_bytes().into());
        let script = request.headers().first(format!("x-{N}").as_bytes()).map(text).unwrap_or_default();
        let mut words = script.split_whitespace().skip(stream.position);
        let mut word = words.next();
        stream.position += 1;
        if word == Some("e") {
            stream.holds = true;
            word = words.next();
            stream.position += 1;
        }
        let Some(word) = word else {
            return Step::Continue;
        };
        let (timeout, cluster) = (Duration::from_secs(1), "asked".to_owned());
        match word.split_at(1) {
            ("d", time) => Step::Delay(Duration::from_millis(time.parse().unwrap())),
            ("h", _) => Step::HttpCall(HttpCall { cluster, headers: Vec::new(), body: Vec::new(), timeout }),
            ("g", _) => Step::GrpcCall(GrpcCall {
                cluster,
                service: "s".into(),
                method: "m".into(),
                message: Vec::new(),
                timeout,
            }),
            ("r", _) => Step::Reply(LocalReply { status: 403, details: "scripted".into(), ..LocalReply::default() }),
            ("b", time) => {
                (stream.holds, stream.slow) = (true, Some(time.parse::<u64>().unwrap() * MILLISECOND));
                Step::Continue
            }
            ("t", _) => {
                stream.tells = true;
                Step::Continue
            }
            ("f", _) => {
                for name in ["steering", "other"] {
                    request.foreign.add(name.as_bytes().into(), b"1".as_slice().into());
                }
                Step::Continue
            }
            ("k", _) => {
                stream.keeps = true;
                Step::Continue
            }
            other => panic!("{other:?}"),
        }
    }

    fn has_more(&self, stream: &Stream) -> bool {
        stream.keeps || stream.holds || stream.tells
    }

    fn wants_body(&self, stream: &Stream) -> bool {
        stream.slow.is_some()
    }

    fn on_response_body(&self, stream: &mut Stream, bytes: usize, host: &mut dyn Host) -> Body {
        let Some(slow) = stream.slow.filter(|_| bytes > 0) else { return Body::Pass };
        stream.until = stream.until.max(host.monotonic()) + slow;
        Body::Hold(stream.until)
    }

    fn on_held(&self, stream: &mut Stream, host: &mut dyn Host) -> Body {
        if stream.until > host.monotonic() { Body::Hold(stream.until) } else { Body::Pass }
    }

    fn needs_beat(&self, stream: &Stream) -> bool {
        stream.holds
    }

    fn on_beat(&self, host: &mut dyn Host) {
        host.add(&Metric::counter("beats", &[]), 1);
    }

    fn wants_trailers(&self, stream: &Stream) -> bool {
        stream.tells
    }

    fn on_response_trailers(&self, stream: &mut Stream, trailers: &HeaderMap) {
        // Whichever filter wants them, all are told.
        stream.trailer = trailers.first(b"x-tell").filter(|_| stream.tells).map(text);
    }

    fn on_end(&self, stream: &mut Stream, host: &mut dyn Host) -> Vec<GrpcCall> {
        if std::mem::take(&mut stream.holds) {
            host.add(&Metric::counter("ends", &[]), 1);
        }
        let call = |cluster| GrpcCall {
            cluster,
            service: "s".into(),
            method: "m".into(),
            message: Vec::new(),
            timeout: Duration::from_millis(20),
        };
        stream.trailer.take().into_iter().map(call).collect()
    }

    fn on_response(&self, stream: &mut Stream, _: &Request, response: &mut Response, _: &mut dyn Host) {
        let value = format!("{}.{N} {}", self.generation, std::mem::take(&mut stream.keeps));
        response.edits.add(b"kept".as_slice().into(), value.into_bytes().into());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A worker and its proxy.
struct World<C: crate::Chain> {
    worker: Worker<C>,
    proxy: FakeProxy,
}

impl<C: crate::Chain> World<C> {
    fn new(filters: C) -> Self {
        let mut worker = Worker::new(ROOT);
        worker.configure(filters);
        let proxy = FakeProxy {
            now: 1_000_000_007,
            calls: RefCell::default(),
            current: ROOT,
            streams: BTreeMap::new(),
            tick: (0, 0),
            tokens: 0,
            under_way: Vec::new(),
            refused: "",
            answer: None,
            log: Vec::new(),
            metrics: BTreeMap::new(),
            cells: BTreeMap::new(),
        };
        Self { worker, proxy }
    }

    /// A request comes.
    fn arrive(&mut self, context: u32, headers: &[(&str, &str)]) -> Flow {
        let headers = HeaderMap::serialize(headers);
        let stream =
            FakeStream { headers, state: State::Open, held: 0, writes: Vec::new(), response_writes: Vec::new() };
        assert!(self.proxy.streams.insert(context, stream).is_none());
        self.proxy.current = context;
        let flow = self.worker.on_request(context, &mut self.proxy);
        self.proxy.current = context;
        let stream = self.proxy.stream();
        match (flow, stream.state) {
            (Flow::Continue, State::Open) => stream.state = State::Passed,
            (Flow::Continue, state) => panic!("it goes on, and {state:?}"),
            (Flow::Pause, _) => {}
        }
        flow
    }

    /// Time passes, and the root context ticks as it has asked for, as Envoy does it: again and again.
    fn advance(&mut self, nanoseconds: u64) {
        let until = self.proxy.now + nanoseconds;
        while self.proxy.tick.0 > 0 && self.proxy.tick.1 <= until {
            let (period, due) = self.proxy.tick;
            self.proxy.now = due;
            self.proxy.tick.1 = due + u64::from(period) * MILLISECOND;
            self.proxy.current = ROOT;
            self.worker.on_tick(&mut self.proxy);
        }
        self.proxy.now = until;
    }

    /// A call-out ends.
    fn answer(&mut self, call: Call, answered: bool) {
        self.proxy.under_way.retain(|other| *other != call);
        self.proxy.current = ROOT;
        self.proxy.answer = answered.then(|| HeaderMap::serialize(&[(":status", "200")]));
        let outcome = match call {
            Call::Http(_) => Outcome::Http { answered },
            Call::Grpc(_) => Outcome::Grpc { status: if answered { 0 } else { 14 } },
        };
        self.worker.on_answer(call, outcome, &mut self.proxy);
        self.proxy.answer = None;
    }

    /// A part of the response's body comes. Says whether it is held back.
    fn body(&mut self, context: u32, bytes: usize) -> bool {
        self.proxy.current = context;
        let is_held = self.worker.on_response_body(context, bytes, &mut self.proxy) == Flow::Pause;
        self.proxy.current = context;
        let stream = self.proxy.stream();
        stream.held = if is_held { stream.held + bytes } else { 0 };
        is_held
    }

    fn respond(&mut self, context: u32) {
        self.proxy.current = context;
        self.worker.on_response(context, &mut self.proxy);
    }

    /// The request ends; no call about it is possible any more. Says what had become of it.
    fn end(&mut self, context: u32) -> State {
        let stream = self.proxy.streams.remove(&context).unwrap();
        self.proxy.current = context;
        self.worker.on_end(context, &mut self.proxy);
        stream.state
    }

    fn state(&self, context: u32) -> State {
        self.proxy.streams[&context].state
    }

    /// What the scripted filters have told of it.
    fn story(&self, context: u32) -> String {
        let lines = self.proxy.streams[&context].writes.iter().filter_map(|line| line.strip_prefix("+story="));
        lines.collect::<Vec<_>>().join(", ")
    }

    /// The calls since the last time, as `2 read, 1 write`.
    fn calls(&mut self) -> String {
        let calls = std::mem::take(&mut *self.proxy.calls.borrow_mut());
        calls.iter().map(|(call, count)| format!("{count} {call}")).collect::<Vec<_>>().join(", ")
    }

    /// Nothing is kept about any request.
    #[track_caller]
    fn assert_empty(&self) {
        assert_eq!(self.worker.streams.len(), 0, "streams");
        assert_eq!(self.worker.calls.len(), 0, "calls");
        assert_eq!(self.worker.deadlines.next(), None, "deadlines");
        assert_eq!(self.proxy.tick.0, 0, "nobody waits, and it ticks");
    }
}
