//! Cross-origin requests: CorsPolicy, done as Envoy's `cors` filter does it for Istio.
//!
//! What that is was measured on Envoy 1.40 with the routes that istiod makes; each test names such a case.

use std::rc::Rc;

use pointsman_filter::LocalReply;
use pointsman_http::{Edits, HeaderMap, StringMatch};
use pointsman_routes::compile;

use crate::config::{CorsPolicy, UnmatchedPreflights};

const ALLOW_ORIGIN: &[u8] = b"access-control-allow-origin";
const ALLOW_CREDENTIALS: &[u8] = b"access-control-allow-credentials";
const ALLOW_METHODS: &[u8] = b"access-control-allow-methods";
const ALLOW_HEADERS: &[u8] = b"access-control-allow-headers";
const EXPOSE_HEADERS: &[u8] = b"access-control-expose-headers";
const MAX_AGE: &[u8] = b"access-control-max-age";
const REQUEST_METHOD: &[u8] = b"access-control-request-method";
const REQUEST_HEADERS: &[u8] = b"access-control-request-headers";

/// Names and values, as both kinds of answers need them.
type Lines = Vec<(Rc<[u8]>, Rc<[u8]>)>;

/// A CorsPolicy, compiled.
pub(crate) struct Cors {
    origins: Vec<StringMatch>,
    /// One of the matchers matches `*`, which Envoy takes for "any origin".
    any_origin: bool,
    ignores_unmatched: bool,
    /// Whether a page may send credentials.
    credentials: Lines,
    /// What a page may read; only an origin that matches is told.
    exposed: Lines,
    /// What a preflight is told of methods, headers and age.
    preflight: Lines,
}

impl Cors {
    pub fn new(policy: &CorsPolicy) -> Self {
        let exact = |origin: &String| StringMatch::Exact(origin.as_bytes().into());
        let origins: Vec<StringMatch> = match policy.allow_origins.as_slice() {
            [] => policy.allow_origin.iter().map(exact).collect(),
            origins => origins.iter().map(|origin| compile(origin, false)).collect(),
        };
        let credentials = policy.allow_credentials.filter(|allow| *allow).map(|_| "true".to_owned());
        let age = policy.max_age.map(|age| age.as_secs().to_string());
        Self {
            any_origin: origins.iter().any(|origin| origin.matches(b"*")),
            origins,
            ignores_unmatched: policy.unmatched_preflights == UnmatchedPreflights::Ignore,
            credentials: lines([(ALLOW_CREDENTIALS, credentials.unwrap_or_default())]),
            exposed: lines([(EXPOSE_HEADERS, policy.expose_headers.join(","))]),
            preflight: lines([
                (ALLOW_METHODS, policy.allow_methods.join(",")),
                (ALLOW_HEADERS, policy.allow_headers.join(",")),
                (MAX_AGE, age.unwrap_or_default()),
            ]),
        }
    }

    /// The answer, if the request is a preflight that is answered here. The rule's header operations and its sticky
    /// cookie are not applied to it.
    pub fn preflight(&self, request: &HeaderMap) -> Option<LocalReply> {
        let origin = origin(request)?;
        let asks = |name, is: fn(&[u8]) -> bool| request.first(name).is_some_and(is);
        if !asks(b":method", |method| method == b"OPTIONS") || !asks(REQUEST_METHOD, |method| !method.is_empty()) {
            return None;
        }
        let matches = self.matches(origin);
        if !matches && !self.ignores_unmatched {
            return None;
        }
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        if matches {
            headers.push((ALLOW_ORIGIN.into(), origin.into()));
        }
        let exposed = self.exposed.iter().filter(|_| matches);
        let lines = self.credentials.iter().chain(&self.preflight).chain(exposed);
        // To `*` the client is told what it asked for.
        let told = |(name, value): &(Rc<[u8]>, Rc<[u8]>)| match (name.as_ref(), value.as_ref()) {
            (ALLOW_METHODS, b"*") => request.first(REQUEST_METHOD).unwrap_or_default().to_vec(),
            (ALLOW_HEADERS, b"*") => request.first(REQUEST_HEADERS).unwrap_or_default().to_vec(),
            (_, value) => value.to_vec(),
        };
        headers.extend(lines.map(|line| (line.0.to_vec(), told(line))));
        Some(LocalReply { status: 200, headers, details: "pointsman_cors_preflight".into(), ..LocalReply::default() })
    }

    /// What is to be changed in the answer to any other request, the proxy's own answers included; `None`: nothing,
    /// for the origin does not match. It comes after the rule's own header operations: in Envoy, too, it wins.
    pub fn actual(&self, request: &HeaderMap) -> Option<Edits> {
        let origin = origin(request).filter(|origin| self.matches(origin))?;
        let mut edits = Edits::default();
        edits.set(ALLOW_ORIGIN.into(), origin.into());
        for (name, value) in self.credentials.iter().chain(&self.exposed) {
            edits.set(name.clone(), value.clone());
        }
        Some(edits)
    }

    fn matches(&self, origin: &[u8]) -> bool {
        self.any_origin || self.origins.iter().any(|matcher| matcher.matches(origin))
    }
}

/// What has no value is not said.
fn lines<const N: usize>(lines: [(&[u8], String); N]) -> Lines {
    let said = lines.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| (name.into(), value.into_bytes().into())).collect()
}

/// An empty one is none. Several lines arrive as one, joined by commas, which no origin matches in earnest.
fn origin(request: &HeaderMap) -> Option<&[u8]> {
    request.first(b"origin").filter(|origin| !origin.is_empty())
}

#[cfg(test)]
mod tests;
