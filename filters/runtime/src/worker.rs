//! The one pass over each request, and the requests that wait in it: all state of one worker.

mod waits;

use std::rc::Rc;

use hashbrown::HashMap;
use pointsman_filter::{Answer, Body, LocalReply, Request, Response, Step, Wake};
use pointsman_host::slots::BEAT_NANOS;
use pointsman_http::{Edits, HeaderMap, Write};

use crate::abi::{Level, Map};
use crate::chain::Chain;
use crate::deadlines::Deadlines;
use crate::proxy::Proxy;

/// What becomes of the request when a callback returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It goes on.
    Continue,
    /// It stands, until it is resumed or because it was answered.
    Pause,
}

/// A call-out that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Http(u32),
    Grpc(u32),
}

/// How a call-out ended, as the proxy says it.
pub(crate) enum Outcome {
    /// Whether there is an answer.
    Http { answered: bool },
    /// The gRPC status.
    Grpc { status: u32 },
}

/// All state of one root context, which is: of one configuration on one worker.
pub(crate) struct Worker<C: Chain> {
    root: u32,
    filters: Option<Rc<C>>,
    /// Only requests about which something has to be kept, by context. The proxy's streams bound it.
    streams: HashMap<u32, Stream<C>>,
    deadlines: Deadlines,
    calls: HashMap<Call, u32>,
    /// When the filters have to say again that the worker lives, if they have to.
    next_beat: Option<u64>,
    tick_period: u32,
}

struct Stream<C: Chain> {
    /// Those that it began with: a new configuration is for new requests.
    filters: Rc<C>,
    request: Request,
    states: C::Streams,
    phase: Phase,
}

/// Where a request stands.
#[derive(Clone, Copy)]
enum Phase {
    /// The filter of that index waits until then.
    Delayed { filter: usize, until: u64 },
    /// The filter of that index waits for an answer.
    Calling { filter: usize, call: Call },
    /// A part of its response is held back until then, or longer.
    Held { until: u64 },
    /// It has gone on, or was answered.
    Passed,
}

impl<C: Chain> Worker<C> {
    pub fn new(root: u32) -> Self {
        Self {
            root,
            filters: None,
            streams: HashMap::new(),
            deadlines: Deadlines::default(),
            calls: HashMap::new(),
            next_beat: None,
            tick_period: 0,
        }
    }

    /// New requests go through these filters; those that wait keep theirs.
    pub fn configure(&mut self, filters: C) {
        self.filters = Some(Rc::new(filters));
    }

    /// A request has come.
    pub fn on_request(&mut self, context: u32, proxy: &mut dyn Proxy) -> Flow {
        let Some(filters) = self.filters.clone() else {
            return Flow::Continue;
        };
        let request = if filters.needs_headers() {
            let headers = proxy.read_map(Map::Request).ok().and_then(|block| HeaderMap::parse(block).ok());
            let Some(headers) = headers else {
                // Nothing can be decided about it, so nothing may be let through. Not seen on any Envoy.
                return reply(proxy, &unreadable());
            };
            let mut request = Request::new(headers);
            request.hide(|name, headers| filters.steers(name, headers));
            request
        } else {
            Request::unread()
        };
        let stream = Stream { filters, request, states: C::Streams::default(), phase: Phase::Passed };
        self.drive(context, stream, 0, Wake::Arrived, proxy)
    }

    /// The response has come, the proxy's own answers included. Says whether its body is to be told of, too.
    pub fn on_response(&mut self, context: u32, proxy: &mut dyn Proxy) -> bool {
        let Some(mut stream) = self.take(context) else {
            return false;
        };
        self.stop_waiting(context, stream.phase, proxy);
        if !matches!(stream.phase, Phase::Passed) {
            // While it waited, the proxy has answered it itself.
            stream.request.set_replied();
        }
        let mut response = Response::default();
        stream.phase = Phase::Passed;
        stream.filters.on_response(&mut stream.states, &stream.request, &mut response, proxy);
        write(proxy, Map::Response, &response.edits, None);
        let wants_body = C::USES.response_body && stream.filters.wants_body(&stream.states);
        self.keep(context, stream, proxy);
        wants_body
    }

    /// A part of the response's body has come, or its end.
    pub fn on_response_body(&mut self, context: u32, bytes: usize, proxy: &mut dyn Proxy) -> Flow {
        let Some(stream) = self.streams.get_mut(&context) else { return Flow::Continue };
        let is_held = matches!(stream.phase, Phase::Held { .. });
        match stream.filters.on_response_body(&mut stream.states, bytes, upcast(proxy)) {
            // Whatever else is held would go with it, so it waits for all of it.
            _ if is_held => Flow::Pause,
            Body::Pass => Flow::Continue,
            Body::Hold(until) => {
                stream.phase = Phase::Held { until };
                self.deadlines.insert(until, context);
                self.set_tick(proxy);
                Flow::Pause
            }
        }
    }

    /// The response's trailers have come, which must not overtake what is held back.
    pub fn on_response_trailers(&mut self, context: u32, proxy: &mut dyn Proxy) -> Flow {
        let Some(stream) = self.streams.get_mut(&context) else { return Flow::Continue };
        if C::USES.response_trailers
            && stream.filters.wants_trailers(&stream.states)
            && let Some(trailers) = proxy.read_map(Map::ResponseTrailers).ok()
            && let Ok(trailers) = HeaderMap::parse(trailers)
        {
            stream.filters.on_response_trailers(&mut stream.states, &trailers);
        }
        if matches!(stream.phase, Phase::Held { .. }) { Flow::Pause } else { Flow::Continue }
    }

    /// The request has ended, however it did.
    pub fn on_end(&mut self, context: u32, proxy: &mut dyn Proxy) {
        if let Some(mut stream) = self.take(context) {
            self.stop_waiting(context, stream.phase, proxy);
            let calls = stream.filters.on_end(&mut stream.states, proxy);
            if C::USES.grpc_call && !calls.is_empty() {
                self.tell(&calls, proxy);
            }
        }
    }

    /// What is kept about a request. Of few requests anything is, so mostly there is no need to search.
    fn take(&mut self, context: u32) -> Option<Stream<C>> {
        if self.streams.is_empty() { None } else { self.streams.remove(&context) }
    }

    /// Runs the filters from that one on, until the request goes on, is answered or waits. It is kept only if it waits
    /// or if a filter has more to do.
    fn drive(
        &mut self,
        context: u32,
        mut stream: Stream<C>,
        mut filter: usize,
        mut wake: Wake,
        proxy: &mut dyn Proxy,
    ) -> Flow {
        let flow = loop {
            let Stream { filters, request, states, phase } = &mut stream;
            let step;
            (filter, step) = filters.on_request(filter, wake, states, request, upcast(proxy));
            let call = match step {
                Step::Continue => {
                    *phase = Phase::Passed;
                    if let Some(answer) = request.answer.take() {
                        break reply(proxy, &answer);
                    }
                    // Only who is asked can say what else a request is to have.
                    if C::USES.grpc_call || C::USES.http_call {
                        add_foreign(request, |name, headers| filters.steers(name, headers));
                    }
                    write(proxy, Map::Request, &request.edits, request.known_headers());
                    break Flow::Continue;
                }
                Step::Reply(answer) => {
                    *phase = Phase::Passed;
                    request.set_replied();
                    break reply(proxy, &answer);
                }
                Step::Delay(time) => {
                    let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                    let until = proxy.monotonic().saturating_add(time);
                    self.deadlines.insert(until, context);
                    self.set_tick(proxy);
                    *phase = Phase::Delayed { filter, until };
                    break Flow::Pause;
                }
                Step::HttpCall(call) => self.send(context, proxy, |proxy| proxy.http_call(&call).map(Call::Http)),
                Step::GrpcCall(call) => self.send(context, proxy, |proxy| proxy.grpc_call(&call).map(Call::Grpc)),
            };
            if let Some(call) = call {
                *phase = Phase::Calling { filter, call };
                break Flow::Pause;
            }
            wake = Wake::Answered(Answer::Failed);
        };
        self.keep(context, stream, proxy);
        flow
    }

    /// Keeps a request that waits, or with which a filter has more to do.
    fn keep(&mut self, context: u32, stream: Stream<C>, proxy: &mut dyn Proxy) {
        if matches!(stream.phase, Phase::Passed) && !stream.filters.has_more(&stream.states) {
            return;
        }
        if C::USES.beat && self.next_beat.is_none() && stream.filters.needs_beat(&stream.states) {
            self.next_beat = Some(proxy.monotonic().saturating_add(BEAT_NANOS));
            self.set_tick(proxy);
        }
        self.streams.insert(context, stream);
    }
}

fn upcast(proxy: &mut dyn Proxy) -> &mut dyn pointsman_host::Host {
    proxy
}

/// Adds what others add to the request, but for what steers.
fn add_foreign(request: &mut Request, steers: impl Fn(&[u8], &HeaderMap) -> bool) {
    let mut foreign = std::mem::take(&mut request.foreign);
    let names: Vec<_> = foreign.names().filter(|name| !steers(name, request.headers())).cloned().collect();
    for name in names {
        foreign.take(&name).into_iter().for_each(|value| request.edits.add(name.clone(), value));
    }
}

fn reply(proxy: &mut dyn Proxy, reply: &LocalReply) -> Flow {
    if let Err(status) = proxy.reply(reply) {
        proxy.log(Level::Error, &format!("a request could not be answered: {status:?}"));
    }
    Flow::Pause
}

fn unreadable() -> LocalReply {
    LocalReply { status: 500, details: "pointsman_unreadable_request_headers".into(), ..LocalReply::default() }
}

fn write(proxy: &mut dyn Proxy, map: Map, edits: &Edits, known: Option<&HeaderMap>) {
    edits.write(known, |write| {
        if let Err(status) = proxy.write_map(map, write) {
            let (Write::Add(name, _) | Write::Replace(name, _) | Write::Remove(name)) = write;
            proxy.log(Level::Error, &format!("the header {} could not be changed: {status:?}", name.escape_ascii()));
        }
    });
}

#[cfg(test)]
mod tests;
