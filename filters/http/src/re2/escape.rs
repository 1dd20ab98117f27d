//! A backslash and what it makes of the characters behind it, where that is one byte.

use super::parse::{Cursor, refuse};
use crate::PatternError;

/// Reads the byte that an escape stands for, behind its backslash.
pub(super) fn escaped(input: &mut Cursor<'_>) -> Result<u8, PatternError> {
    let Some(letter) = input.next() else {
        return refuse("a backslash at the end escapes nothing; write \\\\ for the character");
    };
    match letter {
        b'a' => Ok(0x07),
        b'f' => Ok(0x0c),
        b'n' => Ok(b'\n'),
        b'r' => Ok(b'\r'),
        b't' => Ok(b'\t'),
        b'v' => Ok(0x0b),
        b'x' => hexadecimal(input),
        b'0'..=b'7' => octal(letter, input),
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Ok(letter),
        _ => refuse(unknown(letter)),
    }
}

/// What to say of an escape that RE2 does not know.
fn unknown(letter: u8) -> String {
    match letter {
        b'8' | b'9' => "RE2 has no back-references".to_owned(),
        b'b' | b'B' | b'A' | b'z' | b'd' | b'D' | b's' | b'S' | b'w' | b'W' | b'C' | b'Q' => {
            format!("\\{} cannot stand in a class, or in a range of one", char::from(letter))
        }
        b'p' | b'P' => "\\p{…} is not supported: patterns match bytes; list the characters".to_owned(),
        b'E' => "\\E without \\Q".to_owned(),
        b'Z' => "\\Z is not RE2; use \\z".to_owned(),
        b'G' | b'K' | b'R' | b'X' | b'h' | b'H' | b'N' | b'V' | b'k' | b'g' => {
            format!("\\{} is not RE2", char::from(letter))
        }
        b'u' | b'U' => "\\u is not RE2; write the character itself, or its bytes as \\xff".to_owned(),
        0x80.. => "a backslash before a character that is not ASCII; leave it out".to_owned(),
        _ => format!("\\{} is not RE2; for the character itself leave the backslash out", char::from(letter)),
    }
}

/// `\x7f` or `\x{7f}`: a byte.
fn hexadecimal(input: &mut Cursor<'_>) -> Result<u8, PatternError> {
    const MALFORMED: &str = "\\x needs two hexadecimal digits, or some in braces";
    let braced = input.eat(b"{");
    let mut value: u8 = 0;
    let mut digits = 0_u32;
    while braced || digits < 2 {
        let byte = input.next();
        if braced && digits > 0 && byte == Some(b'}') {
            break;
        }
        let Some(digit) = byte.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok()) else {
            return refuse(MALFORMED);
        };
        let Some(next) = value.checked_mul(16).and_then(|v| v.checked_add(digit)) else {
            return refuse("patterns match bytes: the highest is \\x{ff}; write the character itself");
        };
        value = next;
        digits = digits.saturating_add(1);
    }
    Ok(value)
}

/// `\0`, `\012`: up to three octal digits. A lone digit but zero would be a back-reference.
fn octal(first: u8, input: &mut Cursor<'_>) -> Result<u8, PatternError> {
    let value_of = |b: u8| u16::from(b & 7);
    let mut digits = vec![value_of(first)];
    while let Some(next @ b'0'..=b'7') = input.peek().filter(|_| digits.len() < 3) {
        input.next();
        digits.push(value_of(next));
    }
    if digits.len() == 1 && first != b'0' {
        return refuse("RE2 has no back-references");
    }
    let value = digits.iter().fold(0, |value, digit| (value << 3) | digit);
    u8::try_from(value).or_else(|_| refuse("patterns match bytes: the highest is \\377"))
}
