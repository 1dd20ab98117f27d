//! W3C's `tracestate`: what vendors add to a context. We add nothing, and pass on what is one.

use pointsman_http::{Edits, HeaderMap};

const NAME: &[u8] = b"tracestate";

/// More members than this are none.
const MOST_MEMBERS: usize = 32;

/// Passes it on if it belongs to a context that came, as one header line; takes it out otherwise, and if it is none.
pub fn pass_on(headers: &HeaderMap, has_parent: bool, edits: &mut Edits) {
    let lines: Vec<&[u8]> = headers.values(NAME).collect();
    if lines.is_empty() {
        return;
    }
    match combined(&lines).filter(|_| has_parent) {
        None => edits.remove(NAME.into()),
        // Most often it stands there as it should.
        Some(all) if lines == [all.as_slice()] => {}
        Some(all) => edits.set(NAME.into(), all.into()),
    }
}

/// The members of all lines, in order, without empty ones. `None`: there is none, or one of them is no member.
pub fn combined(lines: &[&[u8]]) -> Option<Vec<u8>> {
    let members = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
    let members: Vec<&[u8]> = members.map(trim).filter(|member| !member.is_empty()).collect();
    let are_members = !members.is_empty() && members.len() <= MOST_MEMBERS && members.iter().all(|one| is_member(one));
    are_members.then(|| members.join(&b','))
}

/// Optional white space is blanks and tabs.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn is_member(member: &[u8]) -> bool {
    let Some(end) = member.iter().position(|byte| *byte == b'=') else { return false };
    let (key, value) = member.split_at(end);
    is_key(key) && is_value(value.get(1..).unwrap_or_default())
}

fn is_key(key: &[u8]) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.len() <= 256
        && key.first().is_some_and(is_first)
        && key.iter().all(|byte| is_first(byte) || b"_-*/@".contains(byte))
}

/// Its end is no blank: those were taken off.
fn is_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len()) && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !b",=".contains(byte))
}
