//! `sticky`: by what a client stays with its destination. The words are those of DestinationRule's `consistentHash`,
//! which keeps a client with a host of one destination; this keeps it with one destination of a rule's several.

use std::rc::Rc;
use std::time::Duration;

use pointsman_wire::{Cursor, Decode, message};

use super::headers::HeaderName;

/// What of a request is the client's key.
#[derive(Clone, Debug)]
pub enum Sticky {
    /// `httpHeaderName`: a request header, by its name in lower case.
    Header(Rc<[u8]>),
    /// `httpCookie`.
    Cookie(HttpCookie),
    /// `useSourceIp`: the address that Envoy holds for the client's.
    SourceIp,
    /// `httpQueryParameterName`.
    QueryParameter(Rc<[u8]>),
}

message! {
    /// As it is written: exactly one of the fields.
    pub struct StickyFields = "sticky" {
        /// A request header.
        http_header_name: Option<HeaderName> = "httpHeaderName",
        /// A cookie, issued here if it has a `ttl` and the client brings none.
        http_cookie: Option<HttpCookie> = "httpCookie",
        /// The client's IP address.
        use_source_ip: bool = "useSourceIp",
        /// A parameter of the query.
        http_query_parameter_name: Option<String> = "httpQueryParameterName",
    }
    refused {
        "ringHash": "a destination is chosen by its weight, without a ring: leave it out",
        "maglev": "a destination is chosen by its weight, without a table: leave it out",
        "minimumRingSize": "a destination is chosen by its weight, without a ring: leave it out",
    }
}

message! {
    /// ConsistentHashLB.HTTPCookie.
    pub struct HttpCookie = "HTTPCookie" {
        /// Its name.
        name: String = "name",
        /// For which paths it is issued; none: the browser's default, the request's directory.
        path: String = "path",
        /// For how long it is issued, in whole seconds; 0: until the browser is closed; absent: it is never issued.
        ttl: Option<Duration> = "ttl",
    }
    check check_cookie;
}

fn check_cookie(this: &HttpCookie, at: Cursor<'_>) -> Option<()> {
    let before = at.errors();
    at.field("name", |at| super::headers::check_name(at, &this.name)); // RFC 6265: a token, too
    at.field("path", |at| {
        let is_wrong = |byte: &u8| !(b' '..=b'~').contains(byte) || *byte == b';';
        match this.path.bytes().find(is_wrong) {
            Some(byte) => at.error(format_args!("`{}` cannot stand in a cookie's path", byte.escape_ascii())),
            None => Some(()),
        }
    });
    if let Some(ttl) = this.ttl
        && ttl.subsec_nanos() != 0
    {
        at.field("ttl", |at| at.error::<()>("is not in whole seconds, which is all that a cookie can say"));
    }
    (at.errors() == before).then_some(())
}

impl Decode for Sticky {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = StickyFields::decode(at)?;
        let parameter = match fields.http_query_parameter_name {
            Some(name) if name.is_empty() => {
                return at.field("httpQueryParameterName", |at| at.error("a query parameter's name is empty"));
            }
            name => name.map(|name| Self::QueryParameter(name.into_bytes().into())),
        };
        let mut keys = [
            fields.http_header_name.map(|name| Self::Header(name.0)),
            fields.http_cookie.map(Self::Cookie),
            fields.use_source_ip.then_some(Self::SourceIp),
            parameter,
        ]
        .into_iter()
        .flatten();
        match (keys.next(), keys.next()) {
            (Some(key), None) => Some(key),
            _ => at.error("needs exactly one of httpHeaderName, httpCookie, useSourceIp: true, httpQueryParameterName"),
        }
    }
}
