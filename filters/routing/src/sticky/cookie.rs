//! The cookie that a client is issued, as Envoy's hash policy writes it.

use std::time::Duration;

/// The `set-cookie` for a value. A time to live of 0 is the browser's session.
pub(super) fn line(name: &str, value: &str, ttl: Duration, path: &str) -> String {
    let mut line = format!("{name}=\"{value}\"");
    if !ttl.is_zero() {
        line.push_str(&format!("; Max-Age={}", ttl.as_secs()));
    }
    if !path.is_empty() {
        line.push_str(&format!("; Path={path}"));
    }
    line.push_str("; HttpOnly");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_issued() {
        for (ttl, path, expected) in [
            (90, "/p", "c=\"0eab\"; Max-Age=90; Path=/p; HttpOnly"),
            (90, "", "c=\"0eab\"; Max-Age=90; HttpOnly"),
            (0, "/", "c=\"0eab\"; Path=/; HttpOnly"),
            (0, "", "c=\"0eab\"; HttpOnly"),
        ] {
            assert_eq!(line("c", "0eab", Duration::from_secs(ttl), path), expected);
        }
    }
}
