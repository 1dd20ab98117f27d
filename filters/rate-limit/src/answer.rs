//! What clients are told: those that are refused, and those that are not.

use std::rc::Rc;

use pointsman_filter::LocalReply;

use crate::config::RateLimitHeaders;
use crate::limit::{By, Limit};

/// A header's name, in lower case, and its value.
pub type Line = (Rc<[u8]>, Rc<[u8]>);

/// How much of a limit is left, as the third draft has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many requests there may be; and what else is known of the limits.
    pub limit: String,
    /// How many more there may be.
    pub remaining: u32,
    /// So many seconds until there may be more; of the proxy's own buckets only when there are none now, as in Envoy.
    pub reset: u64,
}

/// What is known of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// How much is left.
    pub quota: Option<Quota>,
    /// So many seconds from now a request could pass.
    pub retry_after: Option<u64>,
    /// What a service adds.
    pub headers: Vec<Line>,
    /// What a service says; empty: nothing.
    pub body: Vec<u8>,
}

/// The header that says when to come again.
const RETRY_AFTER: &[u8] = b"retry-after";
/// What the headers begin with that say how much is left: a service may write them itself.
pub const QUOTA: &[u8] = b"x-ratelimit-";
/// Envoy's, where a service refuses.
const RATE_LIMITED: &[u8] = b"x-envoy-ratelimited";
/// Envoy's local limiter's.
const BODY: &str = "local_rate_limited";

impl Quota {
    /// As headers.
    pub fn lines(&self) -> [(&'static [u8], Vec<u8>); 3] {
        [
            (b"x-ratelimit-limit", self.limit.clone().into_bytes()),
            (b"x-ratelimit-remaining", self.remaining.to_string().into_bytes()),
            (b"x-ratelimit-reset", self.reset.to_string().into_bytes()),
        ]
    }
}

impl Limit {
    /// Whether clients are told how much of it is left. Of one that only counts they know nothing.
    pub fn tells(&self) -> bool {
        self.response.rate_limit_headers == RateLimitHeaders::Draft03 && !self.shadow
    }

    /// What a request gets that is over it.
    pub fn refusal(&self, by: By, is_marked: bool, refusal: Refusal) -> LocalReply {
        let response = &self.response;
        // Those of the service first, as from Envoy.
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> =
            refusal.headers.into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let own = response.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        headers.extend(own);
        if is_marked {
            headers.push((RATE_LIMITED.to_vec(), b"true".to_vec()));
        }
        let has_quota = headers.iter().any(|(name, _)| name.starts_with(QUOTA));
        if let Some(quota) = refusal.quota.filter(|_| self.tells() && !has_quota) {
            headers.extend(quota.lines().map(|(name, value)| (name.to_vec(), value)));
        }
        let has_own = headers.iter().any(|(name, _)| name == RETRY_AFTER);
        if let Some(seconds) = refusal.retry_after.filter(|_| !has_own) {
            headers.push((RETRY_AFTER.to_vec(), seconds.to_string().into_bytes()));
        }
        let body = match &response.body {
            _ if !refusal.body.is_empty() => refusal.body,
            Some(body) => body.clone().into_bytes(),
            None if by == By::Global => Vec::new(),
            None => BODY.into(),
        };
        LocalReply {
            status: response.status,
            headers,
            body,
            // RESOURCE_EXHAUSTED. Otherwise Envoy's own of that status: of 429, UNAVAILABLE.
            grpc_status: response.rate_limited_as_resource_exhausted.then_some(8),
            details: format!("pointsman_rate_limited{{{}}}", self.label),
        }
    }
}

/// So many seconds, rounded up.
pub fn seconds(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000_000)
}
