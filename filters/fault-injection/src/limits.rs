//! How far faults may reach, all together: the cap that holds when a configuration is wrong.

use pointsman_host::Host;
use pointsman_host::slots::{Acquired, Slots};

use crate::config::Percentage;
use crate::credit::{Credit, Taken};

/// `maxActive` and `maxPercentage`.
pub struct Limits {
    active: Option<(u32, Slots)>,
    share: Option<Credit>,
}

/// Why a fault is not to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// As many requests as may have one.
    Active,
    /// As large a part of all requests as may have had one.
    Percentage,
    /// The workers got in each other's way for too long. It counts as full.
    Contended,
}

impl Cap {
    /// As a metric says it.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Active, "maxActive"), (Self::Percentage, "maxPercentage"), (Self::Contended, "contended")];
}

impl Limits {
    /// They are those of the plugin of that name. Where several have the same, in one VM, they count together; but what was
    /// earned for another share buys nothing.
    pub fn new(max_active: Option<u32>, max_percentage: Option<Percentage>, plugin: &str) -> Self {
        let credit = |share: u32| Credit::new(&format!("fault/credit/{share}/{plugin}"), share);
        Self {
            active: max_active.map(|most| (most, Slots::new(&format!("fault/active/{plugin}")))),
            share: max_percentage.map(|share| credit(share.per_million())),
        }
    }

    /// A request has come.
    pub fn count(&self) {
        self.share.iter().for_each(Credit::count);
    }

    /// Takes what a request with a fault needs. It is to be [released](Self::release).
    pub fn acquire(&self, host: &mut dyn Host) -> Result<(), Cap> {
        // The share first: a slot that is taken in vain is one that others miss.
        match self.share.as_ref().map(|share| share.take(host)) {
            None | Some(Taken::Yes) => {}
            Some(Taken::Capped) => return Err(Cap::Percentage),
            Some(Taken::Contended) => return Err(Cap::Contended),
        }
        let cap = match self.active.as_ref().map(|(most, slots)| slots.acquire(*most, host)) {
            None | Some(Acquired::Yes) => return Ok(()),
            Some(Acquired::Full) => Cap::Active,
            Some(Acquired::Contended) => Cap::Contended,
        };
        self.share.iter().for_each(|share| share.give_back(host));
        Err(cap)
    }

    /// The request's faults are over.
    pub fn release(&self, host: &mut dyn Host) {
        if let Some((_, slots)) = &self.active {
            // If all tries were in vain, the slot is lost as long as the worker lives: fewer faults, not more.
            let _ = slots.release(host);
        }
    }

    /// Whether a request that has a fault needs beats.
    pub fn need_beats(&self) -> bool {
        self.active.is_some()
    }

    /// Says that this worker lives.
    pub fn beat(&self, host: &mut dyn Host) {
        if let Some((_, slots)) = &self.active {
            // One that was in vain is made up for by the next: it takes three to count as dead.
            let _ = slots.beat(host);
        }
    }
}
