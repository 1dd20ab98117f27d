//! `destinations`: how a destination becomes one of Envoy's clusters.

use pointsman_wire::{Cursor, Decode, message};

use super::headers::HeaderName;
use super::route::check_port;

message! {
    /// How a destination becomes one of Envoy's clusters.
    pub struct Destinations = "destinations" {
        /// The request header that names the cluster: what Envoy's route says after `cluster_header`.
        header: Option<HeaderName> = "header",
        /// The cluster's name, with `{host}`, `{subset}` and `{port}`.
        cluster_name: Option<Template> = "clusterName",
        /// The port of a destination that names none, for templates with `{port}`.
        default_port: Option<u32> = "defaultPort",
        /// Destinations whose cluster has another name.
        clusters: Vec<ClusterOverride> = "clusters",
        /// `authority`: no cluster is named, `:authority` becomes the destination's host instead.
        by: Option<By> = "by",
    }
    check check_destinations;
}

fn check_destinations(this: &Destinations, at: Cursor<'_>) -> Option<()> {
    let before = at.errors();
    if let Some(port) = this.default_port {
        at.field("defaultPort", |at| check_port(at, port));
    }
    if this.header.as_ref().is_some_and(|header| *header.0 == *b"host") {
        at.field("header", |at| {
            at.error::<()>("a cluster's name in the Host would go to the service: use another header")
        });
    }
    if this.by.is_some() {
        for field in ["header", "clusterName", "clusters"] {
            let cure = "names clusters, and `by: authority` uses none: keep one of the two";
            at.field(field, |at| if at.value().is_null() { None } else { at.error::<()>(cure) });
        }
    }
    (at.errors() == before).then_some(())
}

message! {
    /// A destination whose cluster has a name of its own.
    pub struct ClusterOverride = "cluster" {
        /// The destination's host, as the policy writes it.
        host: String = "host",
        /// The destination's subset; empty: one without a subset.
        subset: String = "subset",
        /// The destination's port; absent: any.
        port: Option<u32> = "port",
        /// Envoy's name of the cluster.
        cluster: String = "cluster",
    }
    check check_override;
}

fn check_override(this: &ClusterOverride, at: Cursor<'_>) -> Option<()> {
    let before = at.errors();
    for (field, value) in [("host", &this.host), ("cluster", &this.cluster)] {
        if value.is_empty() {
            at.field(field, |at| at.error::<()>("is missing"));
        }
    }
    if let Some(port) = this.port {
        at.field("port", |at| check_port(at, port));
    }
    (at.errors() == before).then_some(())
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
        let text = String::decode(at)?;
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
