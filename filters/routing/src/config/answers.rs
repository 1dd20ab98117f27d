//! What a rule may do instead of routing: HTTPRedirect and HTTPDirectResponse.

use std::borrow::Cow;

use pointsman_routes::config::read_port;
use pointsman_wire::{Cursor, Decode, Value, message, optional, text, whole_or};

message! {
    /// HTTPRedirect.
    pub struct HttpRedirect = "HTTPRedirect" {
        /// The new path, with or without a query; without one, the request's is kept.
        uri: String = "uri" as header_text,
        /// The new host, with or without a port.
        authority: String = "authority" as header_text,
        /// The new port.
        port: Option<u32> = "port" as read_port,
        /// Where the new port comes from.
        derive_port: Option<DerivePort> = "derivePort",
        /// The new scheme.
        scheme: String = "scheme" as read_scheme,
        /// 301, 302, 303, 307 or 308; 0 is 301.
        redirect_code: u32 = "redirectCode" as read_code,
        /// Replaces the prefix that matched.
        prefix_rewrite: Option<String> = "prefixRewrite" as read_prefix,
    }
    check check_redirect;
}

fn check_redirect(at: Cursor<'_>, all_known: bool) {
    let has = |field: &str| at.value().get(field).is_some_and(|value| !value.is_null());
    let has_text = |field: &str| has(field) && at.value().get(field).and_then(Value::as_str) != Some("");
    let has_place = has_text("authority") || has_text("scheme") || has("port") || has("derivePort");
    if all_known && !has_place && !has_text("uri") && !has("prefixRewrite") {
        at.error::<()>("changes nothing: set one of uri, prefixRewrite, authority, port, derivePort and scheme");
    }
    if has("port") && has("derivePort") {
        at.error::<()>("has both port and derivePort: keep one");
    }
    if has_text("uri") && has("prefixRewrite") {
        at.error::<()>("has both uri and prefixRewrite: keep one");
    }
}

fn read_code(at: Cursor<'_>) -> Option<u32> {
    const WHY: &str = "is no code of a redirect, expected 301, 302, 303, 307 or 308";
    if at.value().is_null() {
        return Some(0);
    }
    let code = whole_or(at, 0, 308, &WHY)?.try_into().ok()?;
    match code {
        0 | 301 | 302 | 303 | 307 | 308 => Some(code),
        _ => at.error(format_args!("{code} {WHY}")),
    }
}

fn read_scheme(at: Cursor<'_>) -> Option<String> {
    let scheme = String::decode_or_absent(at)?;
    match scheme.as_str() {
        "" | "http" | "https" => Some(scheme),
        _ => at.error(format_args!("`{scheme}` is neither `http` nor `https`")),
    }
}

/// A location, a host and a cluster's name are headers' values.
pub(super) fn header_text(at: Cursor<'_>) -> Option<String> {
    text(at, "a header's value")
}

fn read_prefix(at: Cursor<'_>) -> Option<Option<String>> {
    optional(at, header_text)
}

/// RedirectPortSelection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DerivePort {
    /// The scheme's own, which is none.
    FromProtocolDefault,
    /// The one that the client connected to.
    FromRequestPort,
}

impl Decode for DerivePort {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("FROM_PROTOCOL_DEFAULT") => Some(Self::FromProtocolDefault),
            Some("FROM_REQUEST_PORT") => Some(Self::FromRequestPort),
            _ => at.mismatch("`FROM_PROTOCOL_DEFAULT` or `FROM_REQUEST_PORT`"),
        }
    }
}

message! {
    /// HTTPDirectResponse.
    pub struct HttpDirectResponse = "HTTPDirectResponse" {
        /// 200 to 599.
        status: u32 = "status" as read_status,
        /// Its body; none: an empty one.
        body: Option<HttpBody> = "body",
    }
}

fn read_status(at: Cursor<'_>) -> Option<u32> {
    if at.value().is_null() {
        return at.error("is missing");
    }
    whole_or(at, 200, 599, &"is no status of a response, expected 200 to 599")?.try_into().ok()
}

message! {
    /// HTTPBody: one of the two.
    pub struct HttpBody = "HTTPBody" {
        /// As text.
        string: Option<String> = "string" as read_body,
        /// As base64.
        bytes: Option<Base64> = "bytes",
    }
    check check_body;
}

/// Istio's limit.
const LONGEST_BODY: usize = 1 << 20;

fn check_body(at: Cursor<'_>, all_known: bool) {
    match ["string", "bytes"].map(|field| at.value().get(field).is_some_and(|value| !value.is_null())) {
        [true, true] => at.error("has both string and bytes: keep one"),
        [false, false] if all_known => at.error::<()>("needs either string or bytes"),
        _ => None,
    };
}

fn read_body(at: Cursor<'_>) -> Option<Option<String>> {
    let text = Option::<String>::decode_or_absent(at)?;
    check_length(at, text.as_ref().map_or(0, String::len))?;
    Some(text)
}

fn check_length(at: Cursor<'_>, length: usize) -> Option<()> {
    match length {
        0..=LONGEST_BODY => Some(()),
        _ => at.error(format_args!("has {length} bytes; 1048576 are the most")),
    }
}

impl HttpBody {
    /// What is sent.
    pub fn content(&self) -> Cow<'_, [u8]> {
        match (&self.string, &self.bytes) {
            (Some(text), _) => text.as_bytes().into(),
            (None, Some(bytes)) => bytes.0.as_slice().into(),
            (None, None) => Default::default(),
        }
    }
}

/// Bytes, as protobuf's JSON has them.
#[derive(Clone, Debug)]
pub struct Base64(Vec<u8>);

impl Decode for Base64 {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let text = String::decode(at)?;
        let Some(bytes) = decode_base64(text.as_bytes()) else {
            return at.error("is not base64; for text as it is use `string`");
        };
        check_length(at, bytes.len())?;
        Some(Self(bytes))
    }
}

/// Both alphabets, with padding or without, as protobuf's JSON allows.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len());
    for group in text.chunks(4) {
        let mut bits = 0u32;
        for character in group {
            let value = match character {
                b'A'..=b'Z' => character.wrapping_sub(b'A'),
                b'a'..=b'z' => character.wrapping_sub(b'a').wrapping_add(26),
                b'0'..=b'9' => character.wrapping_sub(b'0').wrapping_add(52),
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            bits = bits.wrapping_shl(6) | u32::from(value);
        }
        let [_, a, b, c] = match group.len() {
            4 => bits.to_be_bytes(),
            3 => bits.wrapping_shl(6).to_be_bytes(),
            2 => bits.wrapping_shl(12).to_be_bytes(),
            _ => return None,
        };
        bytes.extend([a, b, c].iter().take(group.len().saturating_sub(1)));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::decode_base64;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn base64() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("aGk=", Some(b"hi")),
            ("aGk", Some(b"hi")),
            ("aGkh", Some(b"hi!")),
            ("aA==", Some(b"h")),
            ("_-8=", Some(b"\xff\xef")),
            ("/+8=", Some(b"\xff\xef")),
            ("a", None),
            ("a b=", None),
            ("aGk=aGk=", None),
        ] {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), bytes, "{text}");
        }
    }
}
