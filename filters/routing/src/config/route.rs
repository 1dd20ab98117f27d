//! HTTPRoute: a rule's conditions, and what it does.

use pointsman_wire::{Cursor, Decode, message};

use super::conditions::HttpMatchRequest;
use super::headers::{Headers, is_host};
use super::host;

message! {
    /// HTTPRoute.
    pub struct HttpRoute = "HTTPRoute" {
        /// The route's name in logs and explanations.
        name: String = "name",
        /// One of them must hold; none at all: the rule always matches.
        matches: Vec<HttpMatchRequest> = "match",
        /// Where the request goes.
        route: Vec<HttpRouteDestination> = "route",
        /// What is done to headers, whatever the destination.
        headers: Option<Headers> = "headers",
    }
    refused {
        "redirect": "not in this version yet",
        "directResponse": "not in this version yet",
        "rewrite": "not in this version yet",
        "timeout": "not in this version yet",
        "retries": "not in this version yet: rules have Istio's default retries",
        "mirror": "not in this version yet",
        "mirrors": "not in this version yet",
        "mirrorPercentage": "not in this version yet",
        "mirrorPercent": "not in this version yet; it is deprecated, too: use mirrorPercentage",
        "corsPolicy": "not in this version yet",
        "fault": "not in this version yet",
        "delegate": "a filter sees no other VirtualServices than those given to it: write the delegate's rules here",
    }
    check check_http_route;
}

fn check_http_route(this: &HttpRoute, at: Cursor<'_>) -> Option<()> {
    let headers = at.field("headers", |at| at.field("request", |at| check_host_rewrites(&this.headers, at)));
    let route = at.field("route", |route| {
        let weights = this.route.iter().map(|destination| u64::from(destination.weight.0));
        match this.route.len() {
            0 => route.error("needs at least one destination"),
            1 => Some(()),
            _ if weights.sum::<u64>() == 0 => route.error("the weights add up to 0: nothing would ever be chosen"),
            _ => Some(()),
        }
    });
    headers.and(route)
}

/// Of several rewrites of the host it would be a matter of names which one counts: Istio refuses them as well.
fn check_host_rewrites(headers: &Option<Headers>, at: Cursor<'_>) -> Option<()> {
    let Some(request) = headers.as_ref().and_then(|headers| headers.request.as_ref()) else {
        return Some(());
    };
    let operations = request.set.iter().chain(&request.add);
    let rewrites = operations.filter(|(name, value)| is_host(name) && !value.written.is_empty());
    let names: Vec<&str> = rewrites.map(|(name, _)| name.as_str()).collect();
    match names.len() {
        0 | 1 => Some(()),
        _ => at.error(format_args!("rewrites the host more than once ({}): keep one", names.join(", "))),
    }
}

message! {
    /// HTTPRouteDestination.
    pub struct HttpRouteDestination = "HTTPRouteDestination" {
        /// Where.
        destination: Destination = "destination",
        /// Its share, in relation to the sum of all weights of the rule.
        weight: Weight = "weight",
        /// What is done to headers if this destination is chosen.
        headers: Option<Headers> = "headers",
    }
}

message! {
    /// Destination.
    pub struct Destination = "Destination" {
        /// The service's host.
        host: String = "host",
        /// The subset, as a DestinationRule names it.
        subset: String = "subset",
        /// The service's port.
        port: Option<PortSelector> = "port",
    }
    check check_destination;
}

fn check_destination(this: &Destination, at: Cursor<'_>) -> Option<()> {
    let host = at.field("host", |at| match host::check(&this.host, false) {
        Ok(()) => Some(()),
        Err(why) => at.error(format_args!("`{}` {why}", this.host)),
    });
    let subset = at.field("subset", |at| {
        if this.subset.is_empty() || host::is_label(&this.subset) {
            return Some(());
        }
        at.error(format_args!(
            "`{}` is no subset's name, which is of letters, digits and `-`",
            this.subset
        ))
    });
    host.and(subset)
}

message! {
    /// PortSelector.
    pub struct PortSelector = "PortSelector" {
        /// 1 to 65535.
        number: u32 = "number",
    }
    check check_port_selector;
}

fn check_port_selector(this: &PortSelector, at: Cursor<'_>) -> Option<()> {
    at.field("number", |at| check_port(at, this.number))
}

/// Whether it is a TCP port.
pub(super) fn check_port(at: Cursor<'_>, number: u32) -> Option<()> {
    match number {
        1..=65535 => Some(()),
        _ => at.error(format_args!("{number} is not a port, expected 1 to 65535")),
    }
}

/// A destination's share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weight(pub u32);

impl Decode for Weight {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match i32::decode(at)? {
            weight @ 0.. => Some(Self(weight.unsigned_abs())),
            weight => at.error(format_args!("{weight} is not a weight, expected 0 or more")),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self(0))
    }
}
