//! The headers by which a client could steer Envoy's router.

use pointsman_host::{Node, Proxy};
use pointsman_http::HeaderMap;

use crate::config::TrustRouterHeaders;

/// What Envoy's router reads of a request (its documentation's "HTTP headers (consumed)"), without the prefix.
const STEERING: [&[u8]; 11] = [
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
    b"upstream-stream-duration-ms",
];

/// Why an operation of a rule cannot change that header (in any letter case) of a request. In Istio such operations are
/// the router's own, made when it has read some of its headers and written others; ours are made before it.
pub(crate) fn why_not(name: &str, is_put: bool) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let steers = || name.strip_prefix("x-envoy-").is_some_and(|rest| STEERING.contains(&rest.as_bytes()));
    match name.as_str() {
        "grpc-timeout" => Some("Envoy's router goes by it: set the rule's `timeout` instead"),
        "x-envoy-attempt-count" | "x-envoy-expected-rq-timeout-ms" => Some("Envoy's router writes it later"),
        "x-forwarded-proto" if !is_put => {
            Some("Envoy finds no route for a request without it: it can be set, not removed")
        }
        _ if is_put && steers() => Some("Envoy's router goes by it: set the rule's `timeout` and `retries` instead"),
        _ => None,
    }
}

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
        Self { trust_internal: trust == TrustRouterHeaders::Internal }
    }

    /// Whether the header (name in lower case) would steer the router, and may not.
    pub fn steer(&self, name: &[u8], request: &HeaderMap) -> bool {
        let steers = name.strip_prefix(b"x-envoy-").is_some_and(|rest| STEERING.contains(&rest));
        steers && !(self.trust_internal && request.first(b"x-envoy-internal") == Some(b"true"))
    }
}
