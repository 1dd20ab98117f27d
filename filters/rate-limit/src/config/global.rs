//! Limits that a service keeps for many proxies: what Envoy's `ratelimit` filter says of it.

use std::time::Duration;

use pointsman_filter::GrpcCall;
use pointsman_wire::{Cursor, Decode, message, whole_or};

use super::read_required;

message! {
    /// Who is asked, and what becomes of a request when there is no answer.
    pub struct Global = "global" {
        /// Whose limits they are, in the service's configuration.
        domain: String = "domain" as read_required,
        /// The Envoy cluster of the service.
        cluster: String = "cluster" as read_cluster,
        /// How long an answer is waited for.
        timeout: Duration = "timeout" as read_timeout,
        /// Whether a request is refused when there is no answer.
        failure_mode_deny: bool = "failureModeDeny",
        /// With which status it is.
        status_on_error: u32 = "statusOnError" as read_status_on_error,
        /// Whether a refusal does without `x-envoy-ratelimited`.
        disable_x_envoy_ratelimited_header: bool = "disableXEnvoyRatelimitedHeader",
    }
    inert {
        "statPrefix": "metrics are named after the limit",
    }
    refused {
        "rateLimitService": "name its Envoy cluster: `cluster: …`",
        "stage": "a limit has one place: which requests it is for says its match",
        "requestType": "which requests a limit is for says its match",
        "failureModeDenyPercent": "it is all or nothing: use failureModeDeny",
        "filterEnabled": "a limit that is there is on; `shadow: true` makes it count alone",
        "filterEnforced": "a limit that is there is on; `shadow: true` makes it count alone",
        "enableXRatelimitHeaders": "it is for all of a limit: use response.rateLimitHeaders",
        "rateLimitedStatus": "it is for all of a limit: use response.status",
        "responseHeadersToAdd": "it is for all of a limit: use response.headers",
        "rateLimitedAsResourceExhausted": "it is for all of a limit: use response.rateLimitedAsResourceExhausted",
    }
}

impl Global {
    /// Whether one call can ask for both.
    pub fn is_same(&self, other: &Self) -> bool {
        let settings = |this: &Self| {
            (this.timeout, this.failure_mode_deny, this.status_on_error, this.disable_x_envoy_ratelimited_header)
        };
        self.domain == other.domain && self.cluster == other.cluster && settings(self) == settings(other)
    }
}

fn read_cluster(at: Cursor<'_>) -> Option<String> {
    let cluster = read_required(at)?;
    match cluster.len() {
        0..=GrpcCall::MOST_CLUSTER_BYTES => Some(cluster),
        length => at.error(format_args!("has {length} bytes, expected at most {}", GrpcCall::MOST_CLUSTER_BYTES)),
    }
}

/// Envoy's own.
const TIMEOUT: Duration = Duration::from_millis(20);

/// A call-out's time is in whole milliseconds, in 32 bits.
fn read_timeout(at: Cursor<'_>) -> Option<Duration> {
    let Some(timeout) = Option::<Duration>::decode_or_absent(at)? else { return Some(TIMEOUT) };
    match timeout.as_millis() {
        0 => at.error("is less than 1ms: nobody answers so soon"),
        1..=3_600_000 => Some(timeout),
        _ => at.error("is longer than an hour, which no request waits"),
    }
}

fn read_status_on_error(at: Cursor<'_>) -> Option<u32> {
    if at.value().is_null() {
        return Some(500);
    }
    whole_or(at, 400, 599, &"is no status of an error, expected 400 to 599")?.try_into().ok()
}
