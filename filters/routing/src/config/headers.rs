//! Header operations.

use std::collections::BTreeMap;

use pointsman_routes::config::check_name;
use pointsman_wire::{Cursor, Decode, list, map, message};

use crate::format::Format;
use crate::router_headers;

message! {
    /// Headers.
    pub struct Headers = "Headers" {
        /// Before the request goes to the destination.
        request: Option<HeaderOperations> = "request" as read_request,
        /// Before the response goes to the client.
        response: Option<HeaderOperations> = "response" as read_response,
    }
}

message! {
    /// HeaderOperations: all removals first, then `set`, then `add`, each in the order of names.
    pub struct HeaderOperations = "HeaderOperations" {
        /// Becomes the only line of the name.
        set: HeaderValues = "set" as read_values,
        /// Becomes a further line.
        add: HeaderValues = "add" as read_values,
        /// All lines of the name go.
        remove: Vec<String> = "remove" as read_removals,
    }
}

/// Header values by name, in the order of the names as they are written.
pub type HeaderValues = BTreeMap<String, HeaderValue>;

/// Does `check` at each entry of `set` and `add`.
fn each_value(at: Cursor<'_>, mut check: impl FnMut(&str, Cursor<'_>)) {
    for field in ["set", "add"] {
        at.field(field, |at| at.entries(&mut check));
    }
}

fn read_request(at: Cursor<'_>) -> Option<Option<HeaderOperations>> {
    let before = at.errors();
    let operations = Decode::decode_or_absent(at);
    each_value(at, |name, at| {
        let text = at.value().as_str().filter(|text| text.contains('%'));
        if text.is_some_and(|text| Format::parse(text).is_ok_and(|format| format.is_of_response())) {
            at.error::<()>("tells of the response, which a request does not have yet");
        }
        why_not(at, name, true);
    });
    at.field("remove", |at| at.each(|at| why_not(at, at.value().as_str().unwrap_or_default(), false)));
    operations.filter(|_| at.errors() == before)
}

fn why_not(at: Cursor<'_>, name: &str, has_value: bool) {
    router_headers::why_not(name, has_value).and_then(|why| at.error::<()>(why));
}

fn read_response(at: Cursor<'_>) -> Option<Option<HeaderOperations>> {
    let before = at.errors();
    let operations = Decode::decode_or_absent(at);
    each_value(at, |name, at| {
        if name == ":authority" {
            at.error::<()>("a response has no such header to change");
        }
    });
    operations.filter(|_| at.errors() == before)
}

fn read_values(at: Cursor<'_>) -> Option<HeaderValues> {
    map(at, |name, at| {
        let value = HeaderValue::decode(at);
        // `:authority` is a rewrite of the host; no other pseudo-header may be changed.
        check_name(at, name.strip_prefix(':').filter(|_| name == ":authority").unwrap_or(name))?;
        value
    })
}

fn read_removals(at: Cursor<'_>) -> Option<Vec<String>> {
    list(at, |at| {
        let name = String::decode(at)?;
        if name.eq_ignore_ascii_case("host") {
            return at.error("the host cannot be removed");
        }
        check_name(at, &name).map(|()| name)
    })
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
