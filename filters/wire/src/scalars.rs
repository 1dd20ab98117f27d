//! How strings, numbers, lists and maps are read.

use std::collections::BTreeMap;

use crate::decode::{Cursor, Decode, shown};
use crate::value::{Number, Value};

impl Decode for String {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value() {
            Value::String(text) => Some(text.clone().into_owned()),
            _ => at.mismatch("a string"),
        }
    }

    fn absent() -> Option<Self> {
        Some(String::new())
    }
}

impl Decode for bool {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value() {
            Value::Bool(value) => Some(*value),
            _ => at.mismatch("true or false"),
        }
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl Decode for f64 {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_f64() {
            Some(value) if value.is_finite() => Some(value),
            _ => at.mismatch("a number"),
        }
    }

    fn absent() -> Option<Self> {
        Some(0.0)
    }
}

/// A whole number of that range, both ends included.
pub fn whole(at: Cursor<'_>, least: i64, most: i64) -> Option<i64> {
    let value = match at.value() {
        Value::Number(Number::Whole(value)) => Some(*value),
        Value::Number(Number::Double(_)) => None,
        _ => return at.mismatch("a whole number"),
    };
    match value {
        Some(value) if (least..=most).contains(&value) => Some(value),
        _ => at.error(format_args!(
            "{} is not in range, expected a whole number from {least} to {most}",
            shown(at.value())
        )),
    }
}

impl Decode for u32 {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        whole(at, 0, u32::MAX.into())?.try_into().ok()
    }

    fn absent() -> Option<Self> {
        Some(0)
    }
}

impl Decode for i32 {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        whole(at, i32::MIN.into(), i32::MAX.into())?.try_into().ok()
    }

    fn absent() -> Option<Self> {
        Some(0)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        T::decode(at).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let Some(elements) = at.value().as_array() else {
            return at.mismatch("a list");
        };
        // Each element is read even after a wrong one: all errors at once.
        let mut list = Some(Vec::with_capacity(elements.len()));
        at.each(|element| match (T::decode(element), &mut list) {
            (Some(element), Some(list)) => list.push(element),
            _ => list = None,
        });
        list
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        if at.value().as_object().is_none() {
            return at.mismatch("an object");
        }
        let mut map = Some(BTreeMap::new());
        at.entries(|name, entry| match (T::decode(entry), &mut map) {
            (Some(entry), Some(map)) => drop(map.insert(name.to_owned(), entry)),
            _ => map = None,
        });
        map
    }

    fn absent() -> Option<Self> {
        Some(BTreeMap::new())
    }
}
