//! Rules that span fields, or the entries of a list, which many messages have.

use std::collections::BTreeSet;

use crate::decode::Cursor;
use crate::scalars::text;
use crate::value::Value;

/// Exactly one of those fields is to be there.
pub fn check_one(at: Cursor<'_>, all_known: bool, fields: &[&str]) {
    match fields.iter().filter(|field| at.has(field)).count() {
        0 if all_known => drop(at.error::<()>(format_args!("needs exactly one of {}", fields.join(", ")))),
        0 => {}
        _ => check_at_most_one(at, fields),
    }
}

/// At most one of those fields is to be there.
pub fn check_at_most_one(at: Cursor<'_>, fields: &[&str]) {
    if fields.iter().filter(|field| at.has(field)).count() > 1 {
        at.error::<()>(format_args!("has more than one of {}: keep one", fields.join(", ")));
    }
}

/// The `name` of an entry of a list of our own, `whose` it is. Those without one are called by their places, `faults[2]`.
pub fn entry_name(at: Cursor<'_>, whose: &str) -> Option<String> {
    let name = text(at, "a name")?;
    if name.contains('[') {
        at.error(format_args!("`[` cannot stand in {whose}'s name: it is in those of places"))
    } else {
        Some(name)
    }
}

/// Names are how one entry of a list is told from another, so each is there once.
pub fn check_names(at: Cursor<'_>) {
    let mut names = BTreeSet::new();
    for (place, entry) in at.value().as_array().unwrap_or_default().iter().enumerate() {
        let Some(name) = entry.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) else { continue };
        if !names.insert(name) {
            let why = format!("`{name}` is the name of another one as well");
            at.element(place, |at| at.field("name", |at| at.error::<()>(why)));
        }
    }
}
