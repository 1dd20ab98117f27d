//! Envoy's header format strings.
use std::borrow::Cow;
use std::rc::Rc;

use pointsman_host::Host;
use pointsman_http::HeaderMap;

/// Which operations a value stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `headers.request`.
    Request,
    /// `headers.response`.
    Response,
}

/// A header's value, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    parts: Vec<u8>,
}

/// What a value is made of.
pub(crate) struct Scope<'a> {
    /// The first line of a request header, as the operation shall see it.
    pub request: &'a dyn Fn(&[u8]) -> Option<Cow<'a, [u8]>>,
    /// The response's headers; none in `headers.request`.
    pub response: Option<&'a HeaderMap>,
    /// For everything else.
    pub host: &'a dyn Host,
}

impl Format {
    /// Parses a value; the error continues a sentence that begins with it.
    pub fn parse(text: &str, direction: Direction) -> Result<Self, String> {
        let _ = direction;
        Ok(Self { parts: text.into() })
    }

    /// The value, if it is the same for every request.
    pub fn literal(&self) -> Option<Rc<[u8]>> {
        None
    }

    /// The value for a request. Empty: the operation does nothing.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Vec<u8> {
        let _ = (scope.request, scope.response, scope.host);
        self.parts.clone()
    }
}
