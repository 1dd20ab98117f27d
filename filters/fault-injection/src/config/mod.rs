//! The wire types: what stands in the configuration, checked as Istio's own validation would.

mod abort;
mod delay;
mod percentage;
mod section;
#[cfg(test)]
mod tests;
mod throughput;

pub use abort::{Abort, AbortFields, Status};
pub use delay::{Delay, DelayFields};
pub use percentage::{Percentage, PercentageFields};
pub use section::{FaultEntry, FaultInjectionSection, When, read_faults};
pub use throughput::{KibPerSecond, Throughput, ThroughputFields};

use pointsman_wire::{Cursor, Decode, message};

message! {
    /// What fault injection reads of an HTTPRoute.
    pub struct RuleFault = "HTTPRoute" {
        /// What is done to requests that meet the rule.
        fault: Option<HttpFaultInjection> = "fault",
    }
    check check_rule;
}

fn check_rule(at: Cursor<'_>, _: bool) {
    for answer in ["redirect", "directResponse"] {
        if at.has("fault") && at.has(answer) {
            let why = format!("cannot stand beside {answer}, which Istio refuses as well: nothing is routed here");
            at.field("fault", |at| at.error::<()>(why));
        }
    }
}

message! {
    /// HTTPFaultInjection.
    pub struct HttpFaultInjection = "HTTPFaultInjection" {
        /// Requests wait.
        delay: Option<Delay> = "delay",
        /// Requests are answered with an error, and no upstream sees them.
        abort: Option<Abort> = "abort",
        /// Responses are slow. Ours, Istio has no such thing; Envoy calls it `response_rate_limit`.
        throughput: Option<Throughput> = "throughput",
    }
    check check_fault;
}

fn check_fault(at: Cursor<'_>, all_known: bool) {
    if all_known && ["delay", "abort", "throughput"].iter().all(|fault| !at.has(fault)) {
        at.error::<()>("does nothing: it needs at least one of delay, abort and throughput");
    }
}

/// A fault, and to how many requests it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<T> {
    /// How long, with which status, how slow.
    pub measure: Measure<T>,
    /// Of how many requests.
    pub percentage: Percentage,
}

/// Where a fault's measure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure<T> {
    /// It is configured.
    Fixed(T),
    /// The request brings it in a header, and its own percentage if it likes.
    Header,
}

/// `{}`: the measure comes with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromHeader;

impl Decode for FromHeader {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_object() {
            Some(object) if object.is_empty() => Some(Self),
            Some(_) => at.error("has fields, expected {}: all else comes with the request"),
            None => at.mismatch("{}"),
        }
    }
}

/// What the fields say, of which [`check_one`](pointsman_wire::check_one) has seen that there is exactly one.
fn measure<T>(fixed: Option<T>, header: Option<FromHeader>) -> Option<Measure<T>> {
    fixed.map(Measure::Fixed).or(header.map(|_| Measure::Header))
}

/// Without a percentage a fault is done to nobody, which is easily overlooked.
fn check_percentage(at: Cursor<'_>, all_known: bool) {
    if all_known && !at.has("percentage") {
        at.warning("has no effect: without a percentage it is 0 %; `percentage: {value: 100}` is every request");
    }
}
