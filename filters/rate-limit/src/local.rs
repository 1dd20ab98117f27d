//! The buckets of a limit that the proxy keeps itself.

use pointsman_host::Host;

use crate::bucket::{Denial, Outcome};
use crate::cell::SharedBucket;
use crate::config;
use crate::descriptors::{Configured, Descriptor, by_rate};
use crate::limit::Metrics;
use crate::rate::{Rate, TokenBucket};
use crate::table::Table;

/// The buckets of one limit: those of its descriptors, and behind them that of every request, if there is one.
pub struct Local {
    configured: Configured,
    buckets: Vec<Bucket>,
    default: Option<usize>,
    always_consume_default: bool,
}

struct Bucket {
    written: TokenBucket,
    /// Among the buckets of all limits: they are taken from in this order.
    rank: usize,
    kept: Kept,
}

enum Kept {
    /// One for all.
    One(Box<SharedBucket>),
    /// One for each value.
    Keyed(Box<Table>),
}

/// A bucket that a request takes from.
#[derive(Debug)]
pub struct Draw {
    /// Descriptors' buckets first, then those of every request; the slowest first.
    pub order: (bool, usize),
    /// The limit's number.
    pub limit: usize,
    bucket: usize,
    /// Whose bucket, if there is one for each value.
    key: Vec<u8>,
}

impl Local {
    /// The buckets of the limit of that name. What cannot be counted was refused when it was read.
    pub fn new(local: config::Local, name: &str) -> Self {
        let bucket = |written: TokenBucket, name: &str, is_keyed: bool| {
            let rate = Rate::new(&written).ok()?;
            let kept = match is_keyed {
                true => Kept::Keyed(Box::new(Table::new(name, rate, local.sets))),
                false => Kept::One(Box::new(SharedBucket::new(name, rate))),
            };
            Some(Bucket { written, rank: 0, kept })
        };
        let configured = Configured::new(local.descriptors.iter().map(|descriptor| descriptor.entries.as_slice()));
        let mut buckets = Vec::with_capacity(local.descriptors.len().saturating_add(1));
        for descriptor in &local.descriptors {
            // By what it is and not by its place, so that its bucket outlives another order.
            let name = format!("{name}\n{:?}", descriptor.entries);
            buckets.extend(bucket(descriptor.bucket, &name, descriptor.is_keyed()));
        }
        let default = buckets.len();
        buckets.extend(local.bucket.and_then(|written| bucket(written, name, false)));
        Self {
            configured,
            default: (buckets.len() > default).then_some(default),
            buckets,
            always_consume_default: local.always_consume_default,
        }
    }

    /// Whether it matters what descriptor a request has.
    pub fn has_descriptors(&self) -> bool {
        self.default != Some(0) && !self.buckets.is_empty()
    }

    /// Which buckets a request takes from.
    pub fn draws(&self, limit: usize, descriptor: Option<&Descriptor<'_>>) -> impl Iterator<Item = Draw> {
        let own = descriptor.and_then(|descriptor| self.configured.find(descriptor));
        let default = self.default.filter(|_| own.is_none() || self.always_consume_default);
        let both = own.map(|own| (own, false)).into_iter().chain(default.map(|default| (default, true)));
        both.filter_map(move |(place, is_default)| {
            let bucket = self.buckets.get(place)?;
            let is_keyed = matches!(bucket.kept, Kept::Keyed(_));
            let key = descriptor.filter(|_| is_keyed).map(Descriptor::table_key).unwrap_or_default();
            Some(Draw { order: (is_default, bucket.rank), limit, bucket: place, key })
        })
    }

    /// Takes so many tokens, or none; and what fits into the bucket.
    pub fn take(&self, draw: &Draw, tokens: u32, metrics: &Metrics, host: &mut dyn Host) -> Option<(Outcome, u32)> {
        let bucket = self.buckets.get(draw.bucket)?;
        let outcome = match &bucket.kept {
            Kept::One(one) => one.take(tokens, host),
            Kept::Keyed(table) => {
                let taken = table.take(&draw.key, tokens, host);
                if taken.inherited {
                    host.add(&metrics.inherited, 1);
                }
                taken.outcome
            }
        };
        if let Outcome::Denied(denial) = outcome {
            metrics.denied(denial, host);
        }
        Some((outcome, bucket.written.max_tokens.get()))
    }

    /// Takes so many tokens in any case.
    pub fn charge(&self, draw: &Draw, tokens: u32, metrics: &Metrics, host: &mut dyn Host) {
        let charged = match self.buckets.get(draw.bucket).map(|bucket| &bucket.kept) {
            Some(Kept::One(one)) => one.charge(tokens, host).map(|()| false),
            Some(Kept::Keyed(table)) => table.charge(&draw.key, tokens, host),
            None => Ok(false),
        };
        match charged {
            Ok(true) => host.add(&metrics.inherited, 1),
            Ok(false) => {}
            Err(denial) => metrics.denied(denial, host),
        }
    }

    /// Says in which order all buckets of those limits are taken from: the slowest first, as in Envoy.
    pub fn rank<'a>(all: impl Iterator<Item = &'a mut Self>) {
        let mut buckets: Vec<&mut Bucket> = all.flat_map(|local| local.buckets.iter_mut()).collect();
        buckets.sort_by(|one, other| by_rate(&one.written, &other.written));
        buckets.into_iter().enumerate().for_each(|(rank, bucket)| bucket.rank = rank);
    }
}

impl Metrics {
    /// Counts a request that was refused as nobody could look into its bucket.
    pub fn denied(&self, denial: Denial, host: &mut dyn Host) {
        let counter = match denial {
            Denial::Contended => &self.contended,
            Denial::NoPlace => &self.no_place,
        };
        host.add(counter, 1);
    }
}
