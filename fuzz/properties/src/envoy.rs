//! Envoy's header map, as simple as can be: lines, and what each call does to them.

use pointsman_http::{Edits, HeaderMap, Write};

/// Names and values, in their order.
pub type Lines = Vec<(Vec<u8>, Vec<u8>)>;

pub fn parse(lines: &Lines) -> HeaderMap {
    HeaderMap::parse(HeaderMap::serialize(lines)).unwrap()
}

pub fn remove(lines: &mut Lines, name: &[u8]) {
    lines.retain(|(other, _)| other != name);
}

pub fn set(lines: &mut Lines, name: &[u8], value: &[u8]) {
    remove(lines, name);
    lines.push((name.to_vec(), value.to_vec()));
}

/// All lines of that name.
pub fn values<'a>(lines: &'a Lines, name: &[u8]) -> Vec<&'a [u8]> {
    lines.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_slice()).collect()
}

/// By name. The order within a name counts, that of names does not.
pub fn sorted(mut lines: Lines) -> Lines {
    lines.sort_by(|a, b| a.0.cmp(&b.0)); // stable
    lines
}

/// The lines when the edits have been written. `known` is what is told of them.
///
/// The calls are checked: each name is replaced or removed once at most, and first; and what is known is made use of.
pub fn written(lines: &Lines, edits: &Edits, known: Option<&HeaderMap>) -> Lines {
    let mut after = lines.clone();
    let mut touched = Vec::new();
    edits.write(known, |write| {
        let (Write::Add(name, _) | Write::Replace(name, _) | Write::Remove(name)) = write;
        if !matches!(write, Write::Add(..)) {
            assert!(!touched.contains(&name.to_vec()), "{} is written to twice", name.escape_ascii());
            let is_there = lines.iter().any(|(other, _)| other == name);
            assert!(known.is_none() || is_there, "{} is absent, as is known", name.escape_ascii());
        }
        touched.push(name.to_vec());
        match write {
            Write::Add(name, value) => after.push((name.to_vec(), value.to_vec())),
            Write::Replace(name, value) => set(&mut after, name, value),
            Write::Remove(name) => remove(&mut after, name),
        }
    });
    assert_eq!(edits.is_empty(), edits.names().next().is_none());
    after
}

/// Whether a proxy may send that line: no other headers can be smuggled in by it.
pub fn is_sound(name: &[u8], value: &[u8]) -> bool {
    let plain = name.strip_prefix(b":").unwrap_or(name);
    let is_of_token =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(byte);
    !plain.is_empty() && plain.iter().all(is_of_token) && !value.iter().any(|byte| b"\0\r\n".contains(byte))
}
