//! RE2's language, read as RE2 reads it in Latin-1 mode, where a character is a byte.
//!
//! Rust's `regex` is a sibling of RE2, but reads many patterns differently: nested classes and set operations, the
//! flags `x`, `R` and `u`, octal escapes, `\<`, a lone `{`. So a pattern is parsed here, by RE2's rules, into a tree
//! of bytes, and the engine behind `regex` is given that tree: its own parser, a third of the crate, stays out of the
//! module. What RE2 refuses is refused, and so is the little that is not read; nothing gets a silently different
//! meaning.

mod class;
mod escape;
mod group;
mod node;
mod parse;

pub(crate) use node::{Look, Node};
pub(crate) use parse::parse;
