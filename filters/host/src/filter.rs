//! What a filter is.

use pointsman_http::{Edits, HeaderMap};
use pointsman_wire::Cursor;

use crate::Host;
use crate::node::Node;
use crate::step::{Step, Wake};

/// Which of the proxy's callbacks a filter needs beside the request's headers. Each one that a module exports costs a
/// crossing a request, so what no filter of a module needs is taken out of its exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// It handles the response's headers.
    pub response: bool,
    /// It says [`Step::Delay`].
    pub delay: bool,
    /// It says [`Step::HttpCall`].
    pub http_call: bool,
    /// It says [`Step::GrpcCall`].
    pub grpc_call: bool,
}

/// A traffic policy, compiled from its configuration: configuration in, decisions out.
///
/// One value serves all requests of a worker; what it has to keep about one request stands in `Stream`.
pub trait Filter: Sized + 'static {
    /// Its crate's name, which is also what follows `pointsman-` in the name of its slim module.
    const NAME: &'static str;

    /// The top-level sections of the configuration that it reads.
    const SECTIONS: &'static [&'static str];

    /// What it needs of the proxy.
    const USES: Uses;

    /// What it keeps about a request.
    type Stream: Default;

    /// Reads its sections: `at` is the configuration as a whole. `None` when something is wrong; then it was reported.
    fn configure(at: Cursor<'_>, node: &Node) -> Option<Self>;

    /// Whether a request header (name in lower case) steers Envoy or us, so that a client's copy of it must be gone
    /// before anything reads it. `request` is the map before anything was hidden.
    fn steers(&self, _name: &[u8], _request: &HeaderMap) -> bool {
        false
    }

    /// Handles the request's headers. After a wait it is called again, with what it waited for.
    fn on_request(&self, stream: &mut Self::Stream, wake: Wake, request: &mut Request, host: &mut dyn Host) -> Step;

    /// Whether it has anything left to do for this request once the request has gone on or was answered. If no filter
    /// has, nothing is kept about it.
    fn has_more(&self, _stream: &Self::Stream) -> bool {
        false
    }

    /// Handles the response's headers, the proxy's own answers included. The request is as it was sent.
    fn on_response(
        &self,
        _stream: &mut Self::Stream,
        _request: &Request,
        _response: &mut Response,
        _host: &mut dyn Host,
    ) {
    }
}

/// A request on its way through the filters.
#[derive(Default)]
pub struct Request {
    headers: HeaderMap,
    /// What is to be changed in its headers, written once at the end: until then every filter sees the original.
    pub edits: Edits,
}

impl Request {
    /// A request with those headers.
    pub fn new(headers: HeaderMap) -> Self {
        Self { headers, edits: Edits::default() }
    }

    /// Its headers, as the client sent them, without what steers us.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its headers, and what is to be changed in them.
    pub fn parts(&mut self) -> (&HeaderMap, &mut Edits) {
        (&self.headers, &mut self.edits)
    }

    /// Takes headers that steer us out of sight, and out of the request.
    pub fn hide(&mut self, mut steers: impl FnMut(&[u8], &HeaderMap) -> bool) {
        let Self { headers, edits } = self;
        let names = headers.iter().map(|(name, _)| name);
        let steering: Vec<Vec<u8>> = names.filter(|name| steers(name, headers)).map(<[u8]>::to_vec).collect();
        if steering.is_empty() {
            return;
        }
        headers.hide(|name| steering.iter().any(|other| other == name));
        steering.into_iter().for_each(|name| edits.remove(name.into()));
    }
}

/// A response on its way through the filters.
#[derive(Default)]
pub struct Response {
    /// What is to be changed in its headers.
    pub edits: Edits,
}
