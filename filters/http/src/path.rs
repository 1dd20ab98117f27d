//! A `:path`, split as Envoy's route matching splits it.

use crate::query;

/// A request's `:path`: what route rules match, and what follows it.
///
/// Envoy matches and rewrites the path alone (its path matchers cut at the first `?` or `#`) and puts the rest
/// behind whatever a rewrite makes of it. Nothing is normalised or decoded: that is the connection manager's work,
/// done before any filter runs. The `*` of an `OPTIONS *` and an empty path are paths like any other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    /// Up to the first `?` or `#`.
    pub path: &'a [u8],
    /// Everything after it, with its `?` or `#`: a rewrite keeps it as it is.
    pub rest: &'a [u8],
}

impl<'a> Target<'a> {
    /// Splits a `:path` as it stands in the header map.
    pub fn parse(raw: &'a [u8]) -> Self {
        let cut = memchr::memchr2(b'?', b'#', raw).unwrap_or(raw.len());
        let (path, rest) = raw.split_at_checked(cut).unwrap_or((raw, b""));
        Self { path, rest }
    }

    /// The query, without its `?` and without a fragment; empty when there is none.
    pub fn query(&self) -> &'a [u8] {
        let query = self.rest.strip_prefix(b"?").unwrap_or(b"");
        query.split(|b| *b == b'#').next().unwrap_or(b"")
    }

    /// The value of the first query parameter of this name, as `queryParams` matches it: see [`query::first`].
    pub fn query_param(&self, name: &[u8]) -> Option<&'a [u8]> {
        query::first(self.query(), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    macro_rules! splits {
        ($($name:ident: $raw:literal => $path:literal, $rest:literal, $query:literal;)*) => {$(
            #[test]
            fn $name() {
                let target = Target::parse($raw);
                assert_eq!((target.path, target.rest, target.query()), (&$path[..], &$rest[..], &$query[..]));
            }
        )*};
    }

    splits! {
        only_a_path: b"/a/b" => b"/a/b", b"", b"";
        a_query: b"/a?b=c" => b"/a", b"?b=c", b"b=c";
        an_empty_query_keeps_its_mark: b"/a?" => b"/a", b"?", b"";
        a_second_question_mark_is_the_querys: b"/a?b?c" => b"/a", b"?b?c", b"b?c";
        a_fragment: b"/a#f" => b"/a", b"#f", b"";
        a_question_mark_in_a_fragment_is_the_fragments: b"/a#f?b=c" => b"/a", b"#f?b=c", b"";
        a_query_and_a_fragment: b"/a?b=c#f" => b"/a", b"?b=c#f", b"b=c";
        empty: b"" => b"", b"", b"";
        no_path: b"?b" => b"", b"?b", b"b";
        options_star: b"*" => b"*", b"", b"";
        bytes_that_are_no_text: b"/\xff?\xfe" => b"/\xff", b"?\xfe", b"\xfe";
    }

    #[test]
    fn a_parameter_ends_before_the_fragment() {
        assert_eq!(Target::parse(b"/?a=1#2").query_param(b"a"), Some(&b"1"[..]));
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn nothing_is_lost(raw: Vec<u8>) {
            let target = Target::parse(&raw);
            assert_eq!([target.path, target.rest].concat(), raw);
            assert!(!target.path.contains(&b'?') && !target.path.contains(&b'#'));
            assert!(!target.query().contains(&b'#'));
        }
    }
}
