//! A request as bytes: the header map as Envoy hands it over, what matches it, and the edits that go back.
//!
//! Header values, paths and queries are bytes here, never text: Envoy lets 0x80–0xff through to a filter.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod cookie;
mod edits;
mod header_map;
pub mod path;
mod pattern;
pub mod query;
mod re2;
mod string_match;
mod template;
mod templates;
mod texts;

pub use edits::{Edits, Write};
pub use header_map::{HeaderMap, Malformed};
pub use pattern::{Pattern, PatternError, Rewrite, Shape};
pub use string_match::{Beginnings, StringMatch};
pub use template::Template;
pub use templates::Templates;
pub use texts::{Text, Texts};
