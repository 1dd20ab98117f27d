//! Envoy's TokenBucket.

use std::num::NonZeroU32;
use std::time::Duration;

use pointsman_wire::{Cursor, Decode, message, whole_or};

use crate::rate::{Rate, TokenBucket};

message! {
    /// As it is written.
    pub struct TokenBucketFields = "TokenBucket" {
        /// What fits in, at least one.
        max_tokens: NonZeroU32 = "maxTokens" as read_max_tokens,
        /// What comes in each interval.
        tokens_per_fill: NonZeroU32 = "tokensPerFill" as read_tokens_per_fill,
        /// How long the interval is.
        fill_interval: Duration = "fillInterval" as read_fill_interval,
    }
}

fn read_max_tokens(at: Cursor<'_>) -> Option<NonZeroU32> {
    if at.value().is_null() { at.error("is missing") } else { read_tokens(at) }
}

fn read_tokens_per_fill(at: Cursor<'_>) -> Option<NonZeroU32> {
    if at.value().is_null() { Some(NonZeroU32::MIN) } else { read_tokens(at) }
}

fn read_tokens(at: Cursor<'_>) -> Option<NonZeroU32> {
    let tokens = whole_or(at, 1, u32::MAX.into(), &"is no number of tokens, expected 1 to 4294967295")?;
    NonZeroU32::new(tokens.try_into().ok()?)
}

/// Envoy's own bound.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

fn read_fill_interval(at: Cursor<'_>) -> Option<Duration> {
    let Some(interval) = Option::<Duration>::decode_or_absent(at)? else { return at.error("is missing") };
    if interval < LEAST_INTERVAL {
        return at.error("is less than 50ms, Envoy's least: let more tokens come in a longer one");
    }
    Some(interval)
}

impl Decode for TokenBucket {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let TokenBucketFields { max_tokens, tokens_per_fill, fill_interval } = TokenBucketFields::decode(at)?;
        let bucket = Self { max_tokens, tokens_per_fill, fill_interval };
        check(&bucket, at)?;
        if tokens_per_fill > max_tokens {
            at.field("tokensPerFill", |at| {
                at.warning(format_args!("is more than maxTokens: no more than {max_tokens} can be taken at once"));
            });
        }
        Some(bucket)
    }
}

fn check(bucket: &TokenBucket, at: Cursor<'_>) -> Option<()> {
    match Rate::new(bucket) {
        Ok(_) => Some(()),
        Err(_) => at.error("takes more than a year to fill: fewer tokens, or more of them in each interval"),
    }
}

/// One proxy's share of a bucket that so many proxies have together; never more than its part.
pub fn share(bucket: &TokenBucket, replicas: NonZeroU32, at: Cursor<'_>) -> Option<TokenBucket> {
    let max_tokens = bucket.max_tokens.get().checked_div(replicas.get()).and_then(NonZeroU32::new);
    let Some(max_tokens) = max_tokens else {
        return at
            .error(format_args!("has fewer tokens than there are replicas, {replicas}: none would be left for some"));
    };
    let fill_interval = bucket.fill_interval.saturating_mul(replicas.get());
    let share = TokenBucket { max_tokens, fill_interval, ..*bucket };
    check(&share, at).map(|()| share)
}
