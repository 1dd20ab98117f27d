//! Time-outs, retries and mirrors: what Envoy's router is told of them in request headers.
//!
//! The router ORs retry headers into its route's own policy, so a rule with Istio's default retries says nothing and
//! one with other retries also says `x-pointsman-policy`, which selects an Envoy route that has none of its own.

use std::rc::Rc;
use std::time::Duration;

use pointsman_http::{Edits, HeaderMap};

use crate::config::{HttpRetry, RetryOn, Timeout};

const TIMEOUT: &[u8] = b"x-envoy-upstream-rq-timeout-ms";
const POLICY: &[u8] = b"x-pointsman-policy";

/// Istio's default: so many further tries.
const DEFAULT_ATTEMPTS: i32 = 2;

/// The headers for a rule's time-out and retries.
pub(crate) fn edits(timeout: Option<Timeout>, retries: Option<&HttpRetry>) -> Edits {
    let mut edits = Edits::default();
    let mut set = |name: &[u8], value: String| edits.set(name.into(), value.into_bytes().into());
    if let Some(Timeout(timeout)) = timeout {
        set(TIMEOUT, timeout.as_millis().to_string());
    }
    let Some(retries) = retries else { return edits };
    if retries.attempts <= 0 {
        set(b"x-envoy-max-retries", "0".into());
        return edits;
    }
    let retry_on = retries.retry_on.or_istio();
    let is_default = retry_on == RetryOn::istio() && retries.per_try_timeout.is_none();
    if is_default && retries.attempts == DEFAULT_ATTEMPTS {
        return edits;
    }
    set(POLICY, "retries".into());
    set(b"x-envoy-max-retries", retries.attempts.to_string());
    let mut http = retry_on.http;
    if !retry_on.codes.is_empty() {
        let codes: Vec<String> = retry_on.codes.iter().map(u32::to_string).collect();
        set(b"x-envoy-retriable-status-codes", codes.join(","));
        http.push("retriable-status-codes".into());
    }
    for (name, words) in [(&b"x-envoy-retry-on"[..], http), (b"x-envoy-retry-grpc-on", retry_on.grpc)] {
        if !words.is_empty() {
            set(name, words.join(","));
        }
    }
    if let Some(Timeout(timeout)) = retries.per_try_timeout {
        set(b"x-envoy-upstream-rq-per-try-timeout-ms", timeout.as_millis().to_string());
    }
    edits
}

/// A gRPC request's own `grpc-timeout` counts, up to the rule's time-out (Envoy's `max_grpc_timeout`). Where the rule
/// has none, Envoy's route honours it in full.
pub(crate) fn cap_grpc_timeout(timeout: Duration, headers: &HeaderMap, edits: &mut Edits) {
    let Some(own) = headers.first(b"grpc-timeout").filter(|_| headers.is_grpc()).and_then(parse_grpc_timeout) else {
        return;
    };
    let most = timeout.as_millis();
    if own > 0 && own < most {
        edits.set(TIMEOUT.into(), own.to_string().into_bytes().into());
    }
}

/// In milliseconds, rounded up, as Envoy reads it: digits and a unit.
fn parse_grpc_timeout(value: &[u8]) -> Option<u128> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u128 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let nanoseconds: u128 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    Some(number.saturating_mul(nanoseconds).div_ceil(1_000_000))
}

/// A mirror: its cluster, and how often.
pub(crate) struct Mirror {
    pub cluster: Rc<[u8]>,
    /// Of a million requests.
    pub share: u32,
}

/// The request headers in which Envoy's routes read the mirrors of a request. The first one is there if any is, so
/// that the routes which mirror, and which cost more, are chosen by it.
pub(crate) const MIRROR_HEADERS: [&[u8]; 3] = [b"x-pointsman-mirror", b"x-pointsman-mirror-2", b"x-pointsman-mirror-3"];

/// Draws for each mirror by itself whether this request is copied.
pub(crate) fn mirror(mirrors: &[Mirror], edits: &mut Edits, mut random: impl FnMut() -> u64) {
    let mut is_drawn = |share| random().checked_rem(1_000_000).is_some_and(|drawn| drawn < u64::from(share));
    let drawn = mirrors.iter().filter(|mirror| is_drawn(mirror.share));
    drawn.zip(MIRROR_HEADERS).for_each(|(mirror, header)| edits.set(header.into(), mirror.cluster.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn grpc_timeouts() {
        for (text, milliseconds) in [
            ("1H", Some(3_600_000)),
            ("2M", Some(120_000)),
            ("3S", Some(3_000)),
            ("4m", Some(4)),
            ("1u", Some(1)),
            ("1001u", Some(2)),
            ("1n", Some(1)),
            ("99999999H", Some(359_999_996_400_000)),
            ("", None),
            ("5", None),
            ("S", None),
            ("123456789S", None),
            ("-1S", None),
            ("1s", None),
        ] {
            assert_eq!(parse_grpc_timeout(text.as_bytes()), milliseconds, "{text}");
        }
    }
}
