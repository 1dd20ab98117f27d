//! Cookies.

use pointsman_http::cookie;

use crate::choices::Choices;
use crate::envoy::{self, Lines};

/// A cookie is found as by reading the lines byte by byte. The bytes are one line a row, of which some are others.
pub fn cookie(bytes: &[u8]) {
    let lines: Lines = bytes.split(|byte| *byte == b'\n').map(line).collect();
    agree(&lines);
    let mut choices = Choices::new(bytes);
    let piece = |choices: &mut Choices<'_>| choices.pick(&PIECES);
    let lines: Lines = choices.list(3, |choices| line(&choices.list(9, piece).concat()));
    agree(&lines);
}

const PIECES: [&[u8]; 11] = [b"a", b"=", b";", b" ", b"\"", b"; ", b"ab", b"A", b"\t", b",", b"\xff"];

fn line(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match bytes.strip_prefix(b"#") {
        Some(other) => (b"x".to_vec(), other.to_vec()),
        None => (b"cookie".to_vec(), bytes.to_vec()),
    }
}

fn agree(lines: &Lines) {
    let headers = envoy::parse(lines);
    let mut names: Vec<Vec<u8>> = pairs(lines).into_iter().map(|(name, _)| name).collect();
    names.extend([b"".to_vec(), b"a".to_vec(), b"ab".to_vec()]);
    for name in names {
        let first = pairs(lines).into_iter().find(|(other, _)| *other == name);
        let expected = first.map(|(_, value)| value).filter(|value| !value.is_empty());
        assert_eq!(cookie::find(&headers, &name), expected.as_deref(), "{}", name.escape_ascii());
    }
}

/// Every cookie of all lines, in order.
fn pairs(lines: &Lines) -> Lines {
    let mut pairs = Lines::new();
    for (_, line) in lines.iter().filter(|(name, _)| name == b"cookie") {
        let (mut name, mut value) = (Vec::new(), None::<Vec<u8>>);
        for byte in line.iter().chain(b";") {
            match (byte, &mut value) {
                (b';', _) => {
                    let name = std::mem::take(&mut name);
                    pairs.extend(value.take().map(|value| (name, unquoted(value))));
                }
                (_, Some(value)) => value.push(*byte),
                (b'=', None) => value = Some(Vec::new()),
                (b' ', None) if name.is_empty() => {}
                (_, None) => name.push(*byte),
            }
        }
    }
    pairs
}

fn unquoted(value: Vec<u8>) -> Vec<u8> {
    match value.len() {
        length @ 2.. if value[0] == b'"' && value[length - 1] == b'"' => value[1..length - 1].to_vec(),
        _ => value,
    }
}
