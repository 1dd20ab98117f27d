//! What becomes of one bucket: of the [time](crate::rate) at which it is full again. 0, or any time that is past, is a
//! bucket that is full.

use crate::rate::{Rate, Ticks, ticks};

/// What became of a wish for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are taken.
    Admitted {
        /// How many are left.
        remaining: u32,
        /// So many nanoseconds until there is one more; 0 if the bucket is full.
        reset_ns: u64,
    },
    /// There are not enough, and none is taken.
    Refused {
        /// When there will be, on the monotonic clock, if nobody else takes any; [`NEVER`] if so many do not fit in.
        until_ns: u64,
        /// How many there are.
        remaining: u32,
        /// So many nanoseconds until there is one more.
        reset_ns: u64,
    },
    /// Nobody knows whether there are enough, so none is taken.
    Denied(Denial),
}

/// [`until_ns`](Outcome::Refused) of what will never be.
pub const NEVER: u64 = u64::MAX;

/// Why a bucket could not be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The other workers changed it all the time.
    Contended,
    /// There are too many limits: none of the fixed number of places is left for this one.
    NoPlace,
}

#[cfg(test)]
impl Outcome {
    /// Whether the request may go on.
    pub fn is_admitted(&self) -> bool {
        matches!(self, Self::Admitted { .. })
    }
}

/// A bucket after a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When it is full: never sooner than before, and what it was, if nothing is taken.
    pub full: Ticks,
    /// What became of the wish.
    pub outcome: Outcome,
}

impl Decision {
    /// When it is full, and what became of the wish.
    pub fn parts(self) -> (Ticks, Outcome) {
        (self.full, self.outcome)
    }

    /// The outcome, if nothing was taken for want of tokens.
    pub fn refusal(&self) -> Option<Outcome> {
        Some(self.outcome).filter(|outcome| matches!(outcome, Outcome::Refused { .. }))
    }
}

/// Takes so many tokens at that time, in nanoseconds of the monotonic clock, or none.
pub fn decide(full: Ticks, now: u64, tokens: u32, rate: &Rate) -> Decision {
    let now_ns = now;
    let now = ticks(now);
    let after = full.max(now).checked_add(rate.worth(tokens));
    let most = now.checked_add(rate.burst());
    if let (Some(after), Some(most)) = (after, most)
        && after <= most
    {
        let remaining = rate.remaining(after, now);
        let reset_ns = rate.nanos_until(remaining.saturating_add(1), after, now).unwrap_or_default();
        let full = if tokens == 0 { full } else { after };
        return Decision { full, outcome: Outcome::Admitted { remaining, reset_ns } };
    }
    let wait = rate.nanos_until(tokens, full, now);
    let until_ns = wait.map_or(NEVER, |wait| now_ns.saturating_add(wait));
    let remaining = rate.remaining(full, now);
    let reset_ns = rate.nanos_until(remaining.saturating_add(1), full, now).unwrap_or_default();
    Decision { full, outcome: Outcome::Refused { until_ns, remaining, reset_ns } }
}

/// Takes so many tokens in any case, when it is too late to refuse them: what a request has cost turned out at its end.
/// When the bucket is full then.
///
/// If there are fewer, the bucket owes them, and admits nothing until they have come; but it never owes more than fit
/// in, so that one request, however much it cost, refuses others for no longer than an empty bucket takes to fill. This
/// is what Envoy's `apply_on_stream_done` does with a rate limit service: the service adds all hits to its counter, and
/// the counter ends with its unit of time. (Envoy's local limiter takes all or nothing: what costs more than is left
/// costs nothing there.)
pub fn charge(full: Ticks, now: u64, tokens: u32, rate: &Rate) -> Ticks {
    let now = ticks(now);
    let most = now.saturating_add(longest(rate));
    full.max(now).saturating_add(rate.worth(tokens)).min(most).max(full)
}

/// How long a bucket can be other than full, if nothing is taken.
pub fn longest(rate: &Rate) -> Ticks {
    rate.burst().saturating_mul(2)
}

#[cfg(test)]
mod tests;
