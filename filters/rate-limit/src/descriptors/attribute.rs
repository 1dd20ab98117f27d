//! Texts in metadata.

use pointsman_host::Host;
use pointsman_http::HeaderMap;

/// The text that stands there. What is none cannot make an entry, as in Envoy.
///
/// The proxy hands over a text as it is, a number as the 8 bytes of a double, a truth value as 1 byte, and an object or
/// a list in the form of a header map.
pub fn text(path: &[String], host: &dyn Host) -> Option<Vec<u8>> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    host.property(&path).filter(|value| is_text(value))
}

/// A text of 8 bytes has no control characters, which the bytes of no number in use are without, or are not even UTF-8.
fn is_text(value: &[u8]) -> bool {
    match value.len() {
        0 => true,
        1 => !matches!(value, [0 | 1]),
        8 => std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(char::is_control)),
        _ => HeaderMap::parse(value.to_vec()).is_err(),
    }
}
