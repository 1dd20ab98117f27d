//! What a rule may do instead of routing: HTTPRedirect and HTTPDirectResponse.

use std::borrow::Cow;

use pointsman_wire::{Cursor, Decode, message};

use super::route::check_port;

message! {
    /// HTTPRedirect.
    pub struct HttpRedirect = "HTTPRedirect" {
        /// The new path, with or without a query; without one, the request's is kept.
        uri: String = "uri",
        /// The new host, with or without a port.
        authority: String = "authority",
        /// The new port.
        port: Option<u32> = "port",
        /// Where the new port comes from.
        derive_port: Option<DerivePort> = "derivePort",
        /// The new scheme.
        scheme: String = "scheme",
        /// 301, 302, 303, 307 or 308; 0 is 301.
        redirect_code: u32 = "redirectCode",
        /// Replaces the prefix that matched.
        prefix_rewrite: Option<String> = "prefixRewrite",
    }
    check check_redirect;
}

fn check_redirect(this: &HttpRedirect, at: Cursor<'_>) -> Option<()> {
    let before = at.errors();
    let has_port = this.port.is_some() || this.derive_port.is_some();
    let has_path = !this.uri.is_empty() || this.prefix_rewrite.is_some();
    if !has_port && !has_path && this.authority.is_empty() && this.scheme.is_empty() {
        at.error::<()>("changes nothing: set one of uri, prefixRewrite, authority, port, derivePort and scheme");
    }
    if this.port.is_some() && this.derive_port.is_some() {
        at.error::<()>("has both port and derivePort: keep one");
    }
    if !this.uri.is_empty() && this.prefix_rewrite.is_some() {
        at.error::<()>("has both uri and prefixRewrite: keep one");
    }
    if let Some(port) = this.port {
        at.field("port", |at| check_port(at, port));
    }
    if !matches!(this.redirect_code, 0 | 301 | 302 | 303 | 307 | 308) {
        let code = this.redirect_code;
        at.field("redirectCode", |at| {
            at.error::<()>(format_args!("{code} is no code of a redirect, expected 301, 302, 303, 307 or 308"))
        });
    }
    if !matches!(this.scheme.as_str(), "" | "http" | "https") {
        let scheme = &this.scheme;
        at.field("scheme", |at| at.error::<()>(format_args!("`{scheme}` is neither `http` nor `https`")));
    }
    for (field, value) in [("uri", &this.uri), ("authority", &this.authority)] {
        at.field(field, |at| check_text(at, value));
    }
    if let Some(prefix) = &this.prefix_rewrite {
        at.field("prefixRewrite", |at| check_text(at, prefix));
    }
    (at.errors() == before).then_some(())
}

/// A location is a header's value.
pub(super) fn check_text(at: Cursor<'_>, value: &str) -> Option<()> {
    match value.chars().find(|c| c.is_control()) {
        Some(c) => at.error(format_args!("{c:?} cannot stand in a header's value")),
        None => Some(()),
    }
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
        status: u32 = "status",
        /// Its body; none: an empty one.
        body: Option<HttpBody> = "body",
    }
    check check_direct_response;
}

fn check_direct_response(this: &HttpDirectResponse, at: Cursor<'_>) -> Option<()> {
    at.field("status", |at| match this.status {
        200..=599 => Some(()),
        status => at.error(format_args!("{status} is no status of a response, expected 200 to 599")),
    })
}

message! {
    /// HTTPBody: one of the two.
    pub struct HttpBody = "HTTPBody" {
        /// As text.
        string: Option<String> = "string",
        /// As base64.
        bytes: Option<Base64> = "bytes",
    }
    check check_body;
}

/// Istio's limit.
const LONGEST_BODY: usize = 1 << 20;

fn check_body(this: &HttpBody, at: Cursor<'_>) -> Option<()> {
    if this.string.is_some() == this.bytes.is_some() {
        return at.error("needs either string or bytes");
    }
    match this.content().len() {
        0..=LONGEST_BODY => Some(()),
        length => at.error(format_args!("has {length} bytes; 1048576 are the most")),
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
        decode_base64(text.as_bytes()).map(Self).or_else(|| at.error("is not base64"))
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
