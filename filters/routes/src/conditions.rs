//! Whether a request fulfils a rule's conditions: HTTPMatchRequest, compiled.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

use pointsman_host::Host;
use pointsman_http::path::Target;
use pointsman_http::{Beginnings, HeaderMap, StringMatch};

use crate::claims::ClaimCondition;
use crate::config::{HttpMatchRequest, StringCondition};
use crate::matched::Matched;
use crate::names;

/// What of a request the conditions look at.
pub struct View<'a> {
    headers: &'a HeaderMap,
    target: Target<'a>,
    host: &'a dyn Host,
    port: OnceCell<Option<u32>>,
}

impl<'a> View<'a> {
    /// Those headers; the host is asked for claims and the port, where a condition is about them.
    pub fn new(headers: &'a HeaderMap, host: &'a dyn Host) -> Self {
        Self { headers, target: Target::parse(headers.path()), host, port: OnceCell::new() }
    }

    /// The port that the client connected to; asked for once.
    pub fn port(&self) -> Option<u32> {
        *self.port.get_or_init(|| port(self.host))
    }

    /// Hands out the values of that part.
    pub fn values(&self, part: Part<'_>, mut each: impl FnMut(&[u8])) {
        match part {
            Part::Path => each(self.target.path),
            Part::Header(name) => self.headers.values(name).for_each(each),
            Part::Query(name) => self.target.query_param(name).into_iter().for_each(each),
        }
    }
}

/// The port that the client connected to.
pub(crate) fn port(host: &dyn Host) -> Option<u32> {
    host.integer(&["destination", "port"]).and_then(|port| u32::try_from(port).ok())
}

/// What of a request a condition is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Part<'a> {
    /// The path, without query and fragment.
    Path,
    /// Each line of that header.
    Header(&'a [u8]),
    /// The first parameter of that name.
    Query(&'a [u8]),
}

/// All conditions of one match entry. All must hold.
pub struct Conditions {
    path: StringMatch,
    headers: Vec<HeaderCondition>,
    claims: Vec<ClaimCondition>,
    query: Vec<(Box<[u8]>, StringMatch)>,
}

/// `headers`, `withoutHeaders`, and the fields that are pseudo-headers.
struct HeaderCondition {
    name: Rc<[u8]>,
    matcher: StringMatch,
    without: bool,
}

/// The first condition that did not hold.
#[derive(Clone, Copy)]
pub enum Failure<'a> {
    /// On the path.
    Path,
    /// On that header, or claim.
    Header(&'a [u8]),
    /// On the absence of that header, or claim.
    WithoutHeader(&'a [u8]),
    /// On that query parameter.
    Query(&'a [u8]),
}

/// istiod makes this of a rule without a `uri`; it leaves out the `*` of an `OPTIONS *`, and CONNECT.
impl Default for Conditions {
    fn default() -> Self {
        let path = StringMatch::Prefix(b"/"[..].into());
        Self { path, headers: Vec::new(), claims: Vec::new(), query: Vec::new() }
    }
}

impl Conditions {
    /// What a match entry says of the request itself. Its port is the caller's to look at.
    pub fn new(entry: &HttpMatchRequest) -> Self {
        let mut this = Self::default();
        match &entry.uri {
            None | Some(StringCondition::Anything) => {}
            Some(uri) => this.path = compile(uri, entry.ignore_uri_case),
        }
        let pseudo = [(":scheme", &entry.scheme), (":method", &entry.method), (":authority", &entry.authority)];
        for (name, condition) in pseudo {
            condition.iter().for_each(|condition| this.add_header(name, condition, false));
        }
        entry.headers.iter().for_each(|(name, condition)| this.add_header(name, condition, false));
        entry.without_headers.iter().for_each(|(name, condition)| this.add_header(name, condition, true));
        let query =
            |(name, condition): (&String, &StringCondition)| (name.as_bytes().into(), compile(condition, false));
        this.query = entry.query_params.iter().map(query).collect();
        this
    }

    fn add_header(&mut self, name: &str, condition: &StringCondition, without: bool) {
        let matcher = compile(condition, false);
        match ClaimCondition::new(name, &matcher, without) {
            Some(claim) => self.claims.push(claim),
            None => {
                self.headers.push(HeaderCondition { name: names::in_map(name), matcher, without });
            }
        }
    }

    /// Whether they are what Istio calls a catch-all: no condition but the prefix `/` or the regex `.*` on the path.
    pub fn are_catch_all(&self) -> bool {
        let every_path = match &self.path {
            StringMatch::Prefix(prefix) | StringMatch::PrefixIgnoreCase(prefix) => **prefix == *b"/",
            StringMatch::Regex(pattern) => pattern.as_str() == ".*",
            _ => false,
        };
        every_path && self.headers.is_empty() && self.claims.is_empty() && self.query.is_empty()
    }

    /// The conditions that an index can go by, the most telling first.
    pub fn indexed(&self) -> impl Iterator<Item = (Part<'_>, Beginnings<'_>)> {
        // Nearly every path begins with it.
        let path = self.path.beginnings().filter(|path| !(path.is_prefix && *path.texts == [b"/"[..].into()]));
        let headers = self.headers.iter().filter(|header| !header.without);
        let headers = headers.filter_map(|header| Some((Part::Header(&header.name), header.matcher.beginnings()?)));
        let query = self.query.iter().filter_map(|(name, matcher)| Some((Part::Query(name), matcher.beginnings()?)));
        path.map(|path| (Part::Path, path)).into_iter().chain(headers).chain(query)
    }

    /// What of a path that matches is matched: what a rewrite replaces.
    pub fn matched(&self) -> Matched {
        match &self.path {
            StringMatch::Prefix(prefix) | StringMatch::PrefixIgnoreCase(prefix) => Matched::Prefix(prefix.len()),
            _ => Matched::Whole,
        }
    }

    /// The first condition that does not hold; `None`: they all do.
    pub fn failure<'a>(&'a self, view: &View<'_>) -> Option<Failure<'a>> {
        if !self.path.matches(view.target.path) {
            return Some(Failure::Path);
        }
        if let Some(failed) = self.headers.iter().find(|condition| !condition.holds(view.headers)) {
            return Some(Failure::header(&failed.name, failed.without));
        }
        let holds = |(name, matcher): &&(Box<[u8]>, StringMatch)| {
            view.target.query_param(name).is_some_and(|value| matcher.matches(value))
        };
        if let Some((name, _)) = self.query.iter().find(|parameter| !holds(parameter)) {
            return Some(Failure::Query(name));
        }
        // Last, because a claim has to be asked for.
        let failed = self.claims.iter().find(|condition| !condition.holds(view.host))?;
        Some(Failure::header(failed.key(), failed.without))
    }
}

impl<'a> Failure<'a> {
    fn header(name: &'a [u8], without: bool) -> Self {
        if without { Self::WithoutHeader(name) } else { Self::Header(name) }
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
            Some(first) => !std::iter::once(first).chain(values).any(|value| self.matcher.matches(value)),
        }
    }
}

/// The matcher of a wire condition.
pub fn compile(condition: &StringCondition, ignore_case: bool) -> StringMatch {
    let lower = |text: &String| text.to_ascii_lowercase().into_bytes().into();
    match condition {
        StringCondition::Exact(exact) if ignore_case => StringMatch::ExactIgnoreCase(lower(exact)),
        StringCondition::Exact(exact) => StringMatch::Exact(exact.as_bytes().into()),
        StringCondition::Prefix(prefix) if ignore_case => StringMatch::PrefixIgnoreCase(lower(prefix)),
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
