//! Properties: what must hold for any bytes. Each is a function that takes bytes and panics where it does not hold, so
//! that the same one is run by a fuzz target, by proptest and over the corpora.
// It finds faults by panicking, as tests do. Its arithmetic overflows loudly, because nobody builds it for release
// without the checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]
#![allow(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects)]

mod choices;
mod configuration;
mod cookie;
mod duration;
mod edits;
mod envoy;
mod header_map;
mod path;
mod pipeline;
mod query;
mod regex;
mod regex_tree;

pub use configuration::configuration;
pub use cookie::cookie;
pub use duration::duration;
pub use edits::edits;
pub use header_map::header_map;
pub use path::path;
pub use pipeline::pipeline;
pub use query::query;
pub use regex::regex;
pub use regex_tree::regex_tree;

/// Those of `pointsman.wasm`.
type Filters = (routing::Routing, rate_limit::RateLimit, fault_injection::FaultInjection<true>);

/// A property: it panics where it does not hold for those bytes.
pub type Property = fn(&[u8]);

/// All of them, by the names of their fuzz targets.
pub const ALL: [(&str, Property); 10] = [
    ("configuration", configuration),
    ("cookie", cookie),
    ("duration", duration),
    ("edits", edits),
    ("header_map", header_map),
    ("path", path),
    ("pipeline", pipeline),
    ("query", query),
    ("regex", regex),
    ("regex_tree", regex_tree),
];
