//! Texts in metadata.

use pointsman_host::Host;
use pointsman_routes::is_text;

/// The text that stands there. What is none cannot make an entry, as in Envoy.
///
/// The proxy hands over a text as it is, a number as the 8 bytes of a double, a truth value as 1 byte, and an object or
/// a list in the form of a header map.
pub fn text(path: &[String], host: &dyn Host) -> Option<Vec<u8>> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    host.property(&path).filter(|value| is_text(value))
}
