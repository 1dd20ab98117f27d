//! RE2's language, read as RE2 reads it in Latin-1 mode, where a character is a byte.
//!
//! Rust's `regex` is a sibling of RE2, but reads many patterns differently: nested classes and set operations, the
//! flags `x`, `R` and `u`, octal escapes, `\<`, a lone `{`. So a pattern is parsed here, by RE2's rules. What RE2
//! refuses is refused, and so is the little that is not read; nothing gets a silently different meaning.
//!
//! It is run here, too, and in RE2's way: as a program, in time that is linear in the value whatever the pattern. For
//! bytes alone that is a few hundred lines, where the engine behind `regex` was a quarter of a module; the tests hold
//! this one to it.

mod class;
mod escape;
mod full_match;
mod group;
mod node;
mod parse;
mod program;
mod search;

pub(crate) use full_match::FullMatch;
pub(crate) use node::{Look, Node};
pub(crate) use parse::parse;
pub(crate) use search::Search;

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod reference;
