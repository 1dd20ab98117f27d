//! Sticky canaries: a client stays with the destination that it was given, and the weights hold all the same.
//!
//! The choice is weighted rendezvous hashing. Each destination draws a number u in (0, 1) from the hash of the client's
//! key and its own identity, and the smallest -ln(u) / weight wins. -ln(u) is exponentially distributed, so the winner
//! is distributed as the weights are; and a destination's number depends on nothing but the key, itself and its weight:
//! - the same key goes to the same destination on every worker and every replica, after every restart;
//! - when one weight changes, or a destination comes or goes, no key moves but to it or from it: the fewest that can,
//!   for all others keep their order.

mod cookie;
mod hash;

use std::rc::Rc;

use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_http::path::Target;

use crate::address;
use crate::config;
use hash::{hash, mix};

/// By what a client stays with its destination.
pub(crate) struct Sticky {
    key: config::Sticky,
}

/// Which destination, and what comes with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its place among the shares.
    pub index: usize,
    /// A line of `set-cookie` for the response, whoever answers: the client shall come back with its key.
    pub cookie: Option<Rc<[u8]>>,
}

/// What a destination's label is to the choice. Two destinations of one rule need two labels.
pub(crate) fn identity(label: &[u8]) -> u64 {
    hash(label)
}

impl Sticky {
    pub fn new(key: &config::Sticky) -> Self {
        Self { key: key.clone() }
    }

    /// The client's destination, of those with a weight. Each share is a weight and an [`identity`]. Without a key
    /// chance decides, as it does for a hash policy of Envoy.
    pub fn choose(&self, headers: &HeaderMap, host: &mut dyn Host, shares: &[(u64, u64)]) -> Choice {
        let mut cookie = None;
        let key = self.key(headers, host).or_else(|| {
            let (issued, line) = self.issue(host)?;
            cookie = Some(line);
            Some(issued)
        });
        let index = match key {
            Some(key) => rendezvous(key, shares),
            None => by_chance(host.random(), shares),
        };
        Choice { index: index.unwrap_or(0), cookie }
    }

    /// The hash of what the client brings.
    fn key(&self, headers: &HeaderMap, host: &dyn Host) -> Option<u64> {
        match &self.key {
            // All lines count, in whatever order, as in Envoy.
            config::Sticky::Header(name) => headers.values(name).map(hash).reduce(u64::wrapping_add),
            config::Sticky::Cookie(cookie) => pointsman_http::cookie::find(headers, cookie.name.as_bytes()).map(hash),
            config::Sticky::SourceIp => {
                let address = host.property(&["source", "address"])?;
                let (ip, port) = address::split(&address);
                (!port.is_empty()).then(|| hash(ip))
            }
            config::Sticky::QueryParameter(name) => Target::parse(headers.path()).query_param(name).map(hash),
        }
    }

    /// A key for a client that brings none, if it is ours to give: its hash, and the cookie.
    fn issue(&self, host: &mut dyn Host) -> Option<(u64, Rc<[u8]>)> {
        let config::Sticky::Cookie(cookie) = &self.key else {
            return None;
        };
        let ttl = cookie.ttl?;
        let value = format!("{:016x}", host.random());
        let line = cookie::line(&cookie.name, &value, ttl, &cookie.path);
        Some((hash(value.as_bytes()), line.into_bytes().into()))
    }
}

/// See the module. Between equals the first wins.
fn rendezvous(key: u64, shares: &[(u64, u64)]) -> Option<usize> {
    shares
        .iter()
        .enumerate()
        .filter(|(_, (weight, _))| *weight > 0)
        .map(|(index, (weight, identity))| (index, score(key, *weight, *identity)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(index, _)| index)
}

/// 52 bits and a half make a double between 0 and 1 that is neither.
#[allow(clippy::cast_precision_loss)]
fn score(key: u64, weight: u64, identity: u64) -> f64 {
    let bits = mix(key ^ identity).wrapping_shr(12);
    let u = (bits as f64 + 0.5) / (1u64 << 52) as f64;
    -u.ln() / weight as f64
}

/// As Envoy chooses among weighted clusters.
fn by_chance(random: u64, shares: &[(u64, u64)]) -> Option<usize> {
    let total = shares.iter().fold(0u64, |total, (weight, _)| total.saturating_add(*weight));
    let point = random.checked_rem(total)?;
    let mut until = 0u64;
    shares.iter().position(|(weight, _)| {
        until = until.saturating_add(*weight);
        point < until
    })
}

#[cfg(test)]
mod tests;
