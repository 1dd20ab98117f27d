//! What a filter may ask of the proxy ([`Host`]), and a fake of it, so that filters are tested without one.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod cells;
mod fake;
mod metrics;
mod node;
mod random;
pub mod slots;

pub use fake::FakeHost;
pub use metrics::{Metric, MetricKind};
pub use node::{Node, Proxy};
pub use random::Random;

use cells::{Cell, Changed};
use pointsman_http::HeaderMap;

/// What a filter may ask of the proxy while it handles a request.
pub trait Host {
    /// Nanoseconds on a clock that never goes back.
    fn monotonic(&self) -> u64;

    /// Nanoseconds since 1970 on the wall clock, which may step.
    fn wall(&self) -> u64;

    /// Which VM this is, of all that share cells: a worker's, as long as it lives.
    fn vm(&self) -> u64;

    /// 64 random bits: good enough to share out requests, no good for secrets.
    fn random(&mut self) -> u64;

    /// An attribute of the request, its connection or the node, such as `["destination", "port"]`, as the proxy
    /// serializes it: text as it is, integers as 8 bytes little-endian. `None` if there is no such attribute.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;

    /// The response's headers, while they are handled; read anew at each call.
    fn response_headers(&mut self) -> Option<HeaderMap>;

    /// Adds to a counter or a gauge (a gauge takes negative amounts, too), or enters a value into a histogram.
    fn add(&mut self, metric: &Metric, amount: i64);

    /// A cell that all workers share; see [`cells`].
    fn cell(&self, key: &str) -> Cell;

    /// Changes a cell, if it is still of that version. The version that the cell has now, as far as that can be known: the
    /// cell has it, and that value, or no cell has it.
    fn set_cell(&mut self, key: &str, value: &[u8], version: u32) -> Result<Option<u32>, Changed>;

    /// An attribute that is an integer.
    fn integer(&self, path: &[&str]) -> Option<i64> {
        self.property(path)?.as_slice().try_into().ok().map(i64::from_le_bytes)
    }
}
