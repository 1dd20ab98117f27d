//! The wire types: Istio's Telemetry, and what is ours beside it.

mod access_logging;
mod metrics;
mod source;
#[cfg(test)]
mod tests;
mod tracing;

pub use access_logging::{AccessLogging, Filter};
pub use metrics::{Metrics, MetricsOverrides, Operation, Selected, Standard, TagOverride};
pub use source::{Source, SourceFields};
pub use tracing::{Propagation, Tracing};

use std::collections::BTreeMap;

use pointsman_routes::config::check_name;
use pointsman_wire::{Cursor, Decode, Kind, map, message, whole_if_any};

message! {
    /// A Telemetry's spec.
    pub struct Telemetry = "Telemetry" {
        /// How requests are traced.
        tracing: Vec<Tracing> = "tracing",
        /// What is counted.
        metrics: Vec<Metrics> = "metrics",
        /// Which requests a log is to tell of.
        access_logging: Vec<AccessLogging> = "accessLogging",
        /// Which headers carry the trace context. Ours.
        propagators: Option<Propagation> = "propagators",
        /// Forms of paths, for labels without a flood of values. Ours.
        path_templates: Vec<String> = "pathTemplates",
        /// So many label sets each metric has at most; all others are one. Ours.
        max_label_sets: Option<u32> = "maxLabelSets" as read_max_label_sets,
        /// What the upstream is told. Ours.
        request_headers: BTreeMap<String, Source> = "requestHeaders" as read_headers,
        /// What the client is told. Ours.
        response_headers: BTreeMap<String, Source> = "responseHeaders" as read_headers,
        /// What access logs are told, by its name there. Ours.
        access_log: BTreeMap<String, Source> = "accessLog" as read_attributes,
    }
    inert {
        "selector": "it is for the proxy that has it",
        "targetRef": "it is for the proxy that has it",
        "targetRefs": "it is for the proxy that has it",
    }
}

impl Kind for Telemetry {
    const KIND: &'static str = "Telemetry";
    const GROUP: &'static str = "telemetry.istio.io";
}

/// The most label sets that a metric may have: each is a line of every scrape, and half a millisecond when it comes.
const MOST_LABEL_SETS: u32 = 10_000;

fn read_max_label_sets(at: Cursor<'_>) -> Option<Option<u32>> {
    whole_if_any(at, 1, MOST_LABEL_SETS, &format_args!("is no number of label sets, expected 1 to {MOST_LABEL_SETS}"))
}

fn read_headers(at: Cursor<'_>) -> Option<BTreeMap<String, Source>> {
    let headers = map(at, |name, at| {
        let source = Source::decode(at);
        check_name(at, name)?;
        source
    })?;
    Some(headers.into_iter().map(|(name, source)| (name.to_ascii_lowercase(), source)).collect())
}

fn read_attributes(at: Cursor<'_>) -> Option<BTreeMap<String, Source>> {
    map(at, |name, at| {
        let source = Source::decode(at);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return at.error(format_args!("`{name}` is no attribute's name: letters, digits and `_`"));
        }
        source
    })
}

/// Whom an entry is for, by the direction of the listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Both.
    #[default]
    ClientAndServer,
    /// Whoever sends requests on: outbound listeners, and gateways.
    Client,
    /// Whoever takes them for a workload: inbound listeners.
    Server,
}

impl Decode for Mode {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("CLIENT_AND_SERVER" | "UNDEFINED") => Some(Self::ClientAndServer),
            Some("CLIENT") => Some(Self::Client),
            Some("SERVER") => Some(Self::Server),
            _ => at.error(format_args!("{} is no mode, expected CLIENT, SERVER or CLIENT_AND_SERVER", at.value())),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
