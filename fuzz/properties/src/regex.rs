//! The translation of RE2's patterns, and what is made of them.

use std::rc::Rc;

use pointsman_http::{Pattern, PatternError, Rewrite, Shape};

/// The bytes are a pattern, a rewrite and values, with a unit separator between them.
///
/// Compiling says the same each time; the shape of a pattern agrees with the regex engine; a whole value matches if
/// and only if the pattern between anchors is found in it; and a rewrite is refused only for a reason.
pub fn regex(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0x1f);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let rewrite = String::from_utf8_lossy(parts.next().unwrap_or_default());
    if text.chars().count() > Pattern::MAX_CHARS {
        return; // refused before it is compiled
    }
    let pattern = match Pattern::compile(&text) {
        Ok(pattern) => pattern,
        Err(why) => {
            assert!(!why.to_string().is_empty(), "{text:?}");
            assert_eq!(Pattern::compile(&text).unwrap_err(), why);
            let _refused = Rewrite::compile(&text, "").unwrap_err();
            return;
        }
    };
    assert!(Rc::ptr_eq(&pattern, &Pattern::compile(&text).unwrap()));
    assert_eq!(pattern.as_str(), text);
    let mut values = values(&text, pattern.shape());
    values.extend(parts.take(8).map(<[u8]>::to_vec));
    let matches: Vec<bool> = values.iter().map(|value| pattern.is_full_match(value)).collect();
    shapes(pattern.shape(), &values, &matches);
    anchored(&text, &values, &matches);
    rewrites(&text, &rewrite, &values);

    // Nobody holds it any more, so it is compiled anew.
    let shape = pattern.shape().clone();
    drop(pattern);
    let again = Pattern::compile(&text).unwrap();
    assert_eq!(*again.shape(), shape);
    assert!(values.iter().map(|value| again.is_full_match(value)).eq(matches));
}

/// Values that may match: the pattern itself, without what means something in it, and what its shape names.
fn values(text: &str, shape: &Shape) -> Vec<Vec<u8>> {
    let plain: Vec<u8> = text.bytes().filter(|byte| !br"\^$.|?*+()[]{}".contains(byte)).collect();
    let half = plain.len() / 2;
    let mut values = vec![text.into(), plain.clone(), plain[..half].into(), b"\n".into(), b"\xff".into(), Vec::new()];
    match shape {
        Shape::Any => {}
        Shape::Literal(literal) => values.push(literal.to_vec()),
        Shape::Prefix(beginning) | Shape::Regex(beginning) => values.push(beginning.to_vec()),
        Shape::Literals(literals) => values.extend(literals.iter().map(|literal| literal.to_vec())),
    }
    let more: Vec<Vec<u8>> =
        values.iter().take(16).flat_map(|v| [[v, &b"a"[..]].concat(), [v, &b"\n"[..]].concat()]).collect();
    values.extend(more);
    values
}

/// A shape says of each value what the pattern says.
fn shapes(shape: &Shape, values: &[Vec<u8>], matches: &[bool]) {
    for (value, matched) in values.iter().zip(matches) {
        let expected = match shape {
            Shape::Any => !value.contains(&b'\n'),
            Shape::Literal(literal) => value[..] == **literal,
            Shape::Prefix(prefix) => value.starts_with(prefix) && !value[prefix.len()..].contains(&b'\n'),
            Shape::Literals(literals) => literals.iter().any(|literal| value[..] == **literal),
            // All that is known is how a match begins.
            Shape::Regex(beginning) => *matched && value.starts_with(beginning),
        };
        assert_eq!(*matched, expected, "{shape:?} {}", value.escape_ascii());
    }
    if let Shape::Literals(literals) = shape {
        let distinct: std::collections::BTreeSet<_> = literals.iter().collect();
        assert!(literals.len() > 1 && distinct.len() == literals.len(), "{literals:?}");
    }
}

/// A rewrite never asks for the shape: what it replaces is what the engine finds.
fn anchored(text: &str, values: &[Vec<u8>], matches: &[bool]) {
    const MATCHED: &str = "\u{1}matched";
    let engine = match Rewrite::compile(&format!(r"\A(?:{text})\z"), MATCHED) {
        Ok(engine) => engine,
        Err(why) => {
            // It ends within a quotation, or there is no room for one more group, or for any to be captured.
            let is_full = why.to_string().contains("groups within each other") || is_too_big(&why);
            assert!(is_full || text.contains(r"\Q"), "{text:?}: {why}");
            return;
        }
    };
    for (value, matched) in values.iter().zip(matches).filter(|(value, _)| **value != MATCHED.as_bytes()) {
        let found = engine.replace_all(value) == MATCHED.as_bytes();
        assert_eq!(found, *matched, "{text:?} {}", value.escape_ascii());
    }
}

/// With groups to capture a pattern is bigger.
fn is_too_big(why: &PatternError) -> bool {
    why.to_string().contains("too big")
}

fn rewrites(text: &str, rewrite: &str, values: &[Vec<u8>]) {
    let itself = match Rewrite::compile(text, r"\0") {
        Ok(itself) => itself,
        Err(why) => return assert!(is_too_big(&why), "{text:?}: {why}"),
    };
    // How many groups there are, by asking for each.
    let groups = (1..=9).take_while(|group| Rewrite::compile(text, &format!(r"\{group}")).is_ok()).count();
    let longest = match Rewrite::compile(text, rewrite) {
        Err(_) => {
            assert!(!is_sound(rewrite, groups), "{text:?} {rewrite:?}");
            None
        }
        Ok(compiled) => {
            assert!(is_sound(rewrite, groups), "{text:?} {rewrite:?}");
            Some(compiled)
        }
    };
    for value in values {
        assert_eq!(itself.replace_all(value), *value, "{text:?}");
        if let Some(compiled) = &longest {
            // One match a byte and one at the end; each piece is the value at most.
            let most = value.len() + (value.len() + 1) * rewrite.len() * (value.len() + 1);
            assert!(compiled.replace_all(value).len() <= most, "{text:?} {rewrite:?}");
        }
    }
}

/// Whether a backslash stands only before another, or before the number of a group.
fn is_sound(rewrite: &str, groups: usize) -> bool {
    let mut bytes = rewrite.bytes();
    while let Some(byte) = bytes.next() {
        match (byte, if byte == b'\\' { bytes.next() } else { Some(b'\\') }) {
            (_, Some(b'\\')) => {}
            (_, Some(digit @ b'0'..=b'9')) if usize::from(digit - b'0') <= groups => {}
            _ => return false,
        }
    }
    true
}
