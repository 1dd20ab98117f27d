//! One worker's view of the place that a limit has in its [pool](crate::pool).

use std::cell::Cell;

use pointsman_host::Host;

use crate::bucket::Denial;
use crate::pool::{BEAT, Identity, Lease, Pool};

/// See the module.
#[derive(Debug)]
pub struct Tenancy {
    pool: &'static Pool,
    identity: Identity,
    lasts: u64,
    lease: Cell<Option<Lease>>,
    /// There was no place for it; until then it does not ask again.
    turned_away: Cell<u64>,
}

/// How long it does not ask again, in nanoseconds.
const TURNED_AWAY: u64 = 1_000_000_000;

/// What is in the limit's place is somebody else's, who came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evicted;

impl Tenancy {
    /// None yet: a configuration that is only looked at takes no place.
    ///
    /// `lasts`: so long after its last use, in nanoseconds, there is still something to lose.
    pub fn new(pool: &'static Pool, identity: Identity, lasts: u64) -> Self {
        Self { pool, identity, lasts, lease: Cell::new(None), turned_away: Cell::new(0) }
    }

    /// Does something in the limit's place. `is_new` is told before, if what was there before is not there any more.
    pub fn within<R>(
        &self,
        now: u64,
        host: &mut dyn Host,
        mut is_new: impl FnMut(),
        mut act: impl FnMut(&Lease, &mut dyn Host) -> Result<R, Evicted>,
    ) -> Result<R, Denial> {
        // A worker that was silent asks first, so the second time is for one that was stopped in the middle of it.
        for _ in 0..2 {
            let known = self.lease.get();
            let lease = match known.filter(|lease| now.saturating_sub(lease.beat) < BEAT) {
                Some(lease) => lease,
                None => self.claim(now, host)?,
            };
            self.lease.set(Some(lease));
            if known.is_none_or(|known| (known.place, known.generation) != (lease.place, lease.generation)) {
                is_new();
            }
            match act(&lease, host) {
                Ok(result) => return Ok(result),
                Err(Evicted) => self.lease.set(None),
            }
        }
        Err(Denial::Contended)
    }

    fn claim(&self, now: u64, host: &mut dyn Host) -> Result<Lease, Denial> {
        if now < self.turned_away.get() {
            return Err(Denial::NoPlace);
        }
        let lease = self.pool.claim(self.identity, self.lasts, now, host);
        if lease == Err(Denial::NoPlace) {
            self.turned_away.set(now.saturating_add(TURNED_AWAY));
        }
        lease
    }
}
