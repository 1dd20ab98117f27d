//! `destinations`: how a destination becomes one of Envoy's clusters.

use pointsman_routes::config::{HeaderName, read_port};
use pointsman_wire::{Cursor, Decode, Value, message};

use super::answers::header_text;

message! {
    /// How a destination becomes one of Envoy's clusters.
    pub struct Destinations = "destinations" {
        /// The request header that names the cluster: what Envoy's route says after `cluster_header`.
        header: Option<HeaderName> = "header" as read_header,
        /// The cluster's name, with `{host}`, `{subset}` and `{port}`.
        cluster_name: Option<Template> = "clusterName",
        /// The port of a destination that names none, for templates with `{port}`.
        default_port: Option<u32> = "defaultPort" as read_port,
        /// Destinations whose cluster has another name.
        clusters: Vec<ClusterOverride> = "clusters",
        /// `authority`: no cluster is named, `:authority` becomes the destination's host instead.
        by: Option<By> = "by",
    }
    check check_destinations;
}

fn read_header(at: Cursor<'_>) -> Option<Option<HeaderName>> {
    match Option::<HeaderName>::decode_or_absent(at)? {
        Some(header) if *header.0 == *b"host" => {
            at.error("a cluster's name in the Host would go to the service: use another header")
        }
        header => Some(header),
    }
}

fn check_destinations(at: Cursor<'_>, _: bool) {
    if at.value().get("by").and_then(Value::as_str) != Some("authority") {
        return;
    }
    for field in ["header", "clusterName", "clusters"] {
        let cure = "names clusters, and `by: authority` uses none: keep one of the two";
        at.field(field, |at| if at.value().is_null() { None } else { at.error::<()>(cure) });
    }
}

message! {
    /// A destination whose cluster has a name of its own.
    pub struct ClusterOverride = "cluster" {
        /// The destination's host, as the policy writes it.
        host: String = "host" as read_required,
        /// The destination's subset; empty: one without a subset.
        subset: String = "subset",
        /// The destination's port; absent: any.
        port: Option<u32> = "port" as read_port,
        /// Envoy's name of the cluster.
        cluster: String = "cluster" as read_required,
    }
}

fn read_required(at: Cursor<'_>) -> Option<String> {
    let text = header_text(at)?;
    if text.is_empty() { at.error("is missing") } else { Some(text) }
}

/// How Envoy is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Existing routes choose by the host.
    Authority,
}

impl Decode for By {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("authority") => Some(Self::Authority),
            _ => at.mismatch("`authority`"),
        }
    }
}

/// A cluster name with `{host}`, `{subset}` and `{port}`.
#[derive(Clone, Debug)]
pub struct Template(pub Vec<Part>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Literal(String),
    /// The destination's host.
    Host,
    /// The destination's subset; empty if it has none.
    Subset,
    /// The destination's port.
    Port,
}

impl Template {
    /// Istio's own form.
    pub fn istio() -> Self {
        let bar = || Part::Literal("|".into());
        Self(vec![Part::Literal("outbound|".into()), Part::Port, bar(), Part::Subset, bar(), Part::Host])
    }
}

impl Decode for Template {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let text = header_text(at)?;
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else {
                return at.error(format_args!("`{{{after}` has no closing brace"));
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            parts.push(match name {
                "host" => Part::Host,
                "subset" => Part::Subset,
                "port" => Part::Port,
                _ => {
                    return at
                        .error(format_args!("`{{{name}}}` is unknown; known here: {{host}}, {{subset}}, {{port}}"));
                }
            });
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        if !parts.iter().any(|part| matches!(part, Part::Host | Part::Subset)) {
            return at.error("needs {host} or {subset}: otherwise all destinations would be one cluster");
        }
        Some(Self(parts))
    }
}
