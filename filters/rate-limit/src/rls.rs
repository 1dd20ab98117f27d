//! What is said to a rate-limit service, and what it says: messages of `envoy.service.ratelimit.v3`, written and read by
//! hand. In a .wasm that is 5 kB; with the messages that `prost` derives it is 17 kB, and they own all they hold.

mod answer;
mod ask;
mod fields;
#[cfg(test)]
pub mod tests;

pub use answer::{Answer, Code, HeaderLine, Status};
#[cfg(test)]
pub use answer::{Limit, MOST_BYTES};
pub use ask::Ask;

/// The service, as gRPC names it.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
/// Its only method: a `RateLimitRequest` is answered with a `RateLimitResponse`.
pub const METHOD: &str = "ShouldRateLimit";
