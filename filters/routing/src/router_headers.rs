//! The headers by which a client could steer Envoy's router.

use pointsman_host::{Node, Proxy};
use pointsman_http::HeaderMap;

use crate::config::TrustRouterHeaders;

/// What Envoy's router reads of a request (its documentation's "HTTP headers (consumed)"), without the prefix.
const STEERING: [&[u8]; 10] = [
    b"hedge-on-per-try-timeout",
    b"max-retries",
    b"retriable-header-names",
    b"retriable-status-codes",
    b"retry-grpc-on",
    b"retry-on",
    b"upstream-alt-stat-name",
    b"upstream-rq-per-try-timeout-ms",
    b"upstream-rq-timeout-alt-response",
    b"upstream-rq-timeout-ms",
];

/// Decides whether such a header of a client is let through.
pub(crate) struct RouterHeaders {
    trust_internal: bool,
}

impl RouterHeaders {
    /// Without a word from the configuration a sidecar trusts its own workload, and nobody else trusts anybody.
    pub fn new(trust: Option<TrustRouterHeaders>, node: &Node) -> Self {
        let trust = trust.unwrap_or(match node.proxy {
            Proxy::Sidecar => TrustRouterHeaders::Internal,
            Proxy::Plain | Proxy::Router => TrustRouterHeaders::Never,
        });
        Self {
            trust_internal: trust == TrustRouterHeaders::Internal,
        }
    }

    /// Whether the header (name in lower case) would steer the router, and may not.
    pub fn steer(&self, name: &[u8], request: &HeaderMap) -> bool {
        let steers = name
            .strip_prefix(b"x-envoy-")
            .is_some_and(|rest| STEERING.contains(&rest));
        steers && !(self.trust_internal && request.first(b"x-envoy-internal") == Some(b"true"))
    }
}
