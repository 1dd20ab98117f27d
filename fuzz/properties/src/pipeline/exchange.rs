//! A request, what is decided about it, and its response: driven as the runtime drives it.

use pointsman_filter::{LocalReply, Request, Response, Step, Wake};
use pointsman_host::FakeHost;
use pointsman_runtime::Chain as _;

use crate::Filters;
use crate::choices::Choices;
use crate::envoy::{self, Lines};

/// A request as Envoy lets it through: no value breaks its line, no name is in upper case.
pub struct Exchange {
    pub request: Lines,
    response: Lines,
    random: Vec<u64>,
    properties: Vec<(&'static str, Vec<u8>)>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It went on, with those headers.
    Sent(Lines),
    Answered(LocalReply),
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
        Self { request, response, random: choices.list(3, Choices::number), properties }
    }

    fn host(&self, response: &Lines) -> FakeHost {
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        FakeHost {
            random: self.random.iter().copied().collect(),
            properties: self.properties.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect(),
            response: response.iter().map(|(name, value)| (text(name), text(value))).collect(),
            ..FakeHost::default()
        }
    }

    /// Runs it with those headers.
    pub fn run(&self, filters: &Filters, lines: &Lines) -> Outcome {
        let mut request = Request::new(envoy::parse(lines));
        request.hide(|name, headers| filters.steers(name, headers));
        let mut streams = Default::default();
        let mut host = self.host(&self.response);
        let (filter, mut step) = filters.on_request(0, Wake::Arrived, &mut streams, &mut request, &mut host);
        if let Step::Delay(_) = step {
            (_, step) = filters.on_request(filter, Wake::Delayed, &mut streams, &mut request, &mut host);
        }
        if let Step::Reply(_) = step {
            request.set_replied();
        }
        let (decided, response) = match request.answer.take().map_or(step, Step::Reply) {
            Step::Continue => {
                let sent = envoy::written(lines, &request.edits, Some(request.headers()));
                (Decided::Sent(sent), self.response.clone())
            }
            Step::Reply(reply) => {
                let mut response = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
                response.extend(reply.headers.iter().cloned());
                host.properties.insert("response.code_details".into(), reply.details.clone().into());
                (Decided::Answered(reply), response)
            }
            step => panic!("nobody waits for that: {step:?}"),
        };
        host.response = self.host(&response).response;
        let has_more = filters.has_more(&streams);
        let mut edited = Response::default();
        filters.on_response(&mut streams, &request, &mut edited, &mut host);
        filters.on_end(&mut streams, &mut host);
        assert!(!filters.has_more(&streams), "something is left behind");
        let metrics = host.metrics.borrow();
        let active = metrics.iter().filter(|(name, _)| name.ends_with("active_faults")).map(|(_, count)| count);
        assert_eq!(active.sum::<i64>(), 0, "a request that has ended is active");
        let cells = host.cells.borrow();
        let is_taken = cells.iter().any(|(key, cell)| key.contains("active") && !cell.value.is_empty());
        assert!(!is_taken, "a request that has ended has a slot");
        assert!(has_more || edited.edits.is_empty(), "nothing was left to do, so the runtime would have done nothing");
        let response = envoy::written(&response, &edited.edits, None);
        Outcome { decided, response }
    }
}
