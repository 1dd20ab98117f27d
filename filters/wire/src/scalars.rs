//! How strings, numbers, lists and maps are read.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::decode::{Cursor, Decode, shown};

impl Decode for String {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value() {
            Value::String(text) => Some(text.clone()),
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

/// A whole number of that range, both ends included. In a `google.protobuf.Struct` every number is a double, so 5.0 is as good as 5.
pub fn whole(at: Cursor<'_>, least: i64, most: i64) -> Option<i64> {
    let Value::Number(number) = at.value() else {
        return at.mismatch("a whole number");
    };
    let value = number.as_i64().or_else(|| {
        // Doubles hold whole numbers exactly up to 2^53, far beyond what any field takes.
        #[allow(clippy::cast_possible_truncation)]
        number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 9e15).map(|value| value as i64)
    });
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
        if !at.value().is_array() {
            return at.mismatch("a list");
        }
        // Each element is read even after a wrong one: all errors at once.
        let mut list = Some(Vec::new());
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
        if !at.value().is_object() {
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
