//! A request, what is decided about it, and its response: driven as the runtime drives it.

use pointsman_filter::{Answer, LocalReply, Request, Response, Step, Wake};
use pointsman_host::FakeHost;
use pointsman_runtime::Chain;

use super::policy::Policy;
use super::services::{self, Reply};
use crate::Filters;
use crate::choices::Choices;
use crate::envoy::{self, Lines};

/// A request as Envoy lets it through: no value breaks its line, no name is in upper case.
pub struct Exchange {
    pub request: Lines,
    response: Lines,
    trailers: Lines,
    random: Vec<u64>,
    properties: Vec<(&'static str, Vec<u8>)>,
    /// What services say, one after the other; then nothing.
    replies: Vec<Reply>,
    /// It ends while it waits for so many times, if it ever does.
    ends_at: Option<usize>,
    /// Then by an answer of the proxy's own, and not because the client leaves.
    is_cut: bool,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It went on, with those headers.
    Sent(Lines),
    Answered(LocalReply),
    /// The client left while it waited.
    Left,
    /// The proxy answered it while it waited.
    Cut,
}

/// A request that has not ended.
pub struct Live {
    request: Request,
    streams: <Filters as Chain>::Streams,
    pub decided: Decided,
}

/// All that is written for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub decided: Decided,
    /// The response's headers, as they were and as they are sent on.
    pub response: Lines,
}

pub const AUTHORITIES: [&str; 9] =
    ["b.com", "B.com:80", "x.b.com", "a.b.com", "10.0.0.1", "reviews", "", "[::1]:80", "c.com"];

/// Headers of a client that are no steering ones, so that they mean the same whoever sends them.
const NAMES: [&str; 14] = [
    "x",
    "y",
    "end-user",
    "cookie",
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
    "content-type",
    "grpc-timeout",
    "x-forwarded-proto",
    "x-envoy-internal",
    "x-forwarded-for",
    "content-length",
    "accept",
];

const VALUES: [&[u8]; 16] = [
    b"a",
    b"b",
    b"",
    b"abc",
    b"/a",
    b"true",
    b"https://a.com",
    b"GET",
    b"http",
    b"application/grpc",
    b"5S",
    b"a=1; ab=\"2\"",
    b"\xff\x80",
    b"%REQ(y)%",
    b"a b",
    b"99999999H",
];

/// Hits, and what are none.
const NUMBERS: [&[u8]; 5] = [b"1", b"0", b"25", b"99999999999999999999", b"-1"];

impl Exchange {
    pub fn new(choices: &mut Choices<'_>) -> Self {
        let path = choices
            .list(6, |choices| choices.pick(&["/", "a", "b", "?", "q=a", "&", "x=1", "#", "/a", "%20", "A", ".."]));
        let method = choices.pick(&["GET", "OPTIONS", "POST"]);
        let mut request: Lines = [
            (":method", method),
            (":scheme", choices.pick(&["http", "https"])),
            (":authority", choices.pick(&AUTHORITIES)),
            (":path", &format!("/{}", path.concat())),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
        request.extend(choices.list(6, |choices| (choices.pick(&NAMES).into(), choices.pick(&VALUES).to_vec())));
        let mut response = vec![(b":status".to_vec(), choices.pick(&["200", "404", "503"]).into())];
        let names = ["x", "y", "content-type", "content-length", "set-cookie", "access-control-allow-origin", "x-why"];
        response.extend(choices.list(4, |choices| (choices.pick(&names).into(), choices.pick(&VALUES[..12]).to_vec())));
        let mut properties = vec![
            ("destination.port", i64::from(choices.pick(&[80u16, 443, 9080])).to_le_bytes().to_vec()),
            ("source.address", choices.pick(&[&b"1.2.3.4:5"[..], b"[::1]:5", b"@socket", b""]).to_vec()),
            ("request.protocol", b"HTTP/1.1".to_vec()),
            ("upstream.address", b"10.0.0.2:80".to_vec()),
        ];
        let details = choices.pick(&["via_upstream", "cluster_not_found", "upstream_reset"]);
        properties.push(("response.code_details", details.into()));
        if choices.one_in(2) {
            properties.push(("connection.tls_version", b"TLSv1.3".to_vec()));
        }
        let trailers = choices.list(2, |choices| (choices.pick(&["x", "y"]).into(), choices.pick(&NUMBERS).to_vec()));
        let random = choices.list(3, Choices::number);
        let mut replies = vec![Reply::new(choices)];
        replies.extend(choices.list(3, Reply::new));
        let ends_at = if choices.one_in(4) { Some(choices.below(3)) } else { None };
        Self { request, response, trailers, random, properties, replies, ends_at, is_cut: choices.one_in(2) }
    }

    /// The proxy, which has seen nothing yet.
    pub fn host(&self) -> FakeHost {
        FakeHost {
            now: 1_000_000_000_000,
            random: self.random.iter().copied().collect(),
            properties: self.properties.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect(),
            ..FakeHost::default()
        }
    }

    /// Runs it with those headers, as the first request that the proxy sees.
    pub fn run(&self, policy: &Policy, lines: &Lines) -> Outcome {
        let (filters, mut host) = (policy.filters(), self.host());
        let live = self.begin(&filters, lines, &mut host);
        let outcome = self.finish(&filters, live, &mut host);
        check_nothing_is_left(&host);
        outcome
    }

    /// A request with those headers comes, and waits as long as it has to.
    pub fn begin(&self, filters: &Filters, lines: &Lines, host: &mut FakeHost) -> Live {
        assert!(filters.needs_headers());
        let mut request = Request::new(envoy::parse(lines));
        request.hide(|name, headers| filters.steers(name, headers));
        let mut streams = Default::default();
        let mut replies = self.replies.iter();
        let (mut filter, mut wake) = (0, Wake::Arrived);
        for waits in 0.. {
            let step;
            (filter, step) = filters.on_request(filter, wake, &mut streams, &mut request, host);
            wake = match step {
                Step::Delay(_) => Wake::Delayed,
                Step::GrpcCall(call) => {
                    services::can_be_answered(&call);
                    Wake::Answered(replies.next().map_or(Answer::Failed, Reply::answer))
                }
                Step::HttpCall(call) => panic!("nobody waits for that: {call:?}"),
                Step::Reply(reply) => {
                    request.set_replied();
                    return Live { request, streams, decided: Decided::Answered(reply) };
                }
                Step::Continue => {
                    add_foreign(filters, &mut request);
                    let answer = request.answer.take().map(Decided::Answered);
                    let sent = || Decided::Sent(envoy::written(lines, &request.edits, Some(request.headers())));
                    let decided = answer.unwrap_or_else(sent);
                    return Live { request, streams, decided };
                }
            };
            assert!(waits < 20, "it waits for ever");
            if self.ends_at == Some(waits) {
                break;
            }
        }
        request.set_replied();
        Live { request, streams, decided: if self.is_cut { Decided::Cut } else { Decided::Left } }
    }

    /// Its response comes, if one does, and it ends.
    pub fn finish(&self, filters: &Filters, live: Live, host: &mut FakeHost) -> Outcome {
        let Live { request, mut streams, decided } = live;
        let response = match &decided {
            Decided::Sent(_) => self.response.clone(),
            Decided::Answered(reply) => {
                let mut response = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
                response.extend(reply.headers.iter().cloned());
                host.properties.insert("response.code_details".into(), reply.details.clone().into());
                response
            }
            Decided::Cut => vec![(b":status".to_vec(), b"504".to_vec())],
            Decided::Left => Vec::new(),
        };
        let has_more = filters.has_more(&streams);
        let mut edited = Response::default();
        if decided != Decided::Left {
            let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            host.response = response.iter().map(|(name, value)| (text(name), text(value))).collect();
            filters.on_response(&mut streams, &request, &mut edited, host);
            if matches!(decided, Decided::Sent(_)) && filters.wants_trailers(&streams) {
                filters.on_response_trailers(&mut streams, &envoy::parse(&self.trailers));
            }
        }
        filters.on_end(&mut streams, host).iter().for_each(services::can_be_answered);
        // What is written into a response stays undone if there is none.
        assert!(decided == Decided::Left || !filters.has_more(&streams), "something is left behind");
        let is_told = has_more || decided == Decided::Cut;
        assert!(is_told || edited.edits.is_empty(), "nothing was left to do, so the runtime would have done nothing");
        let response = envoy::written(&response, &edited.edits, None);
        Outcome { decided, response }
    }
}

/// What others add to a request, as the runtime does it.
fn add_foreign(filters: &Filters, request: &mut Request) {
    let mut foreign = std::mem::take(&mut request.foreign);
    let names: Vec<_> = foreign.names().filter(|name| !filters.steers(name, request.headers())).cloned().collect();
    for name in names {
        foreign.take(&name).into_iter().for_each(|value| request.edits.add(name.clone(), value));
    }
}

/// All requests have ended.
pub fn check_nothing_is_left(host: &FakeHost) {
    let metrics = host.metrics.borrow();
    let active = metrics.iter().filter(|(name, _)| name.ends_with("active_faults")).map(|(_, count)| count);
    assert_eq!(active.sum::<i64>(), 0, "a request that has ended is active");
    let is_of_slots = |key: &str| key.contains("active") || key.starts_with("rate-limit/slots/");
    let cells = host.cells.borrow();
    let is_taken = cells.iter().any(|(key, cell)| is_of_slots(key) && !cell.value.is_empty());
    assert!(!is_taken, "a request that has ended has a slot");
}
