//! What a rewrite makes of a path.

use std::rc::Rc;

use pointsman_http::Rewrite;
use pointsman_http::path::Target;
use pointsman_routes::Matched;

use crate::config::HttpRewrite;

/// HTTPRewrite, as far as it is about the path.
pub(crate) enum PathRewrite {
    /// `uri`.
    Matched(Box<[u8]>),
    /// `uriRegexRewrite`.
    Regex(Rc<Rewrite>),
}

impl PathRewrite {
    pub fn new(rewrite: &HttpRewrite) -> Option<Self> {
        match (&rewrite.regex, rewrite.uri.as_str()) {
            (Some(regex), _) => Some(Self::Regex(regex.0.clone())),
            (None, "") => None,
            (None, uri) => Some(Self::Matched(uri.as_bytes().into())),
        }
    }

    /// The new `:path`. None: Envoy does not use an empty one, and then has rewritten nothing.
    pub fn apply(&self, path: &[u8], matched: Matched) -> Option<Vec<u8>> {
        let target = Target::parse(path);
        match self {
            Self::Matched(uri) => Some(matched.replace(target, uri)),
            Self::Regex(rewrite) => {
                let new = rewrite.replace_all(target.path);
                (!new.is_empty()).then(|| [&new, target.rest].concat())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn joins() {
        for (uri, matched, path, expected) in [
            ("/", Matched::Prefix(4), "/foo/bar", "//bar"),
            ("/", Matched::Prefix(5), "/foo/bar?q", "/bar?q"),
            ("/x", Matched::Prefix(1), "/a", "/xa"),
            ("/x", Matched::Prefix(4), "/foo#f", "/x#f"),
            ("/x?y", Matched::Whole, "/foo/bar?q=1", "/x?y?q=1"),
            ("x", Matched::Whole, "/", "x"),
            ("/x", Matched::Prefix(9), "/", "/x"),
        ] {
            let rewrite = PathRewrite::Matched(uri.as_bytes().into());
            let new = rewrite.apply(path.as_bytes(), matched).unwrap();
            assert_eq!(String::from_utf8(new).unwrap(), expected, "{uri} {matched:?} {path}");
        }
    }

    #[test]
    fn regexes() {
        for (pattern, by, path, expected) in [
            ("x*", "-", "/axb", Some("-/-a-b-")),
            ("^/(a)/", r"/\1\1/\\", "/a/b?/a/", Some(r"/aa/\b?/a/")),
            (".*", "", "/a?q", None),
            ("/", "?", "/a/b?q", Some("?a?b?q")),
        ] {
            let rewrite = Rc::new(Rewrite::compile(pattern, by).unwrap());
            let new = PathRewrite::Regex(rewrite).apply(path.as_bytes(), Matched::Whole);
            assert_eq!(new.as_deref(), expected.map(str::as_bytes), "{pattern} {by} {path}");
        }
    }
}
