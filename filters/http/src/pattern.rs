//! Regular expressions as Istio and Envoy use them.

mod intern;
mod rewrite;
mod shape;

use std::fmt;
use std::rc::Rc;

use crate::re2::{self, FullMatch};
use intern::Table;
pub use rewrite::Rewrite;
pub use shape::Shape;

thread_local! {
    static PATTERNS: Table<Pattern> = Table::default();
}

/// A regular expression that a whole value must match: `regex` of Istio's StringMatch, `safe_regex` of Envoy.
///
/// The language and its meaning are RE2's in Latin-1 mode: a character is a byte, `.` is any byte but a newline, and
/// `é` in a pattern stands for its two bytes. What RE2 refuses is refused.
pub struct Pattern {
    text: Box<str>,
    shape: Shape,
    /// What every match ends with: most values are told apart by this or by their beginnings, for less than the
    /// automaton takes.
    ending: Box<[u8]>,
    /// Only where the shape does not say it all.
    regex: Option<FullMatch>,
}

impl Pattern {
    /// The longest `regex` that Istio's validation accepts, in characters. It is the caller's to check.
    pub const MAX_CHARS: usize = 1024;

    /// Compiles a pattern, or hands out the one that somebody on this thread holds already.
    pub fn compile(text: &str) -> Result<Rc<Self>, PatternError> {
        PATTERNS.with(|table| table.get_or_try_insert(text, || Self::new(text)))
    }

    fn new(text: &str) -> Result<Self, PatternError> {
        let node = re2::parse(text)?.node;
        let shape = Shape::of(&node);
        let regex = match shape {
            Shape::Regex(_) => Some(FullMatch::new(&node)?),
            _ => None,
        };
        Ok(Self { text: text.into(), ending: shape::ending(&node), shape, regex })
    }

    /// Whether the whole value matches.
    pub fn is_full_match(&self, value: &[u8]) -> bool {
        match (&self.regex, &self.shape) {
            (Some(regex), Shape::Regex(beginning)) => {
                value.starts_with(beginning) && value.ends_with(&self.ending) && regex.matches(value)
            }
            _ => self.shape.matches(value),
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the pattern comes down to, so that one without need of a regex engine can be looked up in an index.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").field("text", &self.text).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// What is wrong with a pattern or a rewrite, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PatternError(Box<str>);

impl PatternError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into().into())
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests;
