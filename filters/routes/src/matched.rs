//! What of a path a rule's condition matched.

use pointsman_http::path::Target;

/// What of the path the rule's condition matched: what `rewrite.uri` replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// So many bytes. Without a condition it is the leading slash, as the prefix `/` is what istiod makes of none.
    Prefix(usize),
    /// All of it, without the query.
    Whole,
}

impl Matched {
    /// The path with what matched replaced, and its query.
    pub fn replace(self, target: Target<'_>, by: &[u8]) -> Vec<u8> {
        let kept = match self {
            Self::Prefix(length) => target.path.get(length..).unwrap_or_default(),
            Self::Whole => b"",
        };
        [by, kept, target.rest].concat()
    }
}
