//! The wire types: what stands in the configuration, in Istio's words, checked as Istio's own validation would.
//!
//! Nothing here is read on the request path: [`Routing`](crate::Routing) is built from it once.

mod answers;
mod cors;
mod destinations;
mod headers;
mod policy;
mod rewrite;
mod route;
mod sticky;

pub use answers::{DerivePort, HttpBody, HttpDirectResponse, HttpRedirect};
pub use cors::{CorsPolicy, UnmatchedPreflights};
pub use destinations::{By, ClusterOverride, Destinations, Part, Template};
pub use headers::{HeaderOperations, HeaderValue, HeaderValues, Headers};
pub use policy::{HttpMirror, HttpRetry, Percent, RetryOn, Timeout};
pub use rewrite::{HttpRewrite, RegexRewrite, Written};
pub use route::{Destination, HttpRoute, HttpRouteDestination, PortSelector, Weight};
pub use sticky::{HttpCookie, Sticky, StickyFields};

use pointsman_routes::config::HeaderName;
use pointsman_wire::{Cursor, Decode, message};

message! {
    /// How a request may ask which rule decided.
    pub struct Debug = "debug" {
        /// The request header that asks, and the response header that answers.
        header: HeaderName = "header",
    }
}

/// Whether a client may send the headers that steer Envoy's router, such as `x-envoy-retry-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustRouterHeaders {
    /// No client may.
    Never,
    /// A request may that Envoy counts as internal (`x-envoy-internal: true`).
    Internal,
}

impl Decode for TrustRouterHeaders {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("never") => Some(Self::Never),
            Some("internal") => Some(Self::Internal),
            _ => at.mismatch("`never` or `internal`"),
        }
    }
}
