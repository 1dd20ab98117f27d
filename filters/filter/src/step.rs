//! What a filter may say, and what it may wait for.

use std::time::Duration;

use pointsman_http::HeaderMap;

/// What happens to the request next.
#[derive(Debug)]
pub enum Step {
    /// It goes on to the next filter.
    Continue,
    /// It is answered here, and no further filter sees it.
    Reply(LocalReply),
    /// It waits for that long, and the filter is woken by [`Wake::Delayed`].
    Delay(Duration),
    /// It waits for an answer over HTTP, and the filter is woken by [`Wake::Answered`].
    HttpCall(HttpCall),
    /// It waits for an answer over gRPC, and the filter is woken by [`Wake::Answered`].
    GrpcCall(GrpcCall),
}

/// What happens to a part of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It goes on to the client, with all that was held back.
    Pass,
    /// It is held back with all that is held already, while the proxy reads no more than its buffers take; the filter is
    /// asked again at that time, in nanoseconds on the monotonic clock.
    Hold(u64),
}

/// Why a filter is called.
pub enum Wake {
    /// The request has come.
    Arrived,
    /// The delay is over.
    Delayed,
    /// The call-out has ended.
    Answered(Answer),
}

/// How a call-out ended.
pub enum Answer {
    /// Over HTTP. When the time is up, Envoy answers with status 504 itself.
    Http {
        /// With `:status`.
        headers: HeaderMap,
        /// All of it.
        body: Vec<u8>,
    },
    /// Over gRPC.
    Grpc {
        /// gRPC's status; 0 is OK. When the time is up: 14 (UNAVAILABLE).
        status: u32,
        /// The answer's message; empty unless the status is OK.
        message: Vec<u8>,
    },
    /// There was no answer: the cluster is unknown or not to be reached, or the connection broke.
    Failed,
}

/// A call-out over HTTP.
#[derive(Debug)]
pub struct HttpCall {
    /// Envoy's name of the cluster.
    pub cluster: String,
    /// With `:method`, `:path` and `:authority`.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// A unary call-out over gRPC.
#[derive(Debug)]
pub struct GrpcCall {
    /// Envoy's name of the cluster, of at most [`MOST_CLUSTER_BYTES`](Self::MOST_CLUSTER_BYTES).
    pub cluster: String,
    /// Such as `envoy.service.ratelimit.v3.RateLimitService`.
    pub service: String,
    /// Such as `ShouldRateLimit`.
    pub method: String,
    /// The request, serialized.
    pub message: Vec<u8>,
    /// How long the answer may take.
    pub timeout: Duration,
}

impl GrpcCall {
    /// A longer name cannot be called.
    pub const MOST_CLUSTER_BYTES: usize = 125;
}

/// An answer of our own.
///
/// To a gRPC request Envoy turns it into a trailers-only response by itself, with the gRPC status that stands for
/// the HTTP status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u32,
    /// Headers beside those that Envoy adds itself.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
    /// What a gRPC client gets for a status, if not the one that stands for the HTTP status.
    pub grpc_status: Option<u32>,
    /// Why: Envoy's `%RESPONSE_CODE_DETAILS%`. White space becomes `_`.
    pub details: String,
}
