//! `uriRegexRewrite`: every match replaced.

use std::rc::Rc;

use super::PatternError;
use super::intern::Table;
use crate::re2;

thread_local! {
    static SEARCHES: Table<Search> = Table::default();
}

/// A pattern to search for, anywhere in a value and any number of times.
#[derive(Debug)]
struct Search {
    regex: re2::Search,
    groups: u32,
}

/// A substitution: Istio's `uriRegexRewrite {match, rewrite}`, Envoy's `RegexMatchAndSubstitute`.
///
/// As RE2's `GlobalReplace`: every match is replaced, left to right, empty ones too unless they touch the match
/// before. In the rewrite `\0` stands for the whole match, `\1` to `\9` for a group, `\\` for a backslash.
#[derive(Clone, Debug)]
pub struct Rewrite {
    search: Rc<Search>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Literal(Box<[u8]>),
    Group(usize),
}

impl Rewrite {
    /// Compiles the pattern, unless somebody on this thread holds it already, and what replaces it.
    pub fn compile(pattern: &str, rewrite: &str) -> Result<Self, PatternError> {
        let search = SEARCHES.with(|table| {
            table.get_or_try_insert(pattern, || {
                let parsed = re2::parse(pattern)?;
                let regex = re2::Search::new(&parsed.node)?;
                Ok(Search { regex, groups: parsed.groups })
            })
        })?;
        let pieces = pieces(rewrite, search.groups)?;
        Ok(Self { search, pieces })
    }

    /// The value with every match replaced.
    pub fn replace_all(&self, value: &[u8]) -> Vec<u8> {
        let part = |start: usize, end: usize| value.get(start..end).unwrap_or_default();
        let mut out = Vec::with_capacity(value.len());
        let mut copied = 0;
        let mut from = 0;
        let mut last_end = None;
        while let Some(found) = self.search.regex.find(value, from) {
            let (start, end) = found.whole();
            if start == end && Some(end) == last_end {
                // An empty match that touches the one before does not count.
                from = end.saturating_add(1);
                last_end = None;
                continue;
            }
            out.extend_from_slice(part(copied, start));
            for piece in &self.pieces {
                out.extend_from_slice(match piece {
                    Piece::Literal(literal) => literal,
                    Piece::Group(group) => found.group(*group).map_or(b"", |(start, end)| part(start, end)),
                });
            }
            (copied, from, last_end) = (end, end, Some(end));
        }
        out.extend_from_slice(part(copied, value.len()));
        out
    }
}

/// Reads what replaces a match of a pattern with so many groups.
fn pieces(rewrite: &str, groups: u32) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut bytes = rewrite.bytes();
    while let Some(byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { Some(b'\\') };
        match (byte, escaped) {
            (b'\\', Some(digit @ b'0'..=b'9')) => {
                let group = u32::from(digit & 15);
                if group > groups {
                    let s = if groups == 1 { "" } else { "s" };
                    let why = format!("\\{group} is not there: the pattern has {groups} group{s}");
                    return Err(PatternError::new(why));
                }
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                }
                pieces.push(Piece::Group(usize::from(digit & 15)));
            }
            (byte, Some(b'\\')) => literal.push(byte),
            _ => {
                return Err(PatternError::new("a backslash in a rewrite stands before a digit; write \\\\ for itself"));
            }
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Pattern, rewrite, value, and what RE2's GlobalReplace makes of it.
    const REPLACED: &[(&str, &str, &[u8], &[u8])] = &[
        ("^/a", "/b", b"/a/a", b"/b/a"),
        ("/([^/]*)/([^/]*)", r"/\2/\1", b"/x/y/z", b"/y/x/z"),
        ("a|b", r"<\0>", b"abc", b"<a><b>c"),
        ("(a)|(b)", r"[\1\2]", b"ab", b"[a][b]"),
        ("z", "-", b"abc", b"abc"),
        (".", "-", b"\xff\nx", b"-\n-"),
        ("(?U)a+", "-", b"aaa", b"---"),
        // A backslash alone is special.
        ("(?i)A", "$1${1}", b"aA", b"$1${1}$1${1}"),
        ("b", r"\\", b"abc", b"a\\c"),
        ("b", "é", b"abc", b"a\xc3\xa9c"),
        ("b", "", b"abc", b"ac"),
        // Empty matches count, but not where the last match ended.
        ("x*", "-", b"/axb", b"-/-a-b-"),
        ("x*", "-", b"axxb", b"-a-b-"),
        ("b*", r"\\", b"abc", b"\\a\\c\\"),
        ("", ".", b"ab", b".a.b."),
        ("", ".", b"\xc3\xa9", b".\xc3.\xa9."),
        ("", ".", b"", b"."),
        ("$", "!", b"ab", b"ab!"),
        ("(?m)^", ">", b"a\nb", b">a\n>b"),
        (r"\b", "|", b"ab cd", b"|ab| |cd|"),
        ("(|a)*", "-", b"aab", b"-a-a-b-"),
        ("()|a", "-", b"aa", b"-a-a-"),
    ];

    #[test]
    fn every_match_is_replaced() {
        for (pattern, rewrite, value, expected) in REPLACED {
            let replaced = Rewrite::compile(pattern, rewrite).unwrap().replace_all(value);
            assert_eq!(replaced, *expected, "{pattern} -> {rewrite}: {}", replaced.escape_ascii());
        }
    }

    #[test]
    fn a_rewrite_that_asks_for_what_is_not_there_is_refused() {
        for (rewrite, why) in [
            (r"\2", r"\2 is not there: the pattern has 1 group"),
            (r"a\", "a backslash in a rewrite stands before a digit"),
            (r"\n", "a backslash in a rewrite stands before a digit"),
            (r"\é", "a backslash in a rewrite stands before a digit"),
        ] {
            let error = Rewrite::compile("(?P<name>a)(?:b)", rewrite).unwrap_err().to_string();
            assert!(error.starts_with(why), "{rewrite}: {error}");
        }
        assert!(Rewrite::compile("(", "").is_err());
    }

    #[test]
    fn the_same_pattern_is_compiled_once() {
        let [first, second] = ["x", "y"].map(|rewrite| Rewrite::compile("shared (a)", rewrite).unwrap());
        assert!(Rc::ptr_eq(&first.search, &second.search));
    }
}
