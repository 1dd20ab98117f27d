//! How strings, numbers, lists and maps are read.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::decode::{Cursor, Decode, shown};
use crate::json;
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

/// Reads text that becomes a part of something that ends with the line, such as a header's value; absent: empty.
pub fn text(at: Cursor<'_>, whose: &str) -> Option<String> {
    let text = String::decode_or_absent(at)?;
    match text.chars().find(|c| c.is_control()) {
        Some(c) => at.error(format_args!("{c:?} cannot stand in {whose}")),
        None => Some(text),
    }
}

/// The number that stands there, or in the text that stands there: in YAML, Envoy takes a number with a point or with
/// more than 31 bits for text. So does protobuf's JSON, which allows both.
pub fn number(value: &Value<'_>) -> Option<Number> {
    match value {
        Value::Number(number) => Some(*number),
        // JSON would allow spaces around it.
        Value::String(text) if !text.contains(|c: char| c.is_ascii_whitespace()) => match json::parse(text) {
            Ok(Value::Number(number)) => Some(number),
            _ => None,
        },
        _ => None,
    }
}

impl Decode for f64 {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match number(at.value()) {
            #[allow(clippy::cast_precision_loss)]
            Some(Number::Whole(value)) => Some(value as f64),
            Some(Number::Double(value)) if value.is_finite() => Some(value),
            _ => at.mismatch("a number"),
        }
    }

    fn absent() -> Option<Self> {
        Some(0.0)
    }
}

/// A whole number of that range, both ends included.
pub fn whole(at: Cursor<'_>, least: i64, most: i64) -> Option<i64> {
    whole_or(at, least, most, &format_args!("is not in range, expected a whole number from {least} to {most}"))
}

/// The same, with what is said of one that is not in range, behind the number.
pub fn whole_or(at: Cursor<'_>, least: i64, most: i64, why: &dyn Display) -> Option<i64> {
    match number(at.value()) {
        Some(Number::Whole(value)) if (least..=most).contains(&value) => Some(value),
        Some(_) => at.error(format_args!("{} {why}", shown(at.value()))),
        None => at.mismatch("a whole number"),
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
        if at.value().is_null() { at.mismatch("a list") } else { list(at, T::decode) }
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        if at.value().is_null() { at.mismatch("an object") } else { map(at, |_, entry| T::decode(entry)) }
    }

    fn absent() -> Option<Self> {
        Some(BTreeMap::new())
    }
}

/// Reads a list, and each of its elements even after a wrong one: all errors at once. Absent: an empty one.
pub fn list<T>(at: Cursor<'_>, mut read: impl FnMut(Cursor<'_>) -> Option<T>) -> Option<Vec<T>> {
    let elements = match at.value() {
        Value::Null => return Some(Vec::new()),
        Value::Array(elements) => elements.len(),
        _ => return at.mismatch("a list"),
    };
    let mut list = Some(Vec::with_capacity(elements));
    at.each(|element| match (read(element), &mut list) {
        (Some(element), Some(list)) => list.push(element),
        _ => list = None,
    });
    list
}

/// The same of an object whose names are the user's.
pub fn map<T>(at: Cursor<'_>, mut read: impl FnMut(&str, Cursor<'_>) -> Option<T>) -> Option<BTreeMap<String, T>> {
    let mut map = Some(BTreeMap::new());
    match at.value() {
        Value::Null => {}
        Value::Object(_) => at.entries(|name, entry| match (read(name, entry), &mut map) {
            (Some(entry), Some(map)) => drop(map.insert(name.to_owned(), entry)),
            _ => map = None,
        }),
        _ => return at.mismatch("an object"),
    }
    map
}

/// What may be left out, and is read like that if it is there.
pub fn optional<T>(at: Cursor<'_>, read: impl FnOnce(Cursor<'_>) -> Option<T>) -> Option<Option<T>> {
    if at.value().is_null() { Some(None) } else { read(at).map(Some) }
}

/// A whole number of that range, if there is one; `why` says what another one is.
pub fn whole_if_any(at: Cursor<'_>, least: u32, most: u32, why: &dyn Display) -> Option<Option<u32>> {
    optional(at, |at| whole_or(at, least.into(), most.into(), why)?.try_into().ok())
}

#[cfg(test)]
mod tests {
    use crate::decode::decode;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_in_text() {
        for (text, expected) in [
            ("0", Some(0.0)),
            ("0.5", Some(0.5)),
            ("-7", Some(-7.0)),
            ("1.0", Some(1.0)),
            ("1.5e+3", Some(1500.0)),
            ("4294967296", Some(4_294_967_296.0)),
            ("", None),
            ("-", None),
            (" 1", None),
            ("1 ", None),
            ("1\n", None),
            ("1.", None),
            (".5", None),
            ("+1", None),
            ("0x1", None),
            ("1_0", None),
            ("1e999", None),
            ("inf", None),
            ("nan", None),
            ("[1]", None),
        ] {
            let (number, report) = decode::<f64>(&json!(text));
            assert_eq!(number, expected, "{text:?}");
            let said: Vec<String> = report.errors().iter().map(ToString::to_string).collect();
            assert_eq!(said.is_empty(), expected.is_some(), "{said:?}");
            assert!(said.iter().all(|said| said.ends_with(" is a string, expected a number")), "{said:?}");
        }
    }

    #[test]
    fn whole_numbers_in_text() {
        for (value, expected) in [
            (json!("1.0"), Ok(1)),
            (json!("4294967295"), Ok(u32::MAX)),
            (json!("1e2"), Ok(100)),
            (json!("0.5"), Err("\"0.5\" is not in range, expected a whole number from 0 to 4294967295")),
            (json!("4294967296"), Err("\"4294967296\" is not in range, expected a whole number from 0 to 4294967295")),
            (json!("x"), Err("\"x\" is a string, expected a whole number")),
            (json!(true), Err("true is a boolean, expected a whole number")),
        ] {
            let (number, report) = decode::<u32>(&value);
            assert_eq!(
                number.ok_or_else(|| report.errors()[0].to_string()).as_ref(),
                expected.map_err(str::to_owned).as_ref(),
                "{value}"
            );
        }
    }
}
