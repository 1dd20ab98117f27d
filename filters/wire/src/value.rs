//! A configuration as a tree: what JSON text or a `google.protobuf.Struct` says. Its strings are parts of that text
//! wherever they can be, and its objects are sorted lists: ten thousand routes have a million of them.

use std::borrow::Cow;
use std::fmt;

/// A value. `'a` is the text that it was read from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Value<'a>>),
    /// Values by name.
    Object(Object<'a>),
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(i64),
    /// Any other, and whole ones too big.
    Double(f64),
}

impl From<f64> for Number {
    /// A whole double becomes a whole number: a `google.protobuf.Struct` has no other numbers.
    fn from(double: f64) -> Self {
        match double {
            // Doubles hold whole numbers exactly up to 2^53.
            #[allow(clippy::cast_possible_truncation)]
            _ if double.fract() == 0.0 && double.abs() < 9e15 => Self::Whole(double as i64),
            _ => Self::Double(double),
        }
    }
}

/// Values by name, each name once, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    /// Of several entries of one name the last counts; a name of which there are several is told.
    pub fn new(mut entries: Vec<(Cow<'a, str>, Value<'a>)>) -> (Self, Option<Cow<'a, str>>) {
        let mut twice = None;
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b)); // stable
            entries.reverse();
            entries.dedup_by(|(a, _), (b, _)| {
                let is_same = a == b;
                if is_same {
                    twice = Some(std::mem::take(a));
                }
                is_same
            });
            entries.reverse();
        }
        (Self(entries), twice)
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let place = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// Each name and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(Number::Whole(number)) => Some(*number as f64),
            Self::Number(Number::Double(number)) => Some(*number),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value of that name, if it is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.as_object()?.get(name)
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// For tests, which say what they mean with `json!`.
impl<'a> From<&'a serde_json::Value> for Value<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(boolean) => Self::Bool(*boolean),
            serde_json::Value::Number(number) => Self::Number(match number.as_i64() {
                Some(whole) => Number::Whole(whole),
                None => number.as_f64().unwrap_or_default().into(),
            }),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(list) => Self::Array(list.iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => {
                Self::Object(Object::new(map.iter().map(|(name, value)| (name.into(), value.into())).collect()).0)
            }
        }
    }
}

/// For them, too.
impl<'a> From<&'a Self> for Value<'a> {
    fn from(value: &'a Self) -> Self {
        value.clone()
    }
}

/// For them, too.
impl PartialEq<serde_json::Value> for Value<'_> {
    fn eq(&self, other: &serde_json::Value) -> bool {
        let other = Value::from(other);
        *self == other
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            // Debug's form: a huge one with an exponent, not with hundreds of digits.
            Self::Double(number) => write!(f, "{number:?}"),
        }
    }
}

/// As JSON text.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(boolean) => boolean.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => Quoted(text).fmt(f),
            Self::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "[" } else { "," })?;
                }
                f.write_str(if list.is_empty() { "[]" } else { "]" })
            }
            Self::Object(object) => {
                for (index, (name, value)) in object.iter().enumerate() {
                    write!(f, "{}{}:{value}", if index == 0 { "{" } else { "," }, Quoted(name))?;
                }
                f.write_str(if object.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// Text as a JSON string.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for part in self.0.split_inclusive(|c: char| matches!(c, '"' | '\\' | '\0'..='\x1f')) {
            let mut rest = part.chars();
            let (plain, special) = match rest.next_back() {
                Some(c @ ('"' | '\\' | '\0'..='\x1f')) => (rest.as_str(), Some(c)),
                _ => (part, None),
            };
            f.write_str(plain)?;
            match special {
                None => {}
                Some('\n') => f.write_str("\\n")?,
                Some('\r') => f.write_str("\\r")?,
                Some('\t') => f.write_str("\\t")?,
                Some(c @ ('"' | '\\')) => write!(f, "\\{c}")?,
                Some(c) => write!(f, "\\u{:04x}", u32::from(c))?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_last_of_a_name_counts_and_the_name_is_told() {
        let entries = [("b", 1), ("a", 2), ("b", 3), ("c", 4), ("b", 5)];
        let (object, twice) = Object::new(
            entries.map(|(name, number)| (name.into(), Value::Number(Number::Whole(number)))).into_iter().collect(),
        );
        assert_eq!(Value::Object(object.clone()), json!({"a": 2, "b": 5, "c": 4}));
        assert_eq!(object.get("b"), Some(&Value::Number(Number::Whole(5))));
        assert_eq!((object.get("d"), twice), (None, Some("b".into())));
    }

    #[test]
    fn shown_as_json() {
        for value in [
            json!(null),
            json!({"a": [1, -2, 0.5, true, "x\"\\\n\t\r\u{1}\u{7f}é", {}], "b": [], "\"": {"c": null, "d": 1}}),
            json!(""),
        ] {
            assert_eq!(Value::from(&value).to_string(), value.to_string());
        }
    }
}
