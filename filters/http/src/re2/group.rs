//! What an opening parenthesis opens: a group that captures, one that does not, or new flags.

use super::parse::{Cursor, refuse};
use crate::PatternError;

/// What `(?…)` can change, until the end of the group it stands in.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    /// `i`: letter case is ignored.
    pub(super) fold: bool,
    /// `m`: `^` and `$` match at lines, not at the text as a whole.
    pub(super) multi_line: bool,
    /// `s`: `.` matches a newline too.
    pub(super) dot_newline: bool,
    /// `U`: `*` is what `*?` is otherwise, and the reverse.
    pub(super) lazy: bool,
}

/// What was opened.
pub(super) enum Opening {
    /// `(…)`, or one with a name. Names mean nothing here: a rewrite counts groups.
    Capture,
    /// `(?:…)` or `(?i:…)`.
    Group,
    /// `(?i)`: nothing, but the flags hold from here on.
    Flags,
}

/// Reads what stands behind a `(`, and sets the flags that hold inside.
pub(super) fn opening(input: &mut Cursor<'_>, flags: &mut Flags) -> Result<Opening, PatternError> {
    if !input.eat(b"?") {
        return Ok(Opening::Capture);
    }
    if let [b'=' | b'!', ..] | [b'<', b'=' | b'!', ..] = input.rest() {
        return refuse("RE2 has no look-around ((?=, (?!, (?<=, (?<!)");
    }
    if input.eat(b"P<") || input.eat(b"<") {
        skip_name(input)?;
        return Ok(Opening::Capture);
    }
    let mut value = true;
    let mut named_any = true;
    loop {
        match input.next() {
            Some(b'i') => flags.fold = value,
            Some(b'm') => flags.multi_line = value,
            Some(b's') => flags.dot_newline = value,
            Some(b'U') => flags.lazy = value,
            Some(b'-') if value => {
                value = false;
                named_any = false;
                continue;
            }
            Some(end @ (b':' | b')')) if named_any => {
                return Ok(if end == b':' { Opening::Group } else { Opening::Flags });
            }
            Some(flag) if flag.is_ascii_alphabetic() => {
                return refuse(format!("(?{}…) is not RE2; it has the flags i, m, s and U", char::from(flag)));
            }
            _ => return refuse("what follows (? is not RE2; write (?:…) for a group, (?i) for a flag"),
        }
        named_any = true;
    }
}

/// Reads a group's name, up to and with its `>`.
fn skip_name(input: &mut Cursor<'_>) -> Result<(), PatternError> {
    let name = input.rest().split(|b| *b == b'>').next().unwrap_or_default();
    let closed = name.len() < input.rest().len();
    if !closed || name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return refuse("a group's name is (?P<name>…), with letters, digits and _ in it");
    }
    input.skip(name.len().saturating_add(1));
    Ok(())
}
