//! The wire types: what stands in the configuration, in Istio's words, checked as Istio's own validation would.
//!
//! Nothing here is read on the request path: [`Table`](crate::table::Table) is built from it once.

mod answers;
mod conditions;
mod cors;
mod destinations;
mod headers;
mod host;
mod policy;
mod rewrite;
mod route;
mod sticky;

pub use answers::{DerivePort, HttpBody, HttpDirectResponse, HttpRedirect};
pub use conditions::{HttpMatchRequest, StringCondition};
pub use cors::{CorsPolicy, UnmatchedPreflights};
pub use destinations::{By, ClusterOverride, Destinations, Part, Template};
pub use headers::{HeaderName, HeaderOperations, HeaderValue, HeaderValues, Headers};
pub use host::HostName;
pub use policy::{HttpMirror, HttpRetry, Percent, RetryOn, Timeout};
pub use rewrite::{HttpRewrite, RegexRewrite};
pub use route::{Destination, HttpRoute, HttpRouteDestination, PortSelector, Weight};
pub use sticky::{HttpCookie, Sticky, StickyFields};
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) use {conditions::StringMatch, rewrite::Written};
pub(crate) use {headers::is_host, host::bracketed};

use pointsman_wire::{Cursor, Decode, Kind, Value, list, message};

message! {
    /// networking.istio.io VirtualService.
    pub struct VirtualService = "VirtualService" {
        /// For which hosts its rules are.
        hosts: Vec<HostName> = "hosts" as read_hosts,
        /// At which gateways; none is `mesh`, the sidecars.
        gateways: Vec<String> = "gateways",
        /// Its rules, in order.
        http: Vec<HttpRoute> = "http" as read_rules,
    }
    inert {
        "exportTo": "a filter runs the policy that it is given, of whichever namespace",
        "tcp": "this filter sees HTTP alone; TCP is for Envoy's own tcp_proxy",
        "tls": "this filter sees HTTP alone; TLS passthrough is for Envoy's own filter chains",
    }
}

impl Kind for VirtualService {
    const KIND: &'static str = "VirtualService";
    const GROUP: &'static str = "networking.istio.io";
}

fn is_empty(value: &Value<'_>) -> bool {
    value.is_null() || value.as_array().is_some_and(<[_]>::is_empty)
}

fn read_hosts(at: Cursor<'_>) -> Option<Vec<HostName>> {
    if is_empty(at.value()) {
        return at.error("needs at least one host");
    }
    let before = at.errors();
    // Those that are hosts are held against each other, whatever the others are.
    let hosts = list(at, |host| Some(HostName::decode(host)))?;
    // Each against each: only where it is known that there is something to be found.
    let suspects = if host::any_overlap(hosts.iter().flatten()) { hosts.as_slice() } else { &[] };
    for (index, host) in suspects.iter().enumerate() {
        let Some(host) = host else { continue };
        if let Some(other) = suspects.iter().take(index).flatten().find(|other| other.overlaps(host)) {
            let cure = "put one of them into a VirtualService of its own";
            at.element(index, |at| at.error::<()>(format_args!("`{host}` overlaps `{other}`: {cure}")));
        }
    }
    if at.errors() == before { hosts.into_iter().collect() } else { None }
}

fn read_rules(at: Cursor<'_>) -> Option<Vec<HttpRoute>> {
    if is_empty(at.value()) { at.error("needs at least one rule") } else { Decode::decode(at) }
}

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
