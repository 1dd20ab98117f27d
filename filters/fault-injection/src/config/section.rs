//! The sections of our own: `faults`, for whoever has no VirtualService, and `faultInjection`, which holds for all faults.

use std::collections::BTreeMap;

use pointsman_routes::config::{HeaderName, HttpMatchRequest, StringCondition, read_headers};
use pointsman_routes::names::is_token;
use pointsman_wire::{Cursor, Decode, Value, check_names, entry_name, list, map, message};

use super::{HttpFaultInjection, Percentage};
use crate::moment::Moment;

message! {
    /// What holds for all faults together, those of VirtualServices included.
    pub struct FaultInjectionSection = "faultInjection" {
        /// So many requests may have a fault at once, on all workers.
        max_active: Option<u32> = "maxActive",
        /// Of so many of all requests that were seen.
        max_percentage: Option<Percentage> = "maxPercentage" as read_max_percentage,
        /// The first moment at which there are faults.
        start_time: Option<Moment> = "startTime",
        /// The first at which there are none.
        end_time: Option<Moment> = "endTime",
        /// Of which requests.
        when: Option<When> = "when",
        /// Whether faults are only counted.
        shadow: bool = "shadow",
        /// The response header that says which fault hit; none: no response says so.
        response_header: Option<HeaderName> = "responseHeader",
    }
    check check_times;
}

impl Default for FaultInjectionSection {
    fn default() -> Self {
        let (start_time, end_time) = (None, None);
        let (max_active, max_percentage, when, response_header) = (None, None, None, None);
        Self { max_active, max_percentage, start_time, end_time, when, shadow: false, response_header }
    }
}

message! {
    /// A fault with a match of its own.
    pub struct FaultEntry = "Fault" {
        /// What it is called in metrics, details and the response header; empty: its place, such as `faults[2]`.
        name: String = "name" as read_name,
        /// One of them must hold; none at all: it is for every request.
        matches: Vec<HttpMatchRequest> = "match",
        /// What is done.
        fault: HttpFaultInjection = "fault",
        /// The first moment at which it is there.
        start_time: Option<Moment> = "startTime",
        /// The first at which it is no longer.
        end_time: Option<Moment> = "endTime",
        /// Of which requests.
        when: Option<When> = "when",
        /// Whether it is only counted, and the next one looked for.
        shadow: bool = "shadow",
    }
    check check_times;
}

message! {
    /// Whose requests: all conditions must hold.
    pub struct When = "when" {
        /// By header name: one line of it must match.
        headers: BTreeMap<String, StringCondition> = "headers" as read_when_headers,
        /// By cookie name: the first of its name must match.
        cookies: BTreeMap<String, StringCondition> = "cookies" as read_cookies,
    }
    check check_when;
}

fn read_name(at: Cursor<'_>) -> Option<String> {
    entry_name(at, "a fault")
}

/// Reads `faults`.
pub fn read_faults(at: Cursor<'_>) -> Option<Vec<FaultEntry>> {
    if at.value().is_null() {
        return Some(Vec::new());
    }
    check_names(at);
    list(at, FaultEntry::decode)
}

/// Nothing is 0 %, which is easily overlooked where it stops every fault.
fn read_max_percentage(at: Cursor<'_>) -> Option<Option<Percentage>> {
    if at.value().as_object().is_some_and(|object| object.iter().all(|(_, value)| value.is_null())) {
        return at.error("lets no fault be: it needs a value, such as {value: 5} for 5 %");
    }
    Option::<Percentage>::decode_or_absent(at)
}

/// In a match such a name can be a claim's.
fn read_when_headers(at: Cursor<'_>) -> Option<BTreeMap<String, StringCondition>> {
    let headers = read_headers(at)?;
    let before = at.errors();
    for name in headers.keys().filter(|name| name.starts_with('@')) {
        at.field(name, |at| at.error::<()>("is a claim, and here are headers alone: put it into the match of a fault"));
    }
    (at.errors() == before).then_some(headers)
}

fn read_cookies(at: Cursor<'_>) -> Option<BTreeMap<String, StringCondition>> {
    map(at, |name, at| {
        let condition = StringCondition::decode(at);
        if !is_token(name) {
            return at.error(format_args!("`{name}` is not a cookie's name"));
        }
        condition
    })
}

fn check_times(at: Cursor<'_>, _: bool) {
    let moment = |field: &str| {
        let report = Default::default();
        let value = at.value().get(field)?;
        // What is wrong with one was said when it was read.
        Moment::decode(Cursor::new(value, at.path(), &report))
    };
    if let (Some(start), Some(end)) = (moment("startTime"), moment("endTime"))
        && end <= start
    {
        at.field("endTime", |at| at.error::<()>("is not after startTime: there would never be a fault"));
    }
}

fn check_when(at: Cursor<'_>, all_known: bool) {
    let says = |field: &str| match at.value().get(field).and_then(Value::as_object) {
        Some(conditions) => conditions.iter().next().is_some(),
        None => at.has(field),
    };
    if all_known && !says("headers") && !says("cookies") {
        at.error::<()>("has no condition: it needs headers or cookies");
    }
}
