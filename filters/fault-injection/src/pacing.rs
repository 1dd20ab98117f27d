//! How a response is slowed down.
//!
//! The proxy passes what arrives at once, or holds it back until it is told to resume, and then passes all that it
//! holds; meanwhile it reads on, up to its buffers' limits. So nothing can be cut, and all that there is to say is when:
//! as soon as the limit has let through all that is held. No client ever has more than it should, and the whole takes as
//! long as it should; only the parts are as large as the buffers are.

use std::num::NonZeroU64;

use pointsman_filter::Body;

/// So much of its time a response may save up, at its start and in pauses: as much as Envoy's fault filter gives one at
/// its start. (In pauses that one saves up a whole second.)
const MOST_SAVED: u64 = 50_000_000;

const NANOS: u128 = 1_000_000_000;

/// One response. All times are in nanoseconds, on a clock that never goes back.
#[derive(Debug)]
pub struct Pacing {
    /// Bytes a second.
    limit: NonZeroU64,
    /// When the limit has let through all that has passed.
    through: u64,
    /// How many bytes are held back.
    held: u64,
}

impl Pacing {
    /// A response that begins now. Its limit is in bytes a second.
    pub fn new(limit: NonZeroU64, now: u64) -> Self {
        Self { limit, through: now.saturating_sub(MOST_SAVED), held: 0 }
    }

    /// So many bytes have arrived: none, if it is only the end that has.
    pub fn on_data(&mut self, bytes: usize, now: u64) -> Body {
        if self.held == 0 {
            self.through = self.through.max(now.saturating_sub(MOST_SAVED));
            if bytes == 0 {
                return Body::Pass;
            }
        }
        self.held = self.held.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.on_due(now)
    }

    /// Whether what is held may pass.
    pub fn on_due(&mut self, now: u64) -> Body {
        let after = u128::from(self.held).saturating_mul(NANOS).div_ceil(self.limit.get().into());
        let due = self.through.saturating_add(after.try_into().unwrap_or(u64::MAX));
        if due > now {
            return Body::Hold(due);
        }
        // Not from now on: a tick that comes late makes no response slower.
        (self.through, self.held) = (due, 0);
        Body::Pass
    }
}

#[cfg(test)]
mod tests;
