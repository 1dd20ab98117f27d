//! From a request to its descriptor: a list of keys and values that says whose bucket it takes from.

mod action;
mod address;
mod attribute;
mod condition;
mod configured;
mod hits;
mod query;
#[cfg(test)]
mod tests;

pub use action::{Action, Source};
pub use condition::{HeaderCondition, QueryCondition, TextMatch, Wanted};
pub use configured::{Configured, by_rate};
pub use hits::{Hits, MOST_HITS};

use std::borrow::Cow;
use std::cell::OnceCell;

use pointsman_filter::Destination;
use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_http::path::Target;

use crate::fingerprint::identity;

/// The header by which Envoy's routes are told the destination.
const DESTINATION: &[u8] = b"x-pointsman-cluster";

/// The most bytes of a value: of a longer one, its beginning and a hash of the whole.
pub const LONGEST: usize = 1024;

/// What of a request its descriptor is made of, compiled.
#[derive(Debug)]
pub struct Actions {
    actions: Box<[Action]>,
    /// Where this proxy belongs to never changes, so it is asked for once.
    source_cluster: OnceCell<Box<[u8]>>,
}

/// What an action makes of a request.
enum Made<'a> {
    /// That value.
    Value(Cow<'a, [u8]>),
    /// No entry; the others make the descriptor.
    Skipped,
    /// No descriptor.
    Nothing,
}

/// What the actions look at.
struct View<'a> {
    headers: &'a HeaderMap,
    target: Target<'a>,
}

/// A request's descriptor. What it says is in the request's headers, wherever that can be.
#[derive(Debug)]
pub struct Descriptor<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    action: &'a Action,
    value: Cow<'a, [u8]>,
}

impl Actions {
    /// Those actions.
    pub fn new(actions: Vec<Action>) -> Self {
        Self { actions: actions.into(), source_cluster: OnceCell::new() }
    }

    /// The descriptor of a request; `None`: an action found nothing, or none made an entry.
    ///
    /// The proxy is asked last, when the headers alone do not say already that there is none.
    pub fn descriptor<'a>(
        &'a self,
        headers: &'a HeaderMap,
        destination: &Destination,
        host: &dyn Host,
    ) -> Option<Descriptor<'a>> {
        let view = View { headers, target: Target::parse(headers.path()) };
        let mut entries = Vec::with_capacity(self.actions.len());
        let mut is_asked = false;
        for action in &self.actions {
            let value = if action.asks() {
                is_asked = true;
                Cow::Borrowed(&[][..])
            } else {
                match action.look(&view) {
                    Made::Value(value) => value,
                    Made::Skipped => continue,
                    Made::Nothing => return None,
                }
            };
            entries.push(Entry { action, value });
        }
        if is_asked && !self.ask(&mut entries, headers, destination, host) {
            return None;
        }
        entries.iter_mut().for_each(|entry| bound(&mut entry.value));
        (!entries.is_empty()).then_some(Descriptor { entries })
    }

    /// Fills in what the proxy knows; whether there is a descriptor.
    fn ask<'a>(
        &'a self,
        entries: &mut Vec<Entry<'a>>,
        headers: &HeaderMap,
        destination: &Destination,
        host: &dyn Host,
    ) -> bool {
        // A module of routing alone, in front of this one, has said it so. The proxy would say where it went otherwise.
        let told = headers.first(DESTINATION).filter(|_| *destination == Destination::OfProxy);
        let told = told.map(|cluster| Destination::Cluster(cluster.into()));
        let destination = told.as_ref().unwrap_or(destination);
        let mut is_made = true;
        entries.retain_mut(|entry| {
            if !is_made || !entry.action.asks() {
                return true;
            }
            match entry.action.ask(&self.source_cluster, destination, host) {
                Made::Value(value) => entry.value = value,
                Made::Skipped => return false,
                Made::Nothing => is_made = false,
            }
            true
        });
        is_made
    }
}

/// Cuts a value that is too long. What made it differ from others may stand far behind (tokens begin alike), so a hash
/// of all of it stands in the place of the rest.
fn bound(value: &mut Cow<'_, [u8]>) {
    const DIGITS: usize = 32;
    if value.len() > LONGEST {
        let hash = u128::from_be_bytes(identity(value));
        let kept = value.get(..LONGEST.saturating_sub(DIGITS).saturating_sub(1)).unwrap_or_default();
        *value = Cow::Owned([kept, b"~", format!("{hash:032x}").as_bytes()].concat());
    }
}

impl Descriptor<'_> {
    /// Its entries, key and value, in the order of the actions. Values are bytes, and need not be UTF-8.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| (entry.action.key(), &*entry.value))
    }

    /// What tells it from all others with the same keys: the key of its bucket in a [table](crate::table).
    pub fn table_key(&self) -> Vec<u8> {
        told_apart(self.entries.iter().map(|entry| &*entry.value))
    }

    /// What tells it from all others.
    pub fn whole_key(&self) -> Vec<u8> {
        told_apart(self.entries().flat_map(|(key, value)| [key, value]))
    }

    /// Its entries, to be kept.
    pub fn to_owned(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.entries().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }
}

/// Those texts, so that one can tell where each ends.
fn told_apart<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut all = Vec::with_capacity(64);
    for text in texts {
        // It is at most LONGEST.
        all.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        all.extend(text);
    }
    all
}
