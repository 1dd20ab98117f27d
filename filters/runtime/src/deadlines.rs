//! Which requests wait until when, on one worker.

use std::collections::BTreeSet;

/// Nanoseconds in a millisecond.
const MILLISECOND: u64 = 1_000_000;

/// The worker's delays. A request that ends while it waits is taken out, so that there are never more than requests.
#[derive(Default)]
pub(crate) struct Deadlines {
    waiting: BTreeSet<(u64, u32)>,
}

impl Deadlines {
    /// A context waits until then.
    pub fn insert(&mut self, until: u64, context: u32) {
        self.waiting.insert((until, context));
    }

    /// It waits no longer.
    pub fn remove(&mut self, until: u64, context: u32) {
        self.waiting.remove(&(until, context));
    }

    /// Takes out a context whose time has come, the earliest first.
    pub fn pop_due(&mut self, now: u64) -> Option<(u64, u32)> {
        let first = *self.waiting.first()?;
        if first.0 > now {
            return None;
        }
        self.waiting.pop_first()
    }

    /// In how many milliseconds the next one is due, at least 1; 0: nobody waits.
    pub fn next_in(&self, now: u64) -> u32 {
        let Some((until, _)) = self.waiting.first() else {
            return 0;
        };
        let milliseconds = until.saturating_sub(now).div_ceil(MILLISECOND).max(1);
        u32::try_from(milliseconds).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_first_and_none_too_early() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next_in(0), 0);
        deadlines.insert(5_000_001, 1);
        deadlines.insert(3_000_000, 2);
        deadlines.insert(3_000_000, 3);
        deadlines.insert(1, 4);
        deadlines.remove(1, 4);
        assert_eq!(deadlines.next_in(0), 3);
        assert_eq!(deadlines.pop_due(2_999_999), None);
        assert_eq!(deadlines.next_in(2_999_999), 1);
        assert_eq!(deadlines.pop_due(3_000_000), Some((3_000_000, 2)));
        assert_eq!(deadlines.pop_due(3_000_000), Some((3_000_000, 3)));
        assert_eq!(deadlines.pop_due(3_000_000), None);
        assert_eq!(deadlines.next_in(3_000_000), 3);
        assert_eq!(deadlines.pop_due(u64::MAX), Some((5_000_001, 1)));
        assert_eq!(deadlines.next_in(u64::MAX), 0);
    }
}
