//! The wire types: what stands in the configuration, in Istio's words, checked as Istio's own validation would.
//!
//! A rule of a VirtualService is one object, of which each filter reads its own fields; here are those that all share.

mod conditions;
mod header_name;
mod host;
mod http_route;

pub use conditions::{HttpMatchRequest, StringCondition, StringMatch, read_headers};
pub use header_name::{HeaderName, check_name, is_host};
pub use host::{HostName, bracketed, check as check_host, is_label};
pub use http_route::{HTTP_ROUTE, HttpRoute, OF_FILTERS, RuleParts, missing_filter};

use pointsman_wire::{Cursor, Decode, Field, Kind, Message, Others, Value, list, message, whole_if_any};

message! {
    /// What a VirtualService's fields are but for its rules, which are read by whoever knows all filters.
    struct Frame = "VirtualService" {
        /// For which hosts its rules are.
        hosts: Vec<HostName> = "hosts" as read_hosts,
        /// At which gateways; none is `mesh`, the sidecars.
        gateways: Vec<String> = "gateways",
        /// Its rules, in order.
        http: () = "http" as leave,
    }
    inert {
        "exportTo": "a filter runs the policy that it is given, of whichever namespace",
        "tcp": "this filter sees HTTP alone; TCP is for Envoy's own tcp_proxy",
        "tls": "this filter sees HTTP alone; TLS passthrough is for Envoy's own filter chains",
    }
}

/// networking.istio.io VirtualService, with those parts of its rules that the filters of a module read.
#[derive(Clone, Debug)]
pub struct VirtualService<P> {
    /// For which hosts its rules are.
    pub hosts: Vec<HostName>,
    /// At which gateways; none is `mesh`, the sidecars.
    pub gateways: Vec<String>,
    /// Its rules, in order.
    pub http: Vec<HttpRoute<P>>,
}

impl<P: RuleParts> Message for VirtualService<P> {
    const NAME: &'static str = Frame::NAME;
    const FIELDS: &'static [Field] = Frame::FIELDS;

    fn decode_beside(at: Cursor<'_>, others: Others<'_>) -> Option<Self> {
        let frame = Frame::decode_beside(at, others);
        let http = if at.value().as_object().is_some() { at.field("http", read_rules) } else { None };
        let Frame { hosts, gateways, http: () } = frame?;
        Some(Self { hosts, gateways, http: http? })
    }
}

impl<P: RuleParts> Decode for VirtualService<P> {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        Self::decode_beside(at, Others::default())
    }
}

impl<P: RuleParts> Kind for VirtualService<P> {
    const KIND: &'static str = "VirtualService";
    const GROUP: &'static str = "networking.istio.io";
}

fn leave(_: Cursor<'_>) -> Option<()> {
    Some(())
}

/// Whether nothing stands there, or an empty list.
pub fn is_empty(value: &Value<'_>) -> bool {
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

fn read_rules<P: RuleParts>(at: Cursor<'_>) -> Option<Vec<HttpRoute<P>>> {
    if is_empty(at.value()) { at.error("needs at least one rule") } else { Decode::decode(at) }
}

/// A TCP port, or none.
pub fn read_port(at: Cursor<'_>) -> Option<Option<u32>> {
    whole_if_any(at, 1, 65_535, &"is not a port, expected 1 to 65535")
}
