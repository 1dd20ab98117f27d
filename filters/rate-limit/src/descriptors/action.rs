//! What of a request becomes an entry of its descriptor.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use pointsman_filter::Destination;
use pointsman_host::Host;
use pointsman_http::Template;

use super::condition::{HeaderCondition, QueryCondition};
use super::{Made, View, address, attribute, query};

/// An action: a key, and where the value comes from.
#[derive(Clone, Debug)]
pub struct Action {
    key: Box<[u8]>,
    source: Source,
    /// Whether the descriptor does without the entry if there is no value.
    is_optional: bool,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The first line of that header.
    Header(Rc<[u8]>),
    /// The first query parameter of that name, percent-decoded.
    Query(Box<[u8]>),
    /// Nowhere: it is always this.
    Text(Box<[u8]>),
    /// It is this, if it is as expected whether all conditions on headers hold.
    HeaderMatch {
        /// On headers.
        conditions: Vec<HeaderCondition>,
        /// Whether they are to hold.
        expected: bool,
        /// The value.
        value: Box<[u8]>,
    },
    /// It is this, if it is as expected whether all conditions on query parameters hold.
    QueryMatch {
        /// On query parameters.
        conditions: Vec<QueryCondition>,
        /// Whether they are to hold.
        expected: bool,
        /// The value.
        value: Box<[u8]>,
    },
    /// The template that the path matches, or its segment at that place.
    Path {
        /// What the path is to match.
        template: Template,
        /// The segment's place.
        variable: Option<usize>,
    },
    /// The client's address.
    Address,
    /// So many bits of it.
    Network {
        /// Of IPv4.
        v4: u8,
        /// Of IPv6.
        v6: u8,
    },
    /// The cluster that the request goes to.
    DestinationCluster,
    /// The cluster that this proxy belongs to.
    SourceCluster,
    /// The text that is the attribute of that path; an empty one is none.
    Attribute {
        /// As [`Host::property`] takes it.
        path: Vec<String>,
        /// What it is if there is none.
        default: Option<Box<[u8]>>,
    },
}

impl Source {
    /// Always that text.
    pub fn text(text: String) -> Self {
        Self::Text(text.into_bytes().into())
    }

    /// The query parameter of that name.
    pub fn query(name: String) -> Self {
        Self::Query(name.into_bytes().into())
    }
}

impl Action {
    /// An entry of that key, without which there is no descriptor.
    pub fn new(key: impl Into<String>, source: Source) -> Self {
        Self { key: key.into().into_bytes().into(), source, is_optional: false }
    }

    /// Whether there is a descriptor without it.
    pub fn optional(self, is_optional: bool) -> Self {
        Self { is_optional, ..self }
    }

    /// The entry's key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether there may be a descriptor without the entry.
    pub fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// The one value that it can have, if it has no other.
    pub fn fixed(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Text(value) | Source::HeaderMatch { value, .. } | Source::QueryMatch { value, .. } => Some(value),
            Source::Path { template, variable: None } => Some(template.text()),
            _ => None,
        }
    }

    /// Whether it can make such an entry; an empty value is any.
    pub fn can_make(&self, key: &[u8], value: &[u8]) -> bool {
        self.key() == key && (value.is_empty() || self.fixed().is_none_or(|fixed| fixed == value))
    }

    /// Whether the proxy has to be asked: the headers do not say it.
    pub(super) fn asks(&self) -> bool {
        match self.source {
            Source::Header(_)
            | Source::Query(_)
            | Source::Text(_)
            | Source::HeaderMatch { .. }
            | Source::QueryMatch { .. }
            | Source::Path { .. } => false,
            Source::Address
            | Source::Network { .. }
            | Source::DestinationCluster
            | Source::SourceCluster
            | Source::Attribute { .. } => true,
        }
    }

    /// What it makes of the headers.
    pub(super) fn look<'a>(&'a self, view: &View<'a>) -> Made<'a> {
        let only_if = |holds: bool, value: &'a [u8]| holds.then_some(Cow::Borrowed(value));
        let value = match &self.source {
            Source::Header(name) => view.headers.first(name).map(Cow::Borrowed),
            Source::Query(name) => query::first(view.target.query(), name),
            Source::Text(value) => Some(Cow::Borrowed(&**value)),
            Source::HeaderMatch { conditions, expected, value } => {
                let holds = conditions.iter().all(|condition| condition.holds(view.headers));
                only_if(holds == *expected, value)
            }
            Source::QueryMatch { conditions, expected, value } => {
                let holds = conditions.iter().all(|condition| condition.holds(view.target.query()));
                only_if(holds == *expected, value)
            }
            Source::Path { template, variable } => template.value(view.target.path, *variable).map(Cow::Borrowed),
            _ => None,
        };
        self.made(value)
    }

    /// What it makes of what the proxy knows.
    pub(super) fn ask<'a>(
        &'a self,
        source_cluster: &'a OnceCell<Box<[u8]>>,
        destination: &Destination,
        host: &dyn Host,
    ) -> Made<'a> {
        let value = match &self.source {
            Source::Address => address::of_client(host).map(Cow::Owned),
            Source::Network { v4, v6 } => address::network_of_client(*v4, *v6, host).map(Cow::Owned),
            // Without a route there is none.
            Source::DestinationCluster => match destination {
                Destination::Cluster(name) => Some(Cow::Owned(name.to_vec())),
                Destination::NotKnown => None,
                Destination::OfProxy => {
                    host.property(&["xds", "cluster_name"]).filter(|name| !name.is_empty()).map(Cow::Owned)
                }
            },
            Source::SourceCluster => {
                let ask = || host.property(&["xds", "node", "cluster"]).unwrap_or_default().into();
                Some(Cow::Borrowed(&**source_cluster.get_or_init(ask)))
            }
            Source::Attribute { path, default } => {
                let text = attribute::text(path, host).filter(|text| !text.is_empty()).map(Cow::Owned);
                text.or(default.as_deref().map(Cow::Borrowed))
            }
            _ => None,
        };
        self.made(value)
    }

    fn made<'a>(&self, value: Option<Cow<'a, [u8]>>) -> Made<'a> {
        match value {
            Some(value) => Made::Value(value),
            None if self.is_optional => Made::Skipped,
            None => Made::Nothing,
        }
    }
}
