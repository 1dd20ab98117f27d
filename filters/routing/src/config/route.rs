//! HTTPRoute: a rule's conditions, and what it does.

use std::fmt;

use pointsman_routes::config::{check_host, is_empty, is_host, is_label, read_port};
use pointsman_wire::{Cursor, Decode, Number, Value, message, number, whole, whole_if_any};

use super::answers::{HttpDirectResponse, HttpRedirect};
use super::cors::CorsPolicy;
use super::headers::Headers;
use super::policy::{HttpMirror, HttpRetry, Percent, Timeout};
use super::rewrite::HttpRewrite;
use super::sticky::Sticky;
use crate::router_policy::MIRROR_HEADERS;

message! {
    /// What routing reads of an HTTPRoute. It does exactly one of three things: `route`, `redirect` or `directResponse`.
    pub struct HttpRoute = "HTTPRoute" {
        /// Where the request goes.
        route: Vec<HttpRouteDestination> = "route" as read_route,
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
        mirror_percent: Option<u32> = "mirrorPercent" as read_percent,
        /// Where copies go.
        mirrors: Vec<HttpMirror> = "mirrors" as read_mirrors,
        /// Which other origins' pages may see the answers.
        cors_policy: Option<CorsPolicy> = "corsPolicy",
        /// What is done to headers, whatever the destination.
        headers: Option<Headers> = "headers",
        /// By what a client stays with its destination. Ours, Istio has no such thing.
        sticky: Option<Sticky> = "sticky",
    }
    check check_http_route;
}

/// Rules of a rule as it is written.
fn check_http_route(at: Cursor<'_>, all_known: bool) {
    let has = |field: &str| at.value().get(field).is_some_and(|value| !is_empty(value));
    match ["route", "redirect", "directResponse"].into_iter().filter(|action| has(action)).count() {
        0 if all_known => at.error::<()>("does nothing: it needs one of route, redirect and directResponse"),
        0 | 1 => None,
        _ => at.error("does more than one of route, redirect and directResponse: keep one"),
    };
    if has("redirect") || has("directResponse") {
        check_answers(at);
    }
    if has("mirror") && has("mirrors") {
        at.error::<()>("has both mirror and mirrors: keep one");
    }
    check_host_rewrites(at);
    let one = |list: &Value<'_>| list.as_array().is_some_and(|list| list.len() == 1);
    if has("sticky") && at.value().get("route").is_some_and(one) {
        at.field("sticky", |at| at.warning("has no effect: there is only one destination"));
    }
}

/// What cannot stand beside a redirect or a direct response, and what has no effect there.
fn check_answers(at: Cursor<'_>) {
    let get = |field: &str| at.value().get(field).filter(|value| !is_empty(value));
    let has_prefix = |entry: &Value<'_>| match entry.get("uri") {
        None | Some(Value::Null) => true,
        Some(uri) => uri.get("prefix").is_some_and(|prefix| !prefix.is_null()),
    };
    let entries = get("match").and_then(Value::as_array).unwrap_or_default();
    at.field("redirect", |at| {
        if at.value().get("prefixRewrite").is_some_and(|prefix| !prefix.is_null()) && !entries.iter().all(has_prefix) {
            let cure = "needs `uri: {prefix: …}` in every match, for there must be a prefix to be replaced";
            at.field("prefixRewrite", |at| at.error::<()>(cure));
        }
    });
    if get("route").is_some() {
        return;
    }
    for field in ["rewrite", "timeout", "retries", "mirror", "mirrors", "corsPolicy", "sticky"] {
        at.field(field, |at| match field {
            _ if is_empty(at.value()) => {}
            "rewrite" => drop(at.error::<()>("has no place where nothing is routed: leave it out")),
            _ => at.warning("has no effect: nothing is routed here"),
        });
    }
}

fn read_route(at: Cursor<'_>) -> Option<Vec<HttpRouteDestination>> {
    let route: Vec<HttpRouteDestination> = Decode::decode_or_absent(at)?;
    if route.len() > 1 && route.iter().all(|destination| destination.weight.0 == 0) {
        return at.error("the weights add up to 0: nothing would ever be chosen");
    }
    Some(route)
}

const MOST_MIRRORS: usize = MIRROR_HEADERS.len();

fn read_mirrors(at: Cursor<'_>) -> Option<Vec<HttpMirror>> {
    let mirrors = Decode::decode_or_absent(at);
    if at.value().as_array().is_some_and(|mirrors| mirrors.len() > MOST_MIRRORS) {
        return at.error(format_args!("are more than {MOST_MIRRORS}, which is all Envoy can be told"));
    }
    mirrors
}

fn read_percent(at: Cursor<'_>) -> Option<Option<u32>> {
    whole_if_any(at, 0, 100, &"is not a percentage, expected 0 to 100")
}

/// Of several rewrites of the host it would be a matter of names which one counts: Istio refuses them as well.
fn check_host_rewrites(at: Cursor<'_>) {
    let value = at.value();
    let request = value.get("headers").and_then(|headers| headers.get("request"));
    let operations = ["set", "add"].into_iter().filter_map(|field| request?.get(field)?.as_object());
    let names = operations.flat_map(|operations| operations.iter().map(|(name, _)| name));
    let mut names: Vec<&str> = names.filter(|name| is_host(name)).collect();
    let authority = value.get("rewrite").and_then(|rewrite| rewrite.get("authority")).and_then(Value::as_str);
    if authority.is_some_and(|authority| !authority.is_empty()) {
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
        host: String = "host" as read_host,
        /// The subset, as a DestinationRule names it.
        subset: String = "subset" as read_subset,
        /// The service's port.
        port: Option<PortSelector> = "port",
    }
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

fn read_host(at: Cursor<'_>) -> Option<String> {
    let host = String::decode_or_absent(at)?;
    if host.is_empty() {
        return at.error("is missing");
    }
    match check_host(&host, false) {
        Ok(()) => Some(host),
        Err(why) => at.error(format_args!("`{host}` {why}")),
    }
}

fn read_subset(at: Cursor<'_>) -> Option<String> {
    let subset = String::decode_or_absent(at)?;
    if subset.is_empty() || is_label(&subset) {
        return Some(subset);
    }
    at.error(format_args!("`{subset}` is no subset's name, which is of letters, digits and `-`"))
}

message! {
    /// PortSelector.
    pub struct PortSelector = "PortSelector" {
        /// 1 to 65535.
        number: u32 = "number" as read_number,
    }
}

fn read_number(at: Cursor<'_>) -> Option<u32> {
    read_port(at)?.or_else(|| at.error("is missing"))
}

/// A destination's share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weight(pub u32);

impl Decode for Weight {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        if matches!(number(at.value()), Some(Number::Whole(..0) | Number::Double(..0.0))) {
            return at.error(format_args!("{} is not a weight, expected 0 or more", at.value()));
        }
        whole(at, 0, i32::MAX.into()).and_then(|weight| weight.try_into().ok()).map(Self)
    }

    fn absent() -> Option<Self> {
        Some(Self(0))
    }
}
