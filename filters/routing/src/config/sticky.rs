//! `sticky`: by what a client stays with its destination. The words are those of DestinationRule's `consistentHash`,
//! which keeps a client with a host of one destination; this keeps it with one destination of a rule's several.

use std::rc::Rc;
use std::time::Duration;

use pointsman_routes::config::HeaderName;
use pointsman_routes::names::is_token;
use pointsman_wire::{Cursor, Decode, Value, message};

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
        http_query_parameter_name: Option<String> = "httpQueryParameterName" as read_parameter,
    }
    refused {
        "ringHash": "a destination is chosen by its weight, without a ring: leave it out",
        "maglev": "a destination is chosen by its weight, without a table: leave it out",
        "minimumRingSize": "a destination is chosen by its weight, without a ring: leave it out",
    }
    check check_sticky;
}

message! {
    /// ConsistentHashLB.HTTPCookie.
    pub struct HttpCookie = "HTTPCookie" {
        /// Its name.
        name: String = "name" as read_name,
        /// For which paths it is issued; none: the browser's default, the request's directory.
        path: String = "path" as read_path,
        /// For how long it is issued, in whole seconds; 0: until the browser is closed; absent: it is never issued.
        ttl: Option<Duration> = "ttl" as read_ttl,
    }
}

fn read_name(at: Cursor<'_>) -> Option<String> {
    let name = String::decode_or_absent(at)?;
    match name.as_str() {
        "" => at.error("a cookie's name is empty"),
        text if is_token(text) => Some(name),
        text => at.error(format_args!("`{text}` is not a cookie's name")),
    }
}

fn read_path(at: Cursor<'_>) -> Option<String> {
    let path = String::decode_or_absent(at)?;
    let is_wrong = |byte: &u8| !(b' '..=b'~').contains(byte) || *byte == b';';
    match path.bytes().find(is_wrong) {
        Some(byte) => at.error(format_args!("`{}` cannot stand in a cookie's path", byte.escape_ascii())),
        None => Some(path),
    }
}

fn read_ttl(at: Cursor<'_>) -> Option<Option<Duration>> {
    match Option::<Duration>::decode_or_absent(at)? {
        Some(ttl) if ttl.subsec_nanos() != 0 => at.error("is not in whole seconds, which is all that a cookie can say"),
        ttl => Some(ttl),
    }
}

fn read_parameter(at: Cursor<'_>) -> Option<Option<String>> {
    match Option::<String>::decode_or_absent(at)? {
        Some(name) if name.is_empty() => at.error("a query parameter's name is empty"),
        name => Some(name),
    }
}

fn check_sticky(at: Cursor<'_>, all_known: bool) {
    let keys = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"];
    let keys = keys.into_iter().filter_map(|key| at.value().get(key));
    let count = keys.filter(|key| !matches!(key, Value::Null | Value::Bool(false))).count();
    if count > 1 || (count == 0 && all_known) {
        at.error::<()>("needs exactly one of httpHeaderName, httpCookie, useSourceIp: true, httpQueryParameterName");
    }
}

impl Decode for Sticky {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = StickyFields::decode(at)?;
        let address = || fields.use_source_ip.then_some(Self::SourceIp);
        let parameter = |name: String| Self::QueryParameter(name.into_bytes().into());
        let header = fields.http_header_name.map(header);
        let cookie = || fields.http_cookie.map(Self::Cookie);
        header.or_else(cookie).or_else(address).or_else(|| fields.http_query_parameter_name.map(parameter))
    }
}

/// Envoy knows `host` by its newer name.
fn header(name: HeaderName) -> Sticky {
    match &*name.0 {
        b"host" => Sticky::Header(b":authority".as_slice().into()),
        _ => Sticky::Header(name.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_wire::decode;
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(value: &Value) -> Result<String, Vec<String>> {
        let (sticky, report) = decode::<Sticky>(value);
        assert_eq!(report.warnings(), []);
        sticky
            .map(|sticky| match sticky {
                Sticky::Header(name) => format!("header {}", name.escape_ascii()),
                Sticky::Cookie(HttpCookie { name, path, ttl }) => format!("cookie {name} {path} {ttl:?}"),
                Sticky::SourceIp => "source".into(),
                Sticky::QueryParameter(name) => format!("parameter {}", name.escape_ascii()),
            })
            .ok_or_else(|| report.errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_a_key() {
        for (value, expected) in [
            (json!({"httpHeaderName": "X-User"}), "header x-user"),
            (json!({"httpHeaderName": "Host"}), "header :authority"),
            (json!({"httpCookie": {"name": "c"}}), "cookie c  None"),
            (json!({"httpCookie": {"name": "c", "path": "/p", "ttl": "0s"}}), "cookie c /p Some(0ns)"),
            (json!({"httpCookie": {"name": "c", "ttl": "1h30m"}}), "cookie c  Some(5400s)"),
            (json!({"useSourceIp": true}), "source"),
            (json!({"httpQueryParameterName": "q q"}), "parameter q q"),
            (json!({"httpHeaderName": "x", "useSourceIp": false}), "header x"),
        ] {
            assert_eq!(read(&value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_none() {
        const ONE: &str = "needs exactly one of httpHeaderName, httpCookie";
        for (value, expected) in [
            (json!({}), ONE),
            (json!({"useSourceIp": false}), ONE),
            (json!({"httpHeaderName": "x", "useSourceIp": true}), ONE),
            (json!({"httpHeaderName": "x", "httpQueryParameterName": "q"}), ONE),
            (json!({"httpHeaderName": "a b"}), "httpHeaderName: `a b` is not a header's name"),
            (json!({"httpHeaderName": ""}), "httpHeaderName: a header's name is empty"),
            (json!({"httpQueryParameterName": ""}), "httpQueryParameterName: a query parameter's name is empty"),
            (json!({"httpCookie": {"ttl": "1s"}}), "httpCookie.name: a cookie's name is empty"),
            (json!({"httpCookie": {"name": "a=b"}}), "httpCookie.name: `a=b` is not a cookie's name"),
            (
                json!({"httpCookie": {"name": "c", "path": "/;x"}}),
                "httpCookie.path: `;` cannot stand in a cookie's path",
            ),
            (json!({"httpCookie": {"name": "c", "path": "/\r\n"}}), "httpCookie.path: `\\r` cannot stand"),
            (json!({"httpCookie": {"name": "c", "ttl": "1.5s"}}), "httpCookie.ttl: is not in whole seconds"),
            (json!({"httpCookie": {"name": "c", "ttl": 5}}), "httpCookie.ttl: 5 has no unit"),
            (json!({"httpHeaderName": "x", "ringHash": {"minimumRingSize": 1}}), "ringHash: is refused"),
        ] {
            let errors = read(&value).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].starts_with(expected), "{errors:?}");
        }
    }
}
