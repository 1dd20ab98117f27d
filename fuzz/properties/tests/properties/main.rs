//! What the fuzz targets do, on stable: every property over its corpus, and for random inputs.
// As clippy.toml does for the tests themselves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod corpus;
mod folders;
mod random;
