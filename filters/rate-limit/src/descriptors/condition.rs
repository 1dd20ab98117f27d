//! Conditions on headers and query parameters: Envoy's HeaderMatcher and QueryParameterMatcher, compiled.

use std::ops::Range;
use std::rc::Rc;

use pointsman_http::{HeaderMap, StringMatch};

use super::query;

/// What a value must be: Envoy's StringMatcher. Ignoring case folds the letters of ASCII alone.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// One that routes have as well.
    Known(StringMatch),
    /// The end of the value, in lower case.
    SuffixIgnoreCase(Box<[u8]>),
    /// A part of the value.
    Contains(Box<[u8]>),
    /// A part of the value, in lower case.
    ContainsIgnoreCase(Box<[u8]>),
}

impl TextMatch {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Known(known) => known.matches(value),
            Self::SuffixIgnoreCase(suffix) => {
                let start = value.len().checked_sub(suffix.len()).and_then(|start| value.get(start..));
                start.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
            Self::Contains(part) => value.windows(part.len().max(1)).any(|window| window == &**part),
            Self::ContainsIgnoreCase(part) => {
                value.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part))
            }
        }
    }
}

/// How something is to be.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// There, or not there.
    Present(bool),
    /// Such a text.
    Text(TextMatch),
    /// A whole number of those.
    Range(Range<i64>),
}

impl Wanted {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Present(present) => *present,
            Self::Text(text) => text.matches(value),
            Self::Range(range) => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.trim_ascii().parse().ok());
                number.is_some_and(|number| range.contains(&number))
            }
        }
    }
}

/// A condition on a header. As in Envoy 1.39 and later, each line of a repeated one stands for itself: one that matches
/// is enough, and an inverted match needs that none does.
#[derive(Clone, Debug)]
pub struct HeaderCondition {
    /// Its name, as the header map has it.
    pub name: Rc<[u8]>,
    /// How it is to be.
    pub wanted: Wanted,
    /// Whether it is to be otherwise.
    pub inverted: bool,
    /// Whether one that is not there counts as empty.
    pub missing_is_empty: bool,
}

impl HeaderCondition {
    pub(super) fn holds(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.values(&self.name).peekable();
        if lines.peek().is_none() && !self.missing_is_empty {
            // Of a header that is not there, nothing else holds: not even that it is otherwise.
            return matches!(self.wanted, Wanted::Present(present) if present == self.inverted);
        }
        let is_missing = lines.peek().is_none();
        let matches = (is_missing && self.wanted.matches(b"")) || lines.any(|line| self.wanted.matches(line));
        matches != self.inverted
    }
}

/// A condition on the first query parameter of a name.
#[derive(Clone, Debug)]
pub struct QueryCondition {
    /// The name, decoded.
    pub name: Box<[u8]>,
    /// How its value is to be, decoded.
    pub wanted: Wanted,
}

impl QueryCondition {
    pub(super) fn holds(&self, query: &[u8]) -> bool {
        match (query::first(query, &self.name), &self.wanted) {
            (value, Wanted::Present(present)) => value.is_some() == *present,
            (value, wanted) => value.is_some_and(|value| wanted.matches(&value)),
        }
    }
}
