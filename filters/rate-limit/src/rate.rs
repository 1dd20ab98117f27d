//! A token bucket as one moment (GCRA): the one at which the bucket is full again, if nobody takes anything until then.
//!
//! A token is worth the time that it takes to come, the interval. Taking one puts the moment off by an interval, and may
//! be done while the moment is then no farther away than the bucket takes to fill from empty, the burst. One number says
//! it all, it needs no refilling, and it never moves back.
//!
//! Such times are counted in 64ths of a nanosecond of the monotonic clock: a u64 holds nine years of them. An interval is
//! rounded up, so that a limit is never exceeded; a bucket is slower than it was told by less than a 64th of a nanosecond a
//! token, which is a part in 64,000 of a limit of a million a second.

use std::num::NonZeroU32;
use std::time::Duration;

/// A rate, in Envoy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// What fits in; it starts full.
    pub max_tokens: NonZeroU32,
    /// What comes in each interval: evenly, not at its end.
    pub tokens_per_fill: NonZeroU32,
    /// How long the interval is.
    pub fill_interval: Duration,
}

/// A time, in 64ths of a nanosecond of the monotonic clock, or a span of it.
pub type Ticks = u64;

/// How many [`Ticks`] there are in a nanosecond.
const A_NANOSECOND: u64 = 64;

/// The longest time that a bucket may take to fill, so that none of its times overflows while a machine is up for six
/// years.
const MOST_BURST: Ticks = Duration::from_hours(365 * 24).as_nanos() as u64 * A_NANOSECOND;

/// The bucket takes more than a year to fill, which is more than can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

/// A [`TokenBucket`], to reckon with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    max_tokens: u32,
    interval: Ticks,
    burst: Ticks,
}

impl Rate {
    /// The rate of that bucket; never more than that.
    pub fn new(bucket: &TokenBucket) -> Result<Self, TooSlow> {
        let max_tokens = bucket.max_tokens.get();
        let fill = bucket.fill_interval.as_nanos().saturating_mul(A_NANOSECOND.into());
        let interval = fill.div_ceil(bucket.tokens_per_fill.get().into()).max(1);
        let interval = Ticks::try_from(interval).map_err(|_| TooSlow)?;
        let burst = interval.checked_mul(max_tokens.into()).filter(|burst| *burst <= MOST_BURST).ok_or(TooSlow)?;
        Ok(Self { max_tokens, interval, burst })
    }

    /// What makes a rate another one: the interval and the burst.
    pub fn parts(&self) -> [Ticks; 2] {
        [self.interval, self.burst]
    }

    /// How long the bucket takes to fill from empty.
    pub fn burst(&self) -> Ticks {
        self.burst
    }

    /// What so many tokens are worth.
    pub fn worth(&self, tokens: u32) -> Ticks {
        self.interval.saturating_mul(tokens.into())
    }

    /// How many tokens there are now, in a bucket that is full at that time.
    pub fn remaining(&self, full: Ticks, now: Ticks) -> u32 {
        let missing = full.saturating_sub(now);
        let there = self.burst.saturating_sub(missing).checked_div(self.interval).unwrap_or_default();
        u32::try_from(there).unwrap_or(self.max_tokens)
    }

    /// How many nanoseconds it takes until there are so many tokens; `None`: so many do not fit in.
    pub fn nanos_until(&self, tokens: u32, full: Ticks, now: Ticks) -> Option<u64> {
        let spare = self.burst.checked_sub(self.worth(tokens))?;
        Some(nanos(full.saturating_sub(now).saturating_sub(spare)))
    }
}

/// That moment of the monotonic clock.
pub fn ticks(nanos: u64) -> Ticks {
    nanos.saturating_mul(A_NANOSECOND)
}

/// So long that the time is over for sure.
pub fn nanos(ticks: Ticks) -> u64 {
    ticks.div_ceil(A_NANOSECOND)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    pub(crate) fn token_bucket(max_tokens: u32, tokens_per_fill: u32, millis: u64) -> TokenBucket {
        let [max_tokens, tokens_per_fill] =
            [max_tokens, tokens_per_fill].map(|number| NonZeroU32::new(number).unwrap());
        TokenBucket { max_tokens, tokens_per_fill, fill_interval: Duration::from_millis(millis) }
    }

    pub(crate) fn rate(max_tokens: u32, tokens_per_fill: u32, millis: u64) -> Rate {
        Rate::new(&token_bucket(max_tokens, tokens_per_fill, millis)).unwrap()
    }

    const YEAR: u64 = 365 * 24 * 3_600_000;

    #[test]
    fn intervals_are_rounded_up() {
        for (bucket, interval, burst) in [
            ((1, 1, 50), 50_000_000 * 64, 50_000_000 * 64),
            ((20, 10, 1_000), 100_000_000 * 64, 2_000_000_000 * 64),
            ((5, 3, 1_000), 21_333_333_334, 5 * 21_333_333_334),
            ((1, 1_000_000, 1_000), 64_000, 64_000),
            ((3, u32::MAX, 50), 1, 3),
            ((7, 5, 0), 1, 7),
            ((u32::MAX, u32::MAX, 1_000), 15, 15 * u64::from(u32::MAX)),
            ((1, 1, YEAR), MOST_BURST, MOST_BURST),
            ((365, 1, YEAR / 365), MOST_BURST / 365, MOST_BURST),
        ] {
            let (max_tokens, tokens_per_fill, millis) = bucket;
            assert_eq!(rate(max_tokens, tokens_per_fill, millis), Rate { max_tokens, interval, burst }, "{bucket:?}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for (max_tokens, tokens_per_fill, millis) in
            [(1, 1, YEAR + 1), (2, 1, YEAR), (u32::MAX, 1, 1_000), (1, 1, u64::MAX), (u32::MAX, u32::MAX, u64::MAX)]
        {
            assert_eq!(Rate::new(&token_bucket(max_tokens, tokens_per_fill, millis)), Err(TooSlow));
        }
    }

    #[test]
    fn tokens_are_there_when_their_time_has_come() {
        let rate = rate(20, 10, 1_000); // one each 100 ms
        let millis = |millis: u64| ticks(millis * 1_000_000);
        for (full, now, remaining, until_1, until_20) in [
            (0, 0, 20, 0, 0),
            (0, 5, 20, 0, 0),
            (5, 5, 20, 0, 0),
            (105, 5, 19, 0, 100),
            (106, 5, 18, 0, 101),
            (1_905, 5, 1, 0, 1_900),
            (1_906, 5, 0, 1, 1_901),
            (2_005, 5, 0, 100, 2_000),
            (4_005, 5, 0, 2_100, 4_000),
        ] {
            let (full, now) = (millis(full), millis(now));
            assert_eq!(rate.remaining(full, now), remaining);
            for (tokens, expected) in [(0, until_1), (1, until_1), (20, until_20)] {
                let until = rate.nanos_until(tokens, full, now).unwrap();
                // No token at all is there as soon as there is no debt.
                assert!(tokens == 0 && until <= expected * 1_000_000 || until == expected * 1_000_000);
            }
            assert_eq!(rate.nanos_until(21, full, now), None);
        }
        assert_eq!(nanos(ticks(7) + 1), 8);
        assert_eq!(rate.remaining(u64::MAX, 0), 0);
        assert_eq!(rate.nanos_until(u32::MAX, u64::MAX, 0), None);
        assert_eq!(ticks(u64::MAX), u64::MAX);
    }
}
