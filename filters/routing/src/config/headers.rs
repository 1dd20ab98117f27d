//! Header operations.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman_wire::{Cursor, Decode, message};

use crate::format::Format;
use crate::names::is_token;
use crate::router_headers;

message! {
    /// Headers.
    pub struct Headers = "Headers" {
        /// Before the request goes to the destination.
        request: Option<HeaderOperations> = "request",
        /// Before the response goes to the client.
        response: Option<HeaderOperations> = "response",
    }
    check check_headers;
}

message! {
    /// HeaderOperations: all removals first, then `set`, then `add`, each in the order of names.
    pub struct HeaderOperations = "HeaderOperations" {
        /// Becomes the only line of the name.
        set: HeaderValues = "set",
        /// Becomes a further line.
        add: HeaderValues = "add",
        /// All lines of the name go.
        remove: Vec<String> = "remove",
    }
    check check_operations;
}

/// Header values by name, in the order of the names as they are written.
pub type HeaderValues = BTreeMap<String, HeaderValue>;

fn check_headers(this: &Headers, at: Cursor<'_>) -> Option<()> {
    let before = at.errors();
    at.field("request", |at| this.request.iter().for_each(|request| check_request(request, at)));
    let Some(response) = &this.response else {
        return (at.errors() == before).then_some(());
    };
    at.field("response", |at| {
        for (field, values) in [("set", &response.set), ("add", &response.add)] {
            at.field(field, |at| {
                for name in values.keys().filter(|name| name.starts_with(':')) {
                    at.field(name, |at| at.error::<()>("a response has no such header to change"));
                }
            });
        }
    });
    (at.errors() == before).then_some(())
}

fn check_request(this: &HeaderOperations, at: Cursor<'_>) {
    for (field, values) in [("set", &this.set), ("add", &this.add)] {
        at.field(field, |at| {
            for (name, value) in values {
                at.field(name, |at| {
                    if value.format.is_of_response() {
                        at.error::<()>("tells of the response, which a request does not have yet");
                    }
                    router_headers::why_not(name, true).and_then(|why| at.error::<()>(why))
                });
            }
        });
    }
    at.field("remove", |at| {
        for (index, name) in this.remove.iter().enumerate() {
            let why = router_headers::why_not(name, false);
            at.element(index, |at| why.and_then(|why| at.error::<()>(why)));
        }
    });
}

fn check_operations(this: &HeaderOperations, at: Cursor<'_>) -> Option<()> {
    let before = at.errors();
    for (field, values) in [("set", &this.set), ("add", &this.add)] {
        at.field(field, |at| {
            for name in values.keys() {
                // `:authority` is a rewrite of the host; no other pseudo-header may be changed.
                let name_of = name.strip_prefix(':').filter(|_| name == ":authority").unwrap_or(name);
                at.field(name, |at| check_name(at, name_of));
            }
        });
    }
    at.field("remove", |at| {
        for (index, name) in this.remove.iter().enumerate() {
            at.element(index, |at| {
                if name.eq_ignore_ascii_case("host") {
                    return at.error("the host cannot be removed");
                }
                check_name(at, name)
            });
        }
    });
    (at.errors() == before).then_some(())
}

/// Whether an operation on it is a rewrite of the host.
pub(crate) fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name == ":authority"
}

/// Whether it is a header's name: RFC 9110's token.
pub(super) fn check_name(at: Cursor<'_>, name: &str) -> Option<()> {
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

/// A header's value: text with Envoy's format strings.
#[derive(Clone, Debug)]
pub struct HeaderValue {
    /// As it is written: what a rewrite of the host takes.
    pub written: String,
    /// As it is computed.
    pub(crate) format: Format,
}

impl Decode for HeaderValue {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let written = String::decode(at)?;
        if let Some(byte) = written.bytes().find(|byte| matches!(byte, b'\0' | b'\r' | b'\n')) {
            return at.error(format_args!("{:?} cannot stand in a header's value", char::from(byte)));
        }
        match Format::parse(&written) {
            Ok(format) => Some(Self { written, format }),
            Err(why) => at.error(format_args!("`{written}`: {why}")),
        }
    }
}
