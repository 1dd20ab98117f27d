//! Cookies, read as Envoy's hash policy reads them.

use crate::HeaderMap;

/// The value of the first cookie of that name, on whichever line; an empty one is none. Pieces without `=` are passed
/// over, spaces before a name and one pair of quotes around a value are taken off, and nothing else.
pub fn find<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
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
}
