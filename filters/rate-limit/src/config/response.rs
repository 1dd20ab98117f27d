//! What a request that is over its limit gets.

use pointsman_routes::config::check_name;
use pointsman_wire::{Cursor, Decode, map, message, text, whole_or};

message! {
    /// The answer. gRPC has 200, and the status in its own header.
    pub struct Response = "response" {
        /// The status, 429 if it is left out.
        status: u32 = "status" as read_status,
        /// The body. If it is left out: what a rate-limit service says, or `local_rate_limited` where the proxy itself refuses.
        body: Option<String> = "body",
        /// Headers beside it, names in lower case.
        headers: Vec<(String, String)> = "headers" as read_headers,
        /// Whether responses say how much of the limit is left: those to the requests that it let pass, too.
        rate_limit_headers: RateLimitHeaders = "rateLimitHeaders",
        /// Whether gRPC gets RESOURCE_EXHAUSTED, and not UNAVAILABLE.
        rate_limited_as_resource_exhausted: bool = "rateLimitedAsResourceExhausted",
    }
    refused {
        "enableXRatelimitHeaders": "it is called rateLimitHeaders here",
        "responseHeadersToAdd": "it is called headers here, and is an object: {x-local-rate-limit: \"true\"}",
    }
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: 429,
            body: None,
            headers: Vec::new(),
            rate_limit_headers: RateLimitHeaders::Off,
            rate_limited_as_resource_exhausted: false,
        }
    }
}

fn read_status(at: Cursor<'_>) -> Option<u32> {
    if at.value().is_null() {
        return Some(429);
    }
    whole_or(at, 400, 599, &"is no status of an error, expected 400 to 599")?.try_into().ok()
}

/// What says where an answer ends is the proxy's.
const FRAMING: [&str; 7] =
    ["content-length", "transfer-encoding", "connection", "upgrade", "keep-alive", "proxy-connection", "te"];

/// Whether a header says where an answer ends.
pub fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|header| name.eq_ignore_ascii_case(header))
}

fn read_headers(at: Cursor<'_>) -> Option<Vec<(String, String)>> {
    let headers = map(at, |name, at| {
        let value = text(at, "a header's value");
        if name.starts_with(':') {
            return at.error("is no header: the status is `response.status`");
        }
        check_name(at, name)?;
        if is_framing(name) {
            return at.error("says where an answer ends: that is the proxy's");
        }
        value
    })?;
    Some(headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
}

/// Envoy's XRateLimitHeadersRFCVersion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateLimitHeaders {
    /// None.
    #[default]
    Off,
    /// `x-ratelimit-limit`, `-remaining` and `-reset`, as the third draft has them.
    Draft03,
}

impl Decode for RateLimitHeaders {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("OFF") => Some(Self::Off),
            Some("DRAFT_VERSION_03") => Some(Self::Draft03),
            _ => at.error(format_args!("{} is no version, expected OFF or DRAFT_VERSION_03", at.value())),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::Off)
    }
}
