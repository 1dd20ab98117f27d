//! How many requests of a limit are under way: over all workers, and through changes of the configuration.

use pointsman_host::Host;
use pointsman_host::slots::{Acquired, Slots};

use crate::bucket::Denial;
use crate::pool::{Identity, SLOTS};
use crate::tenancy::Tenancy;

/// See the module.
pub struct InFlight {
    most: u32,
    tenancy: Tenancy,
}

/// A slot that a request has; its cell's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

impl InFlight {
    /// That of the limit of that name: another number does not make it another limit.
    ///
    /// A cell that has changed hands holds nothing of the limit before: as long as one worker has a slot, it beats.
    pub fn new(most: u32, name: &str) -> Self {
        Self { most, tenancy: Tenancy::new(&SLOTS, Identity::of_name(name), 0) }
    }

    /// Takes a slot; `Ok(None)`: all are taken.
    pub fn acquire(&self, host: &mut dyn Host) -> Result<Option<Slot>, Denial> {
        let now = host.monotonic();
        let most = self.most;
        let act = |place: usize, host: &mut dyn Host| match slots(place).acquire(most, host) {
            Acquired::Yes => Ok(Some(Slot(place))),
            Acquired::Full => Ok(None),
            Acquired::Contended => Err(Denial::Contended),
        };
        self.tenancy.within(now, host, || {}, |lease, host| Ok(act(lease.place, host))).flatten()
    }

    /// Says that this worker lives, and that the limit is in use.
    pub fn beat(&self, host: &mut dyn Host) {
        let now = host.monotonic();
        // One that was in vain is made up for by the next: it takes three to count as dead.
        let _ = self.tenancy.within(
            now,
            host,
            || {},
            |lease, host| {
                let _ = slots(lease.place).beat(host);
                Ok(())
            },
        );
    }
}

impl Slot {
    /// Gives it back. If all tries were in vain, it is lost as long as the worker lives: fewer requests, not more.
    pub fn release(self, host: &mut dyn Host) {
        let _ = slots(self.0).release(host);
    }
}

fn slots(place: usize) -> Slots {
    Slots::new(&format!("rate-limit/slots/{place}"))
}
