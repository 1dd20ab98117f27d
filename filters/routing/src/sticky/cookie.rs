//! Cookies, read and written as Envoy's hash policy does.

use std::time::Duration;

use pointsman_http::HeaderMap;

/// The value of the first cookie of that name, on whichever line; an empty one is none. Pieces without `=` are passed
/// over, spaces before a name and one pair of quotes around a value are taken off, and nothing else.
pub(super) fn find<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    let cookies = headers.values(b"cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    let mut values = cookies.filter_map(|cookie| {
        let equals = cookie.iter().position(|byte| *byte == b'=')?;
        let (found, value) = cookie.split_at_checked(equals)?;
        let spaces = found.iter().take_while(|byte| **byte == b' ').count();
        (found.get(spaces..)? == name).then(|| unquoted(value.strip_prefix(b"=").unwrap_or(value)))
    });
    values.next().filter(|value| !value.is_empty())
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

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

    /// Each seen on a real Envoy, by the host that a ring of twenty chose.
    #[test]
    fn what_is_found() {
        for (lines, expected) in [
            (&["c=abc"][..], Some("abc")),
            (&["c=\"abc\""], Some("abc")),
            (&["x=1; c=abc"], Some("abc")),
            (&["x=1;c=abc;y=2"], Some("abc")),
            (&["x=1", "c=abc"], Some("abc")),
            (&["c=abc; c=def"], Some("abc")),
            (&["c=def; c=abc"], Some("def")),
            (&["c;c=abc"], Some("abc")),
            (&["c=abc=def"], Some("abc=def")),
            (&["c= abc"], Some(" abc")),
            (&["c=\"abc"], Some("\"abc")),
            (&["x=\"a;c=abc\""], Some("abc\"")),
            (&["c=\""], Some("\"")),
            (&["c =abc"], None),
            (&["C=abc"], None),
            (&["cc=abc"], None),
            (&["x=1;\tc=abc"], None),
            (&["a=b, c=abc"], None),
            (&["c"], None),
            (&["c="], None),
            (&["c=\"\""], None),
            (&["c=;c=abc"], None),
            (&["", ";", " ", "="], None),
            (&[], None),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", line)).collect();
            let headers = HeaderMap::parse(HeaderMap::serialize(&lines)).unwrap();
            assert_eq!(find(&headers, b"c"), expected.map(str::as_bytes), "{lines:?}");
        }
    }

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
