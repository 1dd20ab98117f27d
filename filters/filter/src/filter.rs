//! What a filter is.

use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_routes::Policy;
use pointsman_wire::{Cursor, Message};

use crate::request::{Request, Response};
use crate::step::{Body, GrpcCall, Step, Wake};

/// Which of the proxy's callbacks a filter needs beside the request's headers. Each one that a module exports costs a
/// crossing a request, so what no filter of a module needs is taken out of its exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// It handles the response's headers.
    pub response: bool,
    /// It handles the response's body.
    pub response_body: bool,
    /// It reads the response's trailers.
    pub response_trailers: bool,
    /// It says [`Step::Delay`].
    pub delay: bool,
    /// It says [`Step::HttpCall`].
    pub http_call: bool,
    /// It says [`Step::GrpcCall`].
    pub grpc_call: bool,
    /// It needs beats.
    pub beat: bool,
}

impl Uses {
    /// Nothing.
    pub const NONE: Self = Self {
        response: false,
        response_body: false,
        response_trailers: false,
        delay: false,
        http_call: false,
        grpc_call: false,
        beat: false,
    };
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

    /// Its fields of a VirtualService's rule (HTTPRoute); `()`: it reads none.
    type Rule: Message;

    /// What it keeps about a request.
    type Stream: Default;

    /// Reads its sections: `at` is the configuration as a whole. `None` when something is wrong; then it was reported.
    fn configure(at: Cursor<'_>, policy: Policy<Self::Rule>) -> Option<Self>;

    /// Whether a request header (name in lower case) steers Envoy or us, so that a client's copy of it must be gone
    /// before anything reads it. `request` is the map before anything was hidden.
    fn steers(&self, _name: &[u8], _request: &HeaderMap) -> bool {
        false
    }

    /// Whether it looks at requests' headers at all; reading them costs more than all else that is done to most requests.
    fn needs_headers(&self) -> bool {
        true
    }

    /// Handles the request's headers. After a wait it is called again, with what it waited for.
    fn on_request(&self, stream: &mut Self::Stream, wake: Wake, request: &mut Request, host: &mut dyn Host) -> Step;

    /// Whether it has anything left to do for this request: once it has gone on or was answered, and again after its
    /// response's headers. If no filter has, nothing is kept about it.
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

    /// Whether it is to be told of the body; asked once the response's headers have been handled.
    fn wants_body(&self, _stream: &Self::Stream) -> bool {
        false
    }

    /// So many bytes of the body have arrived; none, if it is only the end that has.
    fn on_response_body(&self, _stream: &mut Self::Stream, _bytes: usize, _host: &mut dyn Host) -> Body {
        Body::Pass
    }

    /// The time has come that [`Body::Hold`] said.
    fn on_held(&self, _stream: &mut Self::Stream, _host: &mut dyn Host) -> Body {
        Body::Pass
    }

    /// Whether it wants to be told of the trailers, if any come; asked when they do. All filters are told if one wants it.
    fn wants_trailers(&self, _stream: &Self::Stream) -> bool {
        false
    }

    /// The response's trailers have come.
    fn on_response_trailers(&self, _stream: &mut Self::Stream, _trailers: &HeaderMap) {}

    /// The request has ended, however it did: as the last that happens to one about which something is kept. Calls may be
    /// sent whose answers nobody waits for.
    fn on_end(&self, _stream: &mut Self::Stream, _host: &mut dyn Host) -> Vec<GrpcCall> {
        Vec::new()
    }

    /// Whether beats are needed while this request is under way.
    fn needs_beat(&self, _stream: &Self::Stream) -> bool {
        false
    }

    /// Every [`BEAT_NANOS`](pointsman_host::slots::BEAT_NANOS) while some request needs it: says what has to be said again
    /// and again while a worker lives.
    fn on_beat(&self, _host: &mut dyn Host) {}
}
