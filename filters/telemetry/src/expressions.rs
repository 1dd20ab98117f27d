//! Many values by one call: a list in CEL, which Envoy evaluates, and its answer.
//!
//! Where one element of a list has no value, the whole list has none, so each is asked for only if it is there.

use std::fmt::Write as _;

/// The list of those expressions, each of which is always there: see [`or`].
pub fn list<'a>(expressions: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from("[");
    for (place, expression) in expressions.enumerate() {
        // It cannot fail: a String takes everything.
        let _ = write!(text, "{}{expression}", if place == 0 { "" } else { ", " });
    }
    text.push(']');
    text
}

/// An attribute, or what stands there in CEL if it is not there: `response.code`, `0`.
pub fn or(attribute: &str, otherwise: &str) -> String {
    format!("has({attribute}) ? {attribute} : {otherwise}")
}

/// The elements of a list that was evaluated. It is written as a header map is, with the elements as names: how many there
/// are, the lengths of each name and value, then each of them with a zero behind it.
pub fn elements(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, lengths) = number(bytes)?;
    let mut at = 4_usize.checked_add(usize::try_from(count).ok()?.checked_mul(8)?)?;
    let mut rest = lengths;
    let mut elements = Vec::new();
    for _ in 0..count {
        let (element, behind) = number(rest)?;
        let (value, behind) = number(behind)?;
        rest = behind;
        let end = at.checked_add(usize::try_from(element).ok()?)?;
        elements.push(bytes.get(at..end)?);
        // Zeros behind both.
        at = end.checked_add(usize::try_from(value).ok()?)?.checked_add(2)?;
    }
    Some(elements)
}

/// An integer or a duration in nanoseconds.
pub fn integer(element: &[u8]) -> Option<u64> {
    element.try_into().ok().map(u64::from_le_bytes)
}

/// A boolean.
pub fn boolean(element: &[u8]) -> bool {
    element == [1]
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_http::HeaderMap;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_asked() {
        let all = [or("response.code", "0"), "request.protocol".into()];
        let expected = "[has(response.code) ? response.code : 0, request.protocol]";
        assert_eq!(list(all.iter().map(String::as_str)), expected);
        assert_eq!(list([].into_iter()), "[]");
    }

    /// `["a", "bc"]`, as an Envoy was seen to answer.
    #[test]
    fn what_is_answered() {
        let seen = [&[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0][..], &[b'a', 0, 0, b'b', b'c', 0, 0]]
            .concat();
        assert_eq!(elements(&seen), Some(vec![&b"a"[..], b"bc"]));
        let code = 404_u64.to_le_bytes();
        let map = HeaderMap::serialize(&[(&code[..], &b""[..]), (&[1], b""), (b"", b"")]);
        let all = elements(&map).unwrap();
        assert_eq!((integer(all[0]), boolean(all[1]), all[2]), (Some(404), true, &b""[..]));
        assert_eq!((integer(all[1]), boolean(all[0])), (None, false));
        for end in 0..map.len() - 2 {
            assert_eq!(elements(&map[..end]), None, "{end}");
        }
        assert_eq!(elements(&[255; 12]), None);
    }
}
