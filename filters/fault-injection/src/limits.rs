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
    /// They are those of that plugin: others in the same VM have their own.
    pub fn new(max_active: Option<u32>, max_percentage: Option<Percentage>, plugin: &str) -> Self {
        let key = |what: &str| format!("fault/{what}/{plugin}");
        Self {
            active: max_active.map(|most| (most, Slots::new(&key("active")))),
            share: max_percentage.map(|share| Credit::new(&key("credit"), share.per_million())),
        }
    }

    /// A request has come.
    pub fn count(&self) {
        self.share.iter().for_each(Credit::count);
    }

    /// Takes what a request with a fault needs. It is to be [released](Self::release).
    pub fn acquire(&self, host: &mut dyn Host) -> Result<(), Cap> {
        if let Some((most, slots)) = &self.active {
            match slots.acquire(*most, host) {
                Acquired::Yes => {}
                Acquired::Full => return Err(Cap::Active),
                Acquired::Contended => return Err(Cap::Contended),
            }
        }
        let cap = match self.share.as_ref().map(|share| share.take(host)) {
            None | Some(Taken::Yes) => return Ok(()),
            Some(Taken::Capped) => Cap::Percentage,
            Some(Taken::Contended) => Cap::Contended,
        };
        self.release(host);
        Err(cap)
    }

    /// The request has ended.
    pub fn release(&self, host: &mut dyn Host) {
        if let Some((_, slots)) = &self.active {
            // If all tries were in vain, the slot is lost until the worker has none left or ends: fewer faults, not more.
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
