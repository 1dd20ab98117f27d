//! Classes of bytes: `[…]`, `\d`, `[:alpha:]`.

use super::escape::escaped;
use super::node::{ByteSet, is_word};
use super::parse::{Cursor, refuse};
use crate::PatternError;

/// The bytes of `\d`, `\s`, `\w` and their complements, by the letter.
pub(super) fn perl(letter: u8) -> Option<ByteSet> {
    let set = match letter.to_ascii_lowercase() {
        b'd' => ByteSet::of(|b| b.is_ascii_digit()),
        // Not the vertical tab.
        b's' => ByteSet::of(|b| matches!(b, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')),
        b'w' => ByteSet::of(is_word),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { set.complement() } else { set })
}

/// The bytes of a POSIX class, by its name.
fn posix(name: &[u8]) -> Option<ByteSet> {
    let test: fn(u8) -> bool = match name {
        b"alnum" => |b| b.is_ascii_alphanumeric(),
        b"alpha" => |b| b.is_ascii_alphabetic(),
        b"ascii" => |b| b.is_ascii(),
        b"blank" => |b| matches!(b, b'\t' | b' '),
        b"cntrl" => |b| b.is_ascii_control(),
        b"digit" => |b| b.is_ascii_digit(),
        b"graph" => |b| b.is_ascii_graphic(),
        b"lower" => |b| b.is_ascii_lowercase(),
        b"print" => |b| b.is_ascii_graphic() || b == b' ',
        b"punct" => |b| b.is_ascii_punctuation(),
        b"space" => |b| matches!(b, b'\t'..=b'\r' | b' '),
        b"upper" => |b| b.is_ascii_uppercase(),
        b"word" => is_word,
        b"xdigit" => |b| b.is_ascii_hexdigit(),
        _ => return None,
    };
    Some(ByteSet::of(test))
}

/// A set and, under `(?i)`, the other case of its letters: in RE2's Latin-1 mode, of the ASCII ones alone.
fn folded(set: ByteSet, fold: bool) -> ByteSet {
    if !fold {
        return set;
    }
    ByteSet::of(|b| set.contains(b.to_ascii_lowercase()) || set.contains(b.to_ascii_uppercase()))
}

/// Reads a class behind its `[`, up to and with its `]`.
pub(super) fn bracketed(input: &mut Cursor<'_>, fold: bool) -> Result<ByteSet, PatternError> {
    let negated = input.eat(b"^");
    let mut set = ByteSet::empty();
    // A `]` that comes first is a member.
    let mut first = true;
    while first || input.peek() != Some(b']') {
        first = false;
        set = set.union(&member(input, fold)?);
    }
    input.next();
    Ok(if negated { set.complement() } else { set })
}

fn member(input: &mut Cursor<'_>, fold: bool) -> Result<ByteSet, PatternError> {
    if let Some(set) = posix_member(input, fold)? {
        return Ok(set);
    }
    if let Some(set) = input.peek_escape().and_then(perl) {
        input.skip(2);
        return Ok(set);
    }
    let low = single(input)?;
    let high = match input.rest() {
        [b'-', next, ..] if *next != b']' => {
            input.next();
            single(input)?
        }
        _ => low,
    };
    if high < low {
        let range = [low, b'-', high];
        return refuse(format!("the range {} in a class is backwards", range.escape_ascii()));
    }
    Ok(folded(ByteSet::of(|b| (low..=high).contains(&b)), fold))
}

/// `[:name:]` or `[:^name:]`, if that is what comes next. Without a `:]` anywhere behind it, `[:` is two members.
fn posix_member(input: &mut Cursor<'_>, fold: bool) -> Result<Option<ByteSet>, PatternError> {
    let Some(rest) = input.rest().strip_prefix(b"[:") else {
        return Ok(None);
    };
    let Some(length) = rest.windows(2).position(|two| two == b":]") else {
        return Ok(None);
    };
    let name = rest.get(..length).unwrap_or_default();
    let set = match name.strip_prefix(b"^") {
        // Folded first: `(?i)[[:^upper:]]` has no letter.
        Some(name) => posix(name).map(|set| folded(set, fold).complement()),
        None => posix(name).map(|set| folded(set, fold)),
    };
    let Some(set) = set else {
        return refuse(format!("[:{}:] is no class of RE2's", name.escape_ascii()));
    };
    input.skip(length.saturating_add(4));
    Ok(Some(set))
}

fn single(input: &mut Cursor<'_>) -> Result<u8, PatternError> {
    match input.next() {
        None => refuse("a class has no closing ]; write \\[ for the character"),
        Some(b'\\') => escaped(input),
        Some(byte) => Ok(byte),
    }
}
