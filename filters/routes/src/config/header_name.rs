//! Names of headers.

use std::rc::Rc;

use pointsman_wire::{Cursor, Decode};

use crate::names::is_token;

/// Whether an operation on it is a rewrite of the host.
pub fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name == ":authority"
}

/// Whether it is a header's name: RFC 9110's token.
pub fn check_name(at: Cursor<'_>, name: &str) -> Option<()> {
    match () {
        () if name.is_empty() => at.error("a header's name is empty"),
        () if name.starts_with(':') => at.error("only `:authority` may be changed, and only in a request"),
        () if name.len() > 8192 => at.error("a header's name is longer than 8192 characters"),
        () if !is_token(name) => at.error(format_args!("`{name}` is not a header's name")),
        () => Some(()),
    }
}

/// A header's name of our own configuration, in lower case.
#[derive(Clone, Debug)]
pub struct HeaderName(pub Rc<[u8]>);

impl Decode for HeaderName {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let name = String::decode(at)?;
        check_name(at, &name)?;
        Some(Self(name.to_ascii_lowercase().as_bytes().into()))
    }
}
