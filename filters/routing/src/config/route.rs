//! HTTPRoute: a rule's conditions, and what it does.

use std::fmt;

use pointsman_wire::{Cursor, Decode, Value, message, whole};

use super::answers::{HttpDirectResponse, HttpRedirect};
use super::conditions::{HttpMatchRequest, StringCondition};
use super::cors::CorsPolicy;
use super::headers::{Headers, is_host};
use super::host;
use super::policy::{HttpMirror, HttpRetry, Percent, Timeout};
use super::rewrite::HttpRewrite;
use super::sticky::Sticky;
use crate::router_policy::MIRROR_HEADERS;

message! {
    /// HTTPRoute. It does exactly one of three things: `route`, `redirect` or `directResponse`.
    pub struct HttpRoute = "HTTPRoute" {
        /// The route's name in logs and explanations.
        name: String = "name",
        /// One of them must hold; none at all: the rule always matches.
        matches: Vec<HttpMatchRequest> = "match",
        /// Where the request goes.
        route: Vec<HttpRouteDestination> = "route",
        /// Where the client shall go instead.
        redirect: Option<HttpRedirect> = "redirect",
        /// What the client is answered.
        direct_response: Option<HttpDirectResponse> = "directResponse",
        /// What becomes of path and host.
        rewrite: Option<HttpRewrite> = "rewrite",
        /// How long the answer may take, retries included; none: as long as it takes.
        timeout: Option<Timeout> = "timeout",
        /// Further tries; absent: Istio's default.
        retries: Option<HttpRetry> = "retries",
        /// Where a copy goes.
        mirror: Option<Destination> = "mirror",
        /// How many requests are copied there.
        mirror_percentage: Option<Percent> = "mirrorPercentage",
        /// The same, in whole numbers, as older policies have it.
        mirror_percent: Option<u32> = "mirrorPercent",
        /// Where copies go.
        mirrors: Vec<HttpMirror> = "mirrors",
        /// Which other origins' pages may see the answers.
        cors_policy: Option<CorsPolicy> = "corsPolicy",
        /// What is done to headers, whatever the destination.
        headers: Option<Headers> = "headers",
        /// By what a client stays with its destination. Ours, Istio has no such thing.
        sticky: Option<Sticky> = "sticky",
    }
    refused {
        "fault": "there is no fault filter in this version yet",
        "delegate": "a filter sees no other VirtualServices than those given to it: write the delegate's rules here",
    }
    check check_http_route;
}

fn check_http_route(this: &HttpRoute, at: Cursor<'_>) -> Option<()> {
    let before = at.errors();
    let actions = [!this.route.is_empty(), this.redirect.is_some(), this.direct_response.is_some()];
    match actions.into_iter().filter(|action| *action).count() {
        0 => at.error::<()>("does nothing: it needs one of route, redirect and directResponse"),
        1 => None,
        _ => at.error("does more than one of route, redirect and directResponse: keep one"),
    };
    check_destinations(this, at);
    check_answers(this, at);
    check_mirrors(this, at);
    check_host_rewrites(this, at);
    (at.errors() == before).then_some(())
}

fn check_destinations(this: &HttpRoute, at: Cursor<'_>) {
    let weights = this.route.iter().map(|destination| u64::from(destination.weight.0));
    if this.route.len() > 1 && weights.sum::<u64>() == 0 {
        at.field("route", |at| at.error::<()>("the weights add up to 0: nothing would ever be chosen"));
    }
}

/// What cannot stand beside a redirect or a direct response, and what has no effect there.
fn check_answers(this: &HttpRoute, at: Cursor<'_>) {
    if this.route.is_empty() && this.rewrite.is_some() {
        at.field("rewrite", |at| at.error::<()>("has no place where nothing is routed: leave it out"));
    }
    if let Some(redirect) = &this.redirect
        && redirect.prefix_rewrite.is_some()
        && !this.matches.iter().all(|entry| matches!(entry.uri, None | Some(StringCondition::Prefix(_))))
    {
        let cure = "needs `uri: {prefix: …}` in every match, for there must be a prefix to be replaced";
        at.field("redirect", |at| at.field("prefixRewrite", |at| at.error::<()>(cure)));
    }
    if this.route.is_empty() {
        for field in ["timeout", "retries", "mirror", "mirrors", "corsPolicy", "sticky"] {
            at.field(field, |at| match at.value() {
                Value::Null => {}
                Value::Array(list) if list.is_empty() => {}
                _ => at.warning("has no effect: nothing is routed here"),
            });
        }
    }
    if this.sticky.is_some() && this.route.len() == 1 {
        at.field("sticky", |at| at.warning("has no effect: there is only one destination"));
    }
}

const MOST_MIRRORS: usize = MIRROR_HEADERS.len();

fn check_mirrors(this: &HttpRoute, at: Cursor<'_>) {
    if this.mirror.is_some() && !this.mirrors.is_empty() {
        at.error::<()>("has both mirror and mirrors: keep one");
    }
    if this.mirrors.len() > MOST_MIRRORS {
        at.field("mirrors", |at| {
            at.error::<()>(format_args!("are more than {MOST_MIRRORS}, which is all Envoy can be told"))
        });
    }
    if let Some(percent @ 101..) = this.mirror_percent {
        at.field("mirrorPercent", |at| {
            at.error::<()>(format_args!("{percent} is not a percentage, expected 0 to 100"))
        });
    }
}

/// Of several rewrites of the host it would be a matter of names which one counts: Istio refuses them as well.
fn check_host_rewrites(this: &HttpRoute, at: Cursor<'_>) {
    let request = this.headers.as_ref().and_then(|headers| headers.request.as_ref());
    let operations = request.into_iter().flat_map(|request| request.set.iter().chain(&request.add));
    let mut names: Vec<&str> = operations.map(|(name, _)| name.as_str()).filter(|name| is_host(name)).collect();
    if this.rewrite.as_ref().is_some_and(|rewrite| !rewrite.authority.is_empty()) {
        names.push("rewrite.authority");
    }
    if names.len() > 1 {
        let why = format!("rewrites the host more than once ({}): keep one", names.join(", "));
        at.field("headers", |at| at.field("request", |at| at.error::<()>(why)));
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

/// `HOST:PORT subset SUBSET`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if let Some(port) = &self.port {
            write!(f, ":{}", port.number)?;
        }
        match self.subset.as_str() {
            "" => Ok(()),
            subset => write!(f, " subset {subset}"),
        }
    }
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
        at.error(format_args!("`{}` is no subset's name, which is of letters, digits and `-`", this.subset))
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
        if at.value().as_f64().is_some_and(|weight| weight < 0.0) {
            return at.error(format_args!("{} is not a weight, expected 0 or more", at.value()));
        }
        whole(at, 0, i32::MAX.into()).and_then(|weight| weight.try_into().ok()).map(Self)
    }

    fn absent() -> Option<Self> {
        Some(Self(0))
    }
}
