//! Which of the configured descriptors a request's is.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use hashbrown::{Equivalent, HashMap};

use super::Descriptor;
use crate::rate::TokenBucket;

/// A key and a value, empty: any.
type Pair = (Box<[u8]>, Box<[u8]>);

/// Configured descriptors, known by their places in a list.
///
/// As in Envoy, a request's descriptor is at most one of them: the one that is the same in all, or else one that leaves
/// values open. Which one Envoy takes of several such is left to chance; here it is the first.
#[derive(Debug, Default)]
pub struct Configured {
    exact: HashMap<Exact, usize>,
    open: Vec<(Vec<Pair>, usize)>,
}

impl Configured {
    /// Those, each by its entries.
    pub fn new<'a>(descriptors: impl Iterator<Item = &'a [(String, String)]>) -> Self {
        let mut this = Self::default();
        for (place, entries) in descriptors.enumerate() {
            let pair = |(key, value): &(String, String)| (key.as_bytes().into(), value.as_bytes().into());
            let pairs: Vec<Pair> = entries.iter().map(pair).collect();
            if pairs.iter().any(|(_, value)| value.is_empty()) {
                this.open.push((pairs, place));
            } else {
                this.exact.entry(Exact(pairs)).or_insert(place);
            }
        }
        this
    }

    /// The place of the one that it is.
    pub fn find(&self, descriptor: &Descriptor<'_>) -> Option<usize> {
        if let Some(place) = self.exact.get(&Asked(descriptor)) {
            return Some(*place);
        }
        let fits = |(pairs, _): &&(Vec<Pair>, usize)| {
            same(pairs, descriptor, |configured, asked| configured.is_empty() || configured == asked)
        };
        self.open.iter().find(fits).map(|(_, place)| *place)
    }
}

fn same(pairs: &[Pair], descriptor: &Descriptor<'_>, is_value: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let entries = descriptor.entries();
    pairs.len() == entries.len()
        && pairs.iter().zip(entries).all(|((key, value), asked)| **key == *asked.0 && is_value(value, asked.1))
}

#[derive(Debug, PartialEq, Eq)]
struct Exact(Vec<Pair>);

struct Asked<'a>(&'a Descriptor<'a>);

impl Hash for Exact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|(key, value)| hash(key, value, state));
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.entries().for_each(|(key, value)| hash(key, value, state));
    }
}

fn hash(key: &[u8], value: &[u8], state: &mut impl Hasher) {
    key.hash(state);
    value.hash(state);
}

impl Equivalent<Exact> for Asked<'_> {
    fn equivalent(&self, exact: &Exact) -> bool {
        same(&exact.0, self.0, |configured, asked| configured == asked)
    }
}

/// The order in which buckets are taken from: the slowest first, as in Envoy. Sort with it by a sort that is stable.
pub fn by_rate(one: &TokenBucket, other: &TokenBucket) -> Ordering {
    // Tokens over time, compared crosswise.
    let product = |tokens: &TokenBucket, time: &TokenBucket| {
        time.fill_interval.as_nanos().saturating_mul(tokens.tokens_per_fill.get().into())
    };
    product(one, other).cmp(&product(other, one))
}
