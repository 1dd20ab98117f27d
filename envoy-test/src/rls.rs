//! The messages of `envoy.service.ratelimit.v3`, as far as tests need them. What the protocol calls a string is bytes in
//! the answer: services that lie may say anything.

use prost::Message;

/// The service's only method, as it stands in a request's path.
pub const METHOD: &str = "envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// A question.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimitRequest {
    /// Whose limits they are.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// What the request is.
    #[prost(message, repeated, tag = "2")]
    pub descriptors: Vec<RateLimitDescriptor>,
    /// How much it counts for; 0 is not said, which is 1.
    #[prost(uint32, tag = "3")]
    pub hits_addend: u32,
}

/// One of the things that a request is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimitDescriptor {
    /// The path to its limit.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
    /// How much the request counts for here.
    #[prost(message, optional, tag = "3")]
    pub hits_addend: Option<u64>,
}

/// A step of a descriptor.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Entry {
    /// What it is about.
    #[prost(string, tag = "1")]
    pub key: String,
    /// What it is.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimitResponse {
    /// [`OK`], [`OVER_LIMIT`], or what is neither.
    #[prost(int32, tag = "1")]
    pub overall_code: i32,
    /// One for each descriptor, in their order; some services say none.
    #[prost(message, repeated, tag = "2")]
    pub statuses: Vec<DescriptorStatus>,
    /// For the answer to the client.
    #[prost(message, repeated, tag = "3")]
    pub response_headers_to_add: Vec<HeaderValue>,
    /// For the request to the upstream.
    #[prost(message, repeated, tag = "4")]
    pub request_headers_to_add: Vec<HeaderValue>,
    /// The body of a refusal.
    #[prost(bytes = "vec", tag = "5")]
    pub raw_body: Vec<u8>,
}

/// The code of what is within its limits.
pub const OK: i32 = 1;
/// The code of what is not.
pub const OVER_LIMIT: i32 = 2;

/// What became of a descriptor.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DescriptorStatus {
    /// Its own code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// The limit that it met.
    #[prost(message, optional, tag = "2")]
    pub current_limit: Option<RateLimit>,
    /// What is left of that.
    #[prost(uint32, tag = "3")]
    pub limit_remaining: u32,
    /// How long until the whole is there again.
    #[prost(message, optional, tag = "4")]
    pub duration_until_reset: Option<Duration>,
}

/// A limit.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimit {
    /// So many.
    #[prost(uint32, tag = "1")]
    pub requests_per_unit: u32,
    /// In which time: 1 is a second, 2 a minute, …
    #[prost(int32, tag = "2")]
    pub unit: i32,
    /// Its name.
    #[prost(bytes = "vec", tag = "3")]
    pub name: Vec<u8>,
}

/// A `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// What is beyond them.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// A header to add.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HeaderValue {
    /// Its name.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Its value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
    /// The value, in place of the other.
    #[prost(bytes = "vec", tag = "3")]
    pub raw_value: Vec<u8>,
}

impl RateLimitRequest {
    /// About one descriptor of these entries.
    pub fn new(domain: &str, entries: &[(&str, &str)]) -> Self {
        let entry = |(key, value): &(&str, &str)| Entry { key: (*key).into(), value: (*value).into() };
        let descriptor = RateLimitDescriptor { entries: entries.iter().map(entry).collect(), hits_addend: None };
        Self { domain: domain.into(), descriptors: vec![descriptor], hits_addend: 0 }
    }
}

impl RateLimitResponse {
    /// That code, and nothing else.
    pub fn code(overall_code: i32) -> Self {
        Self { overall_code, ..Self::default() }
    }
}

impl HeaderValue {
    /// As services write it.
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), value: value.into(), raw_value: Vec::new() }
    }
}
