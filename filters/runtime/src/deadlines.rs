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

    /// When the next one is due.
    pub fn next(&self) -> Option<u64> {
        self.waiting.first().map(|(until, _)| *until)
    }
}

/// In how many milliseconds it is that late, at least 1: what a tick can be set to.
pub(crate) fn milliseconds_to(then: u64, now: u64) -> u32 {
    let milliseconds = then.saturating_sub(now).div_ceil(MILLISECOND).max(1);
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_first_and_none_too_early() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(), None);
        deadlines.insert(5_000_001, 1);
        deadlines.insert(3_000_000, 2);
        deadlines.insert(3_000_000, 3);
        deadlines.insert(1, 4);
        deadlines.remove(1, 4);
        assert_eq!(deadlines.next(), Some(3_000_000));
        assert_eq!(deadlines.pop_due(2_999_999), None);
        assert_eq!(deadlines.pop_due(3_000_000), Some((3_000_000, 2)));
        assert_eq!(deadlines.pop_due(3_000_000), Some((3_000_000, 3)));
        assert_eq!(deadlines.pop_due(3_000_000), None);
        assert_eq!(deadlines.next(), Some(5_000_001));
        assert_eq!(deadlines.pop_due(u64::MAX), Some((5_000_001, 1)));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn never_early_and_never_never() {
        for (then, now, expected) in [
            (3_000_000, 0, 3),
            (3_000_000, 2_999_999, 1),
            (3_000_001, 0, 4),
            (5, 5, 1),
            (5, 6, 1),
            (u64::MAX, 0, u32::MAX),
        ] {
            assert_eq!(milliseconds_to(then, now), expected, "{then} {now}");
        }
    }
}
