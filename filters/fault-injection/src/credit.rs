//! At most a share of all requests gets a fault, however many workers there are and whatever else asks for faults.
//!
//! Requests earn credit and faults spend it. The credit is in one cell, which all workers share and which is never more
//! than was earned; so at no moment have more faults been injected than the share of the requests until then. A worker
//! counts its requests for itself and adds them when it wants a fault: a request that gets none costs nothing.
//!
//! Credit that nobody spends does not pile up: the cell, and each worker's own count, are worth at most 1,000 requests,
//! or one fault if that is more. So in any stretch of time there are no more faults than the share of its requests, and
//! of 1,000 more for the cell and for each worker: a long quiet time is no licence for a storm.

use std::cell;

use pointsman_host::Host;
use pointsman_host::cells::{Contended, update};

/// What a fault costs.
const FAULT: u64 = 1_000_000;

/// How many requests' credit is kept, unless a fault costs more.
const MOST_REQUESTS: u64 = 1_000;

/// One limit, as one worker sees it.
#[derive(Debug)]
pub struct Credit {
    key: Box<str>,
    /// What a request earns: so many millionths of a fault.
    parts_per_million: u64,
    /// How much is kept.
    most: u64,
    /// The requests that the cell does not know of yet.
    requests: cell::Cell<u64>,
}

/// What became of a wish for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is paid.
    Yes,
    /// The share is used up.
    Capped,
    /// The other workers changed the cell all the time. There is no fault.
    Contended,
}

impl Credit {
    /// The cell is that of the key. More than a million parts are all requests.
    pub fn new(key: &str, parts_per_million: u32) -> Self {
        let parts_per_million = u64::from(parts_per_million).min(FAULT);
        let most = parts_per_million.saturating_mul(MOST_REQUESTS).max(FAULT);
        Self { key: key.into(), parts_per_million, most, requests: cell::Cell::new(0) }
    }

    /// A request has come; to be told before a fault is wanted for it.
    #[inline]
    pub fn count(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// A fault is wanted.
    pub fn take(&self, host: &mut dyn Host) -> Taken {
        if self.parts_per_million == 0 {
            return Taken::Capped;
        }
        let earned = self.requests.get().saturating_mul(self.parts_per_million).min(self.most);
        let taken = update(host, &self.key, |value| {
            let known = read(value).min(self.most);
            // The sum is not cut off: while faults are wanted, no credit is lost.
            let credit = known.saturating_add(earned);
            let (rest, taken) = match credit.checked_sub(FAULT) {
                Some(rest) => (rest, Taken::Yes),
                None => (credit, Taken::Capped),
            };
            let is_new = earned > 0 || taken == Taken::Yes;
            (is_new.then(|| rest.to_le_bytes().into()), taken)
        });
        match taken {
            Ok(taken) => {
                self.requests.set(0);
                taken
            }
            Err(Contended) => Taken::Contended,
        }
    }

    /// The fault was not injected after all.
    pub fn give_back(&self, host: &mut dyn Host) {
        let most = self.most;
        let back = |value: &[u8]| (Some(read(value).saturating_add(FAULT).min(most).to_le_bytes().into()), ());
        // In vain, it is a fault less.
        let _ = update(host, &self.key, back);
    }
}

/// What is no credit of ours is none.
fn read(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
