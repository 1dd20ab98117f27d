//! Whether a request fulfils a rule's conditions: HTTPMatchRequest, compiled.

use std::fmt;

use pointsman_http::path::Target;
use pointsman_http::{HeaderMap, StringMatch};

use crate::config::{HttpMatchRequest, StringCondition};

/// What of a request the conditions look at.
pub(crate) struct View<'a> {
    headers: &'a HeaderMap,
    target: Target<'a>,
}

impl<'a> View<'a> {
    pub fn new(headers: &'a HeaderMap) -> Self {
        Self {
            headers,
            target: Target::parse(headers.path()),
        }
    }
}

/// All conditions of one match entry. All must hold.
#[derive(Default)]
pub(crate) struct Conditions {
    path: Option<StringMatch>,
    headers: Vec<HeaderCondition>,
    query: Vec<(Box<[u8]>, StringMatch)>,
}

/// `headers`, `withoutHeaders`, and the fields that are pseudo-headers.
struct HeaderCondition {
    name: Box<[u8]>,
    matcher: StringMatch,
    without: bool,
}

/// The first condition that did not hold.
#[derive(Clone, Copy)]
pub(crate) enum Failure<'a> {
    Path,
    Header(&'a [u8]),
    WithoutHeader(&'a [u8]),
    Query(&'a [u8]),
}

impl Conditions {
    pub fn new(entry: &HttpMatchRequest) -> Self {
        let header = |name: &str, condition: &StringCondition, without| HeaderCondition {
            name: header_name(name),
            matcher: compile(condition, false),
            without,
        };
        let pseudo = [
            (":scheme", &entry.scheme),
            (":method", &entry.method),
            (":authority", &entry.authority),
        ];
        let pseudo = pseudo
            .into_iter()
            .filter_map(|(name, condition)| Some((name, condition.as_ref()?)));
        Self {
            path: entry.uri.as_ref().map(|uri| compile(uri, entry.ignore_uri_case)),
            headers: pseudo
                .map(|(name, condition)| header(name, condition, false))
                .chain(
                    entry
                        .headers
                        .iter()
                        .map(|(name, condition)| header(name, condition, false)),
                )
                .chain(
                    entry
                        .without_headers
                        .iter()
                        .map(|(name, condition)| header(name, condition, true)),
                )
                .collect(),
            query: (entry.query_params.iter())
                .map(|(name, condition)| (name.as_bytes().into(), compile(condition, false)))
                .collect(),
        }
    }

    /// Whether they are what Istio calls a catch-all: no condition but the prefix `/` or the regex `.*` on the path.
    pub fn are_catch_all(&self) -> bool {
        let every_path = match &self.path {
            None => true,
            Some(StringMatch::Prefix(prefix) | StringMatch::PrefixIgnoreCase(prefix)) => **prefix == *b"/",
            Some(StringMatch::Regex(pattern)) => pattern.as_str() == ".*",
            Some(_) => false,
        };
        every_path && self.headers.is_empty() && self.query.is_empty()
    }

    /// The first condition that does not hold; `None`: they all do.
    pub fn failure<'a>(&'a self, view: &View<'_>) -> Option<Failure<'a>> {
        if self.path.as_ref().is_some_and(|path| !path.matches(view.target.path)) {
            return Some(Failure::Path);
        }
        if let Some(failed) = self.headers.iter().find(|condition| !condition.holds(view.headers)) {
            let failure = if failed.without {
                Failure::WithoutHeader
            } else {
                Failure::Header
            };
            return Some(failure(&failed.name));
        }
        let holds = |(name, matcher): &&(Box<[u8]>, StringMatch)| {
            view.target
                .query_param(name)
                .is_some_and(|value| matcher.matches(value))
        };
        self.query
            .iter()
            .find(|parameter| !holds(parameter))
            .map(|(name, _)| Failure::Query(name))
    }
}

impl HeaderCondition {
    /// Envoy's HeaderMatcher, each line of a repeated header by itself.
    fn holds(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.values(&self.name);
        if !self.without {
            return values.any(|value| self.matcher.matches(value));
        }
        match values.next() {
            // treat_missing_header_as_empty, which Istio sets for all but presence.
            None => matches!(self.matcher, StringMatch::Present) || !self.matcher.matches(b""),
            Some(first) => !std::iter::once(first)
                .chain(values)
                .any(|value| self.matcher.matches(value)),
        }
    }
}

/// As the header map has it, where the host is `:authority`.
fn header_name(name: &str) -> Box<[u8]> {
    match name.to_ascii_lowercase() {
        host if host == "host" => b":authority".as_slice().into(),
        name => name.into_bytes().into(),
    }
}

fn compile(condition: &StringCondition, ignore_case: bool) -> StringMatch {
    match condition {
        StringCondition::Exact(exact) if ignore_case => StringMatch::ExactIgnoreCase(exact.as_bytes().into()),
        StringCondition::Exact(exact) => StringMatch::Exact(exact.as_bytes().into()),
        StringCondition::Prefix(prefix) if ignore_case => StringMatch::PrefixIgnoreCase(prefix.as_bytes().into()),
        StringCondition::Prefix(prefix) => StringMatch::Prefix(prefix.as_bytes().into()),
        StringCondition::Regex(pattern) => StringMatch::Regex(pattern.clone()),
        StringCondition::Anything => StringMatch::Present,
    }
}

/// As an explanation says it.
impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, name) = match self {
            Self::Path => return f.write_str("uri"),
            Self::Header(b":scheme") => return f.write_str("scheme"),
            Self::Header(b":method") => return f.write_str("method"),
            Self::Header(b":authority") => return f.write_str("authority"),
            Self::Header(name) => ("headers", name),
            Self::WithoutHeader(name) => ("withoutHeaders", name),
            Self::Query(name) => ("queryParams", name),
        };
        write!(f, "{field}[{}]", name.escape_ascii())
    }
}
