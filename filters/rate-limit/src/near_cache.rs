//! What a worker remembers of a service's refusals, so that a hot key costs no call until its limit counts anew.
//!
//! A service says the seconds until then, of its own clock's seconds: it is forgotten when ours, the wall clock, has
//! come to the end of the last of them. So with clocks that agree nobody is refused whom the service would let pass.

use std::rc::Rc;

use hashbrown::HashMap;
use pointsman_host::Host;

use crate::answer::Refusal;

/// How many refusals are remembered. Then that goes which ends the soonest.
pub const MOST: usize = 4096;

/// For so many seconds a refusal is remembered at most: limits of days are asked about again, as their service may have been
/// told another limit meanwhile.
const LONGEST: u64 = 600;

/// How many bytes a refusal may have that is remembered, all its texts: so those of a service take 8 MiB at most.
const MOST_BYTES: usize = 2048;

/// See the module.
#[derive(Default)]
pub struct NearCache {
    refusals: HashMap<u64, Remembered>,
}

struct Remembered {
    /// So many hits were too many, and fewer may not be.
    hits: u32,
    /// On the monotonic clock.
    since: u64,
    until: u64,
    refusal: Rc<Refusal>,
}

impl NearCache {
    /// What a request gets that counts for so many hits, if it is known to be refused.
    pub fn recall(&mut self, key: u64, hits: u32, host: &dyn Host) -> Option<Refusal> {
        let found = self.refusals.get(&key)?;
        let now = host.monotonic();
        if now >= found.until {
            self.refusals.remove(&key);
            return None;
        }
        (hits >= found.hits).then(|| found.refusal.later(now.saturating_sub(found.since)))
    }

    /// Remembers a refusal of so many hits until the limit counts anew, in so many seconds of the service's clock. Whether
    /// another one, that was not over, had to go for it.
    pub fn remember(&mut self, key: u64, hits: u32, seconds: u64, refusal: &Rc<Refusal>, host: &dyn Host) -> bool {
        const SECOND: u64 = 1_000_000_000;
        let bytes = refusal.headers.iter().map(|(name, value)| name.len().saturating_add(value.len()));
        let quota = refusal.quota.as_ref().map_or(0, |quota| quota.limit.len());
        let bytes = bytes.fold(refusal.body.len().saturating_add(quota), usize::saturating_add);
        let since = host.monotonic();
        let begun = host.wall().checked_rem(SECOND).unwrap_or_default();
        let nanos = seconds.min(LONGEST).saturating_mul(SECOND).saturating_sub(begun);
        if bytes > MOST_BYTES || nanos == 0 {
            return false;
        }
        let forgot = self.make_room(key, since);
        let until = since.saturating_add(nanos);
        self.refusals.insert(key, Remembered { hits, since, until, refusal: refusal.clone() });
        forgot
    }

    /// Whether one had to go that was not over.
    fn make_room(&mut self, key: u64, now: u64) -> bool {
        if self.refusals.len() < MOST || self.refusals.contains_key(&key) {
            return false;
        }
        self.refusals.retain(|_, remembered| remembered.until > now);
        if self.refusals.len() < MOST {
            return false;
        }
        let soonest = self.refusals.iter().min_by_key(|(_, remembered)| remembered.until).map(|(key, _)| *key);
        soonest.iter().for_each(|key| drop(self.refusals.remove(key)));
        true
    }
}

impl Refusal {
    /// The same so many nanoseconds later: what says seconds says fewer.
    fn later(&self, nanos: u64) -> Self {
        let passed = nanos.checked_div(1_000_000_000).unwrap_or_default();
        let mut this = self.clone();
        this.retry_after = this.retry_after.map(|seconds| seconds.saturating_sub(passed).max(1));
        if let Some(quota) = &mut this.quota {
            quota.reset = quota.reset.saturating_sub(passed);
        }
        for (name, value) in &mut this.headers {
            let says_seconds = [&b"ratelimit-reset"[..], b"x-ratelimit-reset", b"retry-after"].contains(&&**name);
            if let Some(seconds) = decimal(value).filter(|_| says_seconds) {
                *value = seconds.saturating_sub(passed).to_string().into_bytes().into();
            }
        }
        this
    }
}

/// A number that is written in digits.
pub fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}
