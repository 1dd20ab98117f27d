//! A limit with a bucket for each key, of which there may be any number, in a fixed number of cells.
//!
//! A cell is a set of eight buckets, and a key's set is chosen by its fingerprint; so to look a key up, to put it in and to
//! put another out is one change of one cell. A bucket that is full carries nothing, and its entry is free. When none of
//! a set is free, a new key takes over the bucket that is full the soonest, and inherits its time: so a key never has
//! more than its limit, whatever becomes of its bucket; it may have less.
//!
//! How much less, the tests measure, with keys that come once and never again, and 2,000 that stay within their limit: no
//! more than a request in 1,000 is refused that should not be, as long as the new keys a second are no more than 60 % of the
//! table's buckets × rate, where 5 tokens or more fit in; 40 % for 3, 30 % for 2, 20 % for 1.

use std::cell::{Cell, RefCell};
use std::fmt::Write;

use pointsman_host::Host;
use pointsman_host::cells::Memo;

use crate::bucket::{Denial, Outcome, charge, decide, longest};
use crate::fingerprint::Key;
use crate::memory::Memory;
use crate::pool::{Identity, Lease, TABLES};
use crate::rate::{Rate, Ticks, nanos, ticks};
use crate::set::Set;
use crate::tenancy::{Evicted, Tenancy};

/// How many sets a table has, unless it is told.
pub const SETS: u32 = 2048;

/// The most sets that a table may have.
pub const MOST_SETS: u32 = 16_384;

/// A limit's buckets, as one worker sees them.
#[derive(Debug)]
pub struct Table {
    rate: Rate,
    sets: u32,
    tenancy: Tenancy,
    key: Cell<Option<Key>>,
    memory: RefCell<Memory>,
    /// What this worker knows of some sets: the set and the memo, by the last bits of the set's number.
    memos: RefCell<Vec<(u64, Memo)>>,
}

/// How many sets that are.
const MEMOS: u64 = 64;

/// What became of a wish for tokens of a key's bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// See there.
    pub outcome: Outcome,
    /// The key's bucket was that of another one before, and had fewer tokens than it should have: the table is too small
    /// for all keys that are in use.
    pub inherited: bool,
}

impl Table {
    /// The table of the limit of that name, which must be one of its own among all limits of the proxy. It costs nothing
    /// until it is used. There are at least one and at most [`MOST_SETS`] sets.
    pub fn new(name: &str, rate: Rate, sets: u32) -> Self {
        let sets = sets.clamp(1, MOST_SETS);
        let tenancy = Tenancy::new(&TABLES, Identity::new(name, &rate, sets), nanos(longest(&rate)));
        Self {
            rate,
            sets,
            tenancy,
            key: Cell::new(None),
            memory: RefCell::new(Memory::new()),
            memos: RefCell::default(),
        }
    }

    /// Takes so many tokens, or none, of the bucket of a key. The key's bytes must say where each part of it ends.
    pub fn take(&self, key: &[u8], tokens: u32, host: &mut dyn Host) -> Taken {
        let now = host.monotonic();
        let wish = |full| decide(full, now, tokens, &self.rate);
        let taken = self.change(key, now, host, |full| wish(full).refusal(), |full| wish(full).parts());
        let (outcome, inherited) = taken.unwrap_or_else(|denial| (Outcome::Denied(denial), false));
        Taken { outcome, inherited }
    }

    /// Takes so many tokens in any case: see [`charge`]. Whether the bucket was inherited.
    pub fn charge(&self, key: &[u8], tokens: u32, host: &mut dyn Host) -> Result<bool, Denial> {
        let now = host.monotonic();
        let charged = self.change(key, now, host, |_| None, |full| (charge(full, now, tokens, &self.rate), ()));
        charged.map(|((), inherited)| inherited)
    }

    /// Changes the key's bucket, unless it is enough to know that it is full at some time or later. Says whether it was
    /// inherited.
    fn change<R>(
        &self,
        key: &[u8],
        now: u64,
        host: &mut dyn Host,
        known: impl Fn(Ticks) -> Option<R>,
        change: impl Fn(Ticks) -> (Ticks, R),
    ) -> Result<(R, bool), Denial> {
        let fingerprint = self.fingerprint(key, host)?;
        let act = |lease: &Lease, host: &mut dyn Host| {
            if let Some(result) = known(self.memory.borrow().recall(fingerprint)) {
                return Ok(Ok((result, false)));
            }
            let number = fingerprint.checked_rem(self.sets.into()).unwrap_or_default();
            let mut memos = self.memos.borrow_mut();
            let mut other = Memo::default();
            let memo = memo(&mut memos, number).unwrap_or(&mut other);
            let changed = memo.update(host, &cell(number, lease), |value| {
                let Some(mut set) = Set::read(value, lease.generation) else { return (None, Err(Evicted)) };
                let (slot, old) = set.find(fingerprint);
                let (full, result) = change(old.full);
                let inherited = !old.is_own && old.full > ticks(now);
                if full == old.full {
                    self.memory.borrow_mut().remember(fingerprint, full);
                    return (None, Ok((result, inherited)));
                }
                (Some(set.with(slot, fingerprint, full)), Ok((result, inherited)))
            });
            changed.map_or(Ok(Err(Denial::Contended)), |changed| changed.map(Ok))
        };
        let is_new = || {
            self.memory.borrow_mut().clear();
            self.memos.borrow_mut().clear();
        };
        self.tenancy.within(now, host, is_new, act).flatten()
    }

    fn fingerprint(&self, bytes: &[u8], host: &mut dyn Host) -> Result<u64, Denial> {
        let key = match self.key.get() {
            Some(key) => key,
            None => Key::shared(host).map_err(|_| Denial::Contended)?,
        };
        self.key.set(Some(key));
        Ok(key.fingerprint(bytes))
    }
}

/// The cell of a set.
fn cell(set: u64, lease: &Lease) -> String {
    let mut cell = String::with_capacity(32);
    let _ = write!(cell, "rate-limit/table/{}/{set}", lease.place);
    cell
}

/// What is known of that set; of the one that had its place before nothing is known any more.
fn memo(memos: &mut Vec<(u64, Memo)>, set: u64) -> Option<&mut Memo> {
    if memos.is_empty() {
        memos.resize_with(MEMOS as usize, <(u64, Memo)>::default);
    }
    let (of, memo) = memos.get_mut((set % MEMOS) as usize)?;
    if *of != set {
        (*of, *memo) = (set, Memo::default());
    }
    Some(memo)
}

#[cfg(test)]
mod tests;
