//! A limit with one bucket, in one cell: the generation of its [place](crate::pool) and the time at which it is full.

use std::cell::{self, RefCell};

use pointsman_host::Host;
use pointsman_host::cells::Memo;

use crate::bucket::{Denial, Outcome, charge, decide, longest};
use crate::pool::{BUCKETS, Identity, Lease};
use crate::rate::{Rate, Ticks, nanos};
use crate::tenancy::{Evicted, Tenancy};

/// One bucket, as one worker sees it.
#[derive(Debug)]
pub struct SharedBucket {
    rate: Rate,
    tenancy: Tenancy,
    /// When it is full, at the soonest: as this worker saw it last. What that refuses needs no call.
    full: cell::Cell<Ticks>,
    /// The cell, and what this worker knows of it.
    memo: RefCell<(String, Memo)>,
}

impl SharedBucket {
    /// The bucket of the limit of that name, which must be one of its own among all limits of the proxy. It costs nothing
    /// until it is used.
    pub fn new(name: &str, rate: Rate) -> Self {
        let tenancy = Tenancy::new(&BUCKETS, Identity::new(name, &rate, 0), nanos(longest(&rate)));
        Self { rate, tenancy, full: cell::Cell::new(0), memo: RefCell::default() }
    }

    /// Takes so many tokens, or none.
    pub fn take(&self, tokens: u32, host: &mut dyn Host) -> Outcome {
        let now = host.monotonic();
        let wish = |full| decide(full, now, tokens, &self.rate);
        let outcome = self.change(now, host, |full| wish(full).refusal(), |full| wish(full).parts());
        outcome.unwrap_or_else(Outcome::Denied)
    }

    /// Takes so many tokens in any case: see [`charge`].
    pub fn charge(&self, tokens: u32, host: &mut dyn Host) -> Result<(), Denial> {
        let now = host.monotonic();
        self.change(now, host, |_| None, |full| (charge(full, now, tokens, &self.rate), ()))
    }

    /// Changes the bucket, unless it is enough to know that it is full at some time or later.
    fn change<R>(
        &self,
        now: u64,
        host: &mut dyn Host,
        known: impl Fn(Ticks) -> Option<R>,
        change: impl Fn(Ticks) -> (Ticks, R),
    ) -> Result<R, Denial> {
        let act = |lease: &Lease, host: &mut dyn Host| {
            if let Some(result) = known(self.full.get()) {
                return Ok(Ok(result));
            }
            let (key, memo) = &mut *self.memo.borrow_mut();
            if key.is_empty() {
                *key = format!("rate-limit/bucket/{}", lease.place);
            }
            let changed = memo.update(host, key, |value| {
                let Ok(old) = read(value, lease.generation) else { return (None, Err(Evicted)) };
                let (full, result) = change(old);
                let new = (full != old).then(|| [lease.generation.to_le_bytes(), full.to_le_bytes()].concat());
                (new, Ok((full, result)))
            });
            let Ok(changed) = changed else { return Ok(Err(Denial::Contended)) };
            let (full, result) = changed?;
            self.full.set(full);
            Ok(Ok(result))
        };
        let is_new = || {
            self.full.set(0);
            self.memo.take();
        };
        self.tenancy.within(now, host, is_new, act).flatten()
    }
}

/// When the bucket is full. What is of an older generation, or of none, says nothing.
fn read(value: &[u8], generation: u64) -> Result<Ticks, Evicted> {
    let Some((of, full)) = value.split_first_chunk() else { return Ok(0) };
    match u64::from_le_bytes(*of) {
        of if of > generation => Err(Evicted),
        of if of < generation => Ok(0),
        _ => Ok(full.try_into().map_or(0, u64::from_le_bytes)),
    }
}

#[cfg(test)]
mod tests;
