//! One condition on one value: a header line, a path, a query parameter.

use std::rc::Rc;

use crate::{Pattern, Shape};

/// What a value must be: Istio's `StringMatch` (`exact`, `prefix`, `regex`, or nothing set), and what
/// `ignoreUriCase` and AuthorizationPolicy's `*suffix` add to it.
///
/// Values are compared byte by byte; ignoring case folds ASCII letters alone, as Envoy does.
#[derive(Clone, Debug)]
pub enum StringMatch {
    /// `exact`: the whole value.
    Exact(Box<[u8]>),
    /// `exact` with `ignoreUriCase`; an index takes it only in lower case.
    ExactIgnoreCase(Box<[u8]>),
    /// `prefix`: a plain prefix, `/v2` matches `/v2example`.
    Prefix(Box<[u8]>),
    /// `prefix` with `ignoreUriCase`; the same.
    PrefixIgnoreCase(Box<[u8]>),
    /// The end of the value: AuthorizationPolicy's `*suffix`.
    Suffix(Box<[u8]>),
    /// `regex`: the whole value matches.
    Regex(Rc<Pattern>),
    /// Nothing set: any value will do.
    Present,
}

impl StringMatch {
    /// Whether a value that is there fulfils the condition. An absent one never does: that is the caller's to know.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => value == &**exact,
            Self::ExactIgnoreCase(exact) => value.eq_ignore_ascii_case(exact),
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::PrefixIgnoreCase(prefix) => {
                value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            }
            Self::Suffix(suffix) => value.ends_with(suffix),
            Self::Regex(pattern) => pattern.is_full_match(value),
            Self::Present => true,
        }
    }

    /// What an index can go by. `None` if nothing is known of the values that match.
    pub fn beginnings(&self) -> Option<Beginnings<'_>> {
        let one = std::slice::from_ref;
        let (texts, is_prefix, ignores_case) = match self {
            Self::Exact(text) => (one(text), false, false),
            Self::ExactIgnoreCase(text) => (one(text), false, true),
            Self::Prefix(text) => (one(text), true, false),
            Self::PrefixIgnoreCase(text) => (one(text), true, true),
            Self::Regex(pattern) => match pattern.shape() {
                Shape::Literal(text) => (one(text), false, false),
                Shape::Literals(texts) => (texts.as_slice(), false, false),
                Shape::Prefix(text) | Shape::Regex(text) => (one(text), true, false),
                Shape::Any => return None,
            },
            Self::Suffix(_) | Self::Present => return None,
        };
        let useless = texts
            .iter()
            .any(|text| is_prefix && text.is_empty() || ignores_case && text.iter().any(u8::is_ascii_uppercase));
        (!useless).then_some(Beginnings { texts, is_prefix, ignores_case })
    }
}

/// What every value that matches has: it is one of those texts or, with `is_prefix`, begins with one. There may be
/// others that have it.
#[derive(Clone, Copy, Debug)]
pub struct Beginnings<'a> {
    /// The texts; in lower case, if case is ignored.
    pub texts: &'a [Box<[u8]>],
    /// Whether it is enough that the value begins so.
    pub is_prefix: bool,
    /// Whether this is so of the value in lower case.
    pub ignores_case: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bytes(text: &[u8]) -> Box<[u8]> {
        text.into()
    }

    macro_rules! matching {
        ($($name:ident: $matcher:expr, yes: [$($yes:literal),*], no: [$($no:literal),*];)*) => {$(
            #[test]
            fn $name() {
                let matcher = $matcher;
                $(assert!(matcher.matches($yes), "{:?}", $yes.escape_ascii());)*
                $(assert!(!matcher.matches($no), "{:?}", $no.escape_ascii());)*
            }
        )*};
    }

    matching! {
        exact: StringMatch::Exact(bytes(b"/a")), yes: [b"/a"], no: [b"", b"/A", b"/a/", b"/"];
        exact_empty: StringMatch::Exact(bytes(b"")), yes: [b""], no: [b"a"];
        exact_ignoring_case: StringMatch::ExactIgnoreCase(bytes(b"/Ab")), yes: [b"/aB", b"/AB"], no: [b"/ab/", b"/a"];
        prefix: StringMatch::Prefix(bytes(b"/v2")), yes: [b"/v2", b"/v2example"], no: [b"/v", b"/V2", b"a/v2"];
        prefix_empty: StringMatch::Prefix(bytes(b"")), yes: [b"", b"a"], no: [];
        prefix_ignoring_case: StringMatch::PrefixIgnoreCase(bytes(b"/V2")), yes: [b"/v2", b"/V2x"], no: [b"/v", b""];
        case_is_ascii: StringMatch::ExactIgnoreCase("É".as_bytes().into()), yes: [b"\xc3\x89"], no: [b"\xc3\xa9"];
        suffix: StringMatch::Suffix(bytes(b".com")), yes: [b".com", b"a.com"], no: [b"com", b"a.com."];
        regex: StringMatch::Regex(Pattern::compile("a+").unwrap()), yes: [b"a", b"aa"], no: [b"", b"ab", b"ba"];
        present: StringMatch::Present, yes: [b"", b"\xff"], no: [];
    }
}
