//! What is counted, and by which labels.

use std::collections::BTreeMap;

use pointsman_wire::{Cursor, Decode, check_at_most_one, map, message};

use super::source::read_expression_if_any;
use super::{Mode, Source};

message! {
    /// Istio's Metrics.
    pub struct Metrics = "Metrics" {
        /// What is different from the standard, in order.
        overrides: Vec<MetricsOverrides> = "overrides",
    }
    inert {
        "providers": "metrics are Envoy's own: who scrapes it gets them",
        "reportingInterval": "metrics are Envoy's own, and always there",
    }
}

message! {
    /// Istio's MetricsOverrides.
    pub struct MetricsOverrides = "MetricsOverrides" {
        /// Which metrics.
        of: Option<MetricSelector> = "match",
        /// Whether they are counted; `None`: as before.
        disabled: Option<bool> = "disabled",
        /// By which labels.
        tag_overrides: BTreeMap<String, TagOverride> = "tagOverrides" as read_tags,
    }
}

message! {
    /// As it is written.
    pub struct MetricSelector = "MetricSelector" {
        /// One of Istio's.
        metric: Selected = "metric",
        /// Whom it is for.
        mode: Mode = "mode",
    }
    refused {
        "customMetric": "there are Istio's standard metrics alone: use `metric`",
    }
    check check_selector;
}

fn check_selector(at: Cursor<'_>, _: bool) {
    check_at_most_one(at, &["metric", "customMetric"]);
}

/// Istio's standard metrics of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standard {
    /// `istio_requests_total`.
    RequestCount,
    /// `istio_request_duration_milliseconds`.
    RequestDuration,
    /// `istio_request_bytes`.
    RequestSize,
    /// `istio_response_bytes`.
    ResponseSize,
    /// `istio_request_messages_total`.
    GrpcRequestMessages,
    /// `istio_response_messages_total`.
    GrpcResponseMessages,
}

impl Standard {
    /// All, with their names in Istio's API and in Prometheus.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::RequestCount, "REQUEST_COUNT", "istio_requests_total"),
        (Self::RequestDuration, "REQUEST_DURATION", "istio_request_duration_milliseconds"),
        (Self::RequestSize, "REQUEST_SIZE", "istio_request_bytes"),
        (Self::ResponseSize, "RESPONSE_SIZE", "istio_response_bytes"),
        (Self::GrpcRequestMessages, "GRPC_REQUEST_MESSAGES", "istio_request_messages_total"),
        (Self::GrpcResponseMessages, "GRPC_RESPONSE_MESSAGES", "istio_response_messages_total"),
    ];
}

/// Which metrics an override is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selected {
    /// All of them.
    #[default]
    All,
    /// That one.
    One(Standard),
    /// One of connections, which a filter of requests does not count.
    OfTcp,
}

impl Decode for Selected {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let name = at.value().as_str();
        if name == Some("ALL_METRICS") {
            return Some(Self::All);
        }
        if name.is_some_and(|name| name.starts_with("TCP_")) {
            at.warning("has no effect: a filter of requests counts no connections");
            return Some(Self::OfTcp);
        }
        let found = Standard::ALL.iter().find(|(_, known, _)| Some(*known) == name);
        match found {
            Some((standard, _, _)) => Some(Self::One(*standard)),
            None => {
                let known: Vec<&str> = Standard::ALL.iter().map(|(_, name, _)| *name).collect();
                at.error(format_args!(
                    "{} is no metric, expected ALL_METRICS or one of {}",
                    at.value(),
                    known.join(", ")
                ))
            }
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

message! {
    /// As it is written.
    pub struct TagOverrideFields = "TagOverride" {
        /// What is done with the label.
        operation: Operation = "operation",
        /// Its value, in CEL.
        value: Option<String> = "value" as read_expression_if_any,
        /// Or where it comes from. Ours.
        from: Option<Source> = "from",
    }
    check check_tag;
}

/// What is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// It is there, with that value.
    #[default]
    Upsert,
    /// It is not there.
    Remove,
}

impl Decode for Operation {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("UPSERT") => Some(Self::Upsert),
            Some("REMOVE") => Some(Self::Remove),
            _ => at.error(format_args!("{} is no operation, expected UPSERT or REMOVE", at.value())),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// What becomes of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOverride {
    /// It has the value that comes from there.
    Upsert(Source),
    /// It is not there.
    Remove,
}

fn check_tag(at: Cursor<'_>, all_known: bool) {
    check_at_most_one(at, &["value", "from"]);
    let is_removed = at.value().get("operation").and_then(pointsman_wire::Value::as_str) == Some("REMOVE");
    let has_value = at.has("value") || at.has("from");
    if is_removed && has_value {
        at.error::<()>("is removed: it has no value then");
    }
    if all_known && !is_removed && !has_value {
        at.field("value", |at| at.error::<()>("is missing: what a label is, in CEL, such as `request.host`"));
    }
}

impl Decode for TagOverride {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = TagOverrideFields::decode(at)?;
        let of_value = |text| Source { from: super::source::From::Expression(text), default: None };
        match (fields.operation, fields.from.or(fields.value.map(of_value))) {
            (Operation::Remove, _) => Some(Self::Remove),
            (Operation::Upsert, source) => source.map(Self::Upsert),
        }
    }
}

/// A label's name, as Prometheus has it.
fn read_tags(at: Cursor<'_>) -> Option<BTreeMap<String, TagOverride>> {
    map(at, |name, at| {
        let tag = TagOverride::decode(at);
        let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
        let is_name = name.as_bytes().first().is_some_and(is_first)
            && name.bytes().all(|byte| is_first(&byte) || byte.is_ascii_digit());
        if is_name { tag } else { at.error(format_args!("`{name}` is no label's name: letters, digits and `_`")) }
    })
}
