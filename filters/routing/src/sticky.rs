//! Sticky canaries.
use std::rc::Rc;

use pointsman_host::Host;
use pointsman_http::HeaderMap;

use crate::config;

/// Which destination, and the `set-cookie` that goes with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Among the shares.
    pub index: usize,
    /// A value for the response's `set-cookie`, to be added.
    pub cookie: Option<Rc<[u8]>>,
}

/// A destination's share: its weight, and its [`identity`].
pub(crate) type Share = (u64, u64);

/// By what a client stays with its destination.
pub(crate) struct Sticky {
    key: config::Sticky,
}

impl Sticky {
    pub fn new(key: &config::Sticky) -> Self {
        Self { key: key.clone() }
    }

    /// The client's destination; `None` when no share has a weight.
    pub fn choose(&self, headers: &HeaderMap, host: &mut dyn Host, shares: &[Share]) -> Option<Choice> {
        let _ = (headers, host, shares, &self.key);
        None
    }
}

/// The shares of destinations by weight and label.
pub(crate) fn shares<'a>(destinations: impl Iterator<Item = (u64, &'a [u8])>) -> Vec<Share> {
    destinations.map(|(weight, label)| (weight, identity(label))).collect()
}

/// What a destination's label is to the choice.
pub(crate) fn identity(label: &[u8]) -> u64 {
    label.len() as u64
}
