//! What a rule says of retries and mirrors.

use std::time::Duration;

use pointsman_wire::{Cursor, Decode, Number, Value, message, number, whole};

use super::route::Destination;

message! {
    /// HTTPRetry.
    pub struct HttpRetry = "HTTPRetry" {
        /// How many further tries; 0: none.
        attempts: i32 = "attempts" as read_attempts,
        /// How long one try may take, the first one included.
        per_try_timeout: Option<Timeout> = "perTryTimeout",
        /// On what; none: Istio's default.
        retry_on: RetryOn = "retryOn",
        /// Whether a try may not go where one went before: always.
        ignore_previous_hosts: Option<bool> = "retryIgnorePreviousHosts" as read_ignores,
        /// Whether a try may leave the locality: no.
        remote_localities: Option<bool> = "retryRemoteLocalities" as read_remote,
    }
    refused {
        "backoff": "no header can tell Envoy's router: leave it out for Envoy's 25ms, or set it in the Envoy route itself",
    }
    check check_retry;
}

fn check_retry(at: Cursor<'_>, all_known: bool) {
    let get = |field: &str| at.value().get(field).filter(|value| !value.is_null());
    let words = get("retryOn").and_then(Value::as_str).unwrap_or_default();
    let has_word = words.contains(|c: char| c != ',' && !c.is_whitespace());
    if get("attempts").map_or(all_known, |attempts| number(attempts) == Some(Number::Whole(0)))
        && (has_word || get("perTryTimeout").is_some() || get("retryRemoteLocalities").is_some())
    {
        at.field("attempts", |at| {
            at.error::<()>(
                "is 0, which turns retries off: then perTryTimeout, retryOn and retryRemoteLocalities must be left out",
            )
        });
    }
}

fn read_attempts(at: Cursor<'_>) -> Option<i32> {
    if at.value().is_null() {
        return Some(0);
    }
    match number(at.value()) {
        Some(Number::Whole(..0)) => at.error("is negative; 0 turns retries off"),
        _ => whole(at, 0, i32::MAX.into())?.try_into().ok(),
    }
}

fn read_ignores(at: Cursor<'_>) -> Option<Option<bool>> {
    match Decode::decode_or_absent(at)? {
        Some(false) => {
            at.error("false is refused: no header can tell Envoy's router; the routes ignore previous hosts")
        }
        ignores => Some(ignores),
    }
}

fn read_remote(at: Cursor<'_>) -> Option<Option<bool>> {
    match Decode::decode_or_absent(at)? {
        Some(true) => at.error("true is refused: no header can tell Envoy's router; set it in the Envoy route itself"),
        remote => Some(remote),
    }
}

/// A time-out: whole milliseconds, and at least one. Istio takes no other; nor could a header say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl Decode for Timeout {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let timeout = Duration::decode(at)?;
        match timeout.as_millis() {
            0 => at.error("is less than 1ms; leave it out for no time-out"),
            milliseconds if milliseconds.checked_mul(1_000_000) != Some(timeout.as_nanos()) => {
                at.error("is not in whole milliseconds, which is all that Istio takes")
            }
            _ => Some(Self(timeout)),
        }
    }
}

/// `retryOn`, by the header that says it to Envoy's router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryOn {
    /// `x-envoy-retry-on`.
    pub http: Vec<String>,
    /// `x-envoy-retry-grpc-on`.
    pub grpc: Vec<String>,
    /// `x-envoy-retriable-status-codes`.
    pub codes: Vec<u32>,
}

const HTTP: [&str; 11] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
];
const GRPC: [&str; 5] = ["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"];

impl RetryOn {
    /// Istio's default list. Its `retriable-status-codes` comes without codes, and so says nothing.
    pub fn istio() -> Self {
        let texts = |texts: [&str; 2]| texts.map(str::to_owned).into();
        Self {
            http: texts(["connect-failure", "refused-stream"]),
            grpc: texts(["unavailable", "cancelled"]),
            codes: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.http.is_empty() && self.grpc.is_empty() && self.codes.is_empty()
    }

    /// The list, or Istio's where there is none.
    pub fn or_istio(&self) -> Self {
        if self.is_empty() { Self::istio() } else { self.clone() }
    }
}

impl Decode for RetryOn {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let text = String::decode(at)?;
        let mut all = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if GRPC.contains(&word) {
                all.grpc.push(word.into());
            } else if HTTP.contains(&word) {
                all.http.push(word.into());
            } else if let Some(code) = word.parse().ok().filter(|code| (100..=599).contains(code)) {
                all.codes.push(code);
            } else {
                let known = [&HTTP[..], &GRPC[..]].concat().join(", ");
                return at.error(format_args!("`{word}` is unknown; known here: {known}, and status codes"));
            }
        }
        Some(all)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

message! {
    /// HTTPMirrorPolicy.
    pub struct HttpMirror = "HTTPMirrorPolicy" {
        /// Where the copies go.
        destination: Destination = "destination",
        /// How many of the requests are copied; none: all.
        percentage: Option<Percent> = "percentage",
    }
}

message! {
    /// Percent.
    pub struct Percent = "Percent" {
        /// 0, or 0.0001 to 100.
        value: f64 = "value" as read_percent,
    }
}

fn read_percent(at: Cursor<'_>) -> Option<f64> {
    match f64::decode_or_absent(at)? {
        value @ (0.0 | 0.0001..=100.0) => Some(value),
        _ => at.error(format_args!("{} is not a percentage, expected 0, or 0.0001 to 100", at.value())),
    }
}

impl Percent {
    /// Of a million, cut off as istiod does.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn of_million(&self) -> u32 {
        (self.value * 10_000.0) as u32
    }
}
