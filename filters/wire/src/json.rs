//! JSON text as a tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::value::{Number, Object, Value};

/// Reads JSON text. A name that stands twice in an object is an error: one of its values would be lost.
pub fn parse(text: &str) -> Result<Value<'_>, serde_json::Error> {
    serde_json::from_str(text)
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(boolean))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Whole(number)))
    }

    #[allow(clippy::cast_precision_loss)] // Nothing in a configuration is as big.
    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(i64::try_from(number).map_or(Number::Double(number as f64), Number::Whole)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::String(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        values.shrink_to_fit();
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = map.next_key()? {
            let Value::String(name) = name else { return Err(A::Error::custom("a name is no text")) };
            entries.push((name, map.next_value()?));
        }
        entries.shrink_to_fit();
        match Object::new(entries) {
            (object, None) => Ok(Value::Object(object)),
            (_, Some(twice)) => Err(A::Error::custom(format_args!("`{twice}` is there twice: keep one"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_json() {
        for text in [
            " {\"a\" : [ ] ,\n\"b\":{},\"c\":[1,2]}\r\n\t",
            "true",
            "\"\"",
            r#""é\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t x""#,
            r#"{"a\u0062": "c\u0064"}"#,
            "[0, -0.0, 1, -1, 0.5, 1e3, 12.5e-3, 9223372036854775807, 18446744073709551615, -0]",
        ] {
            let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text).unwrap(), theirs, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, said) in [
            ("{\"a\": 1, \"b\": {\"c\": 1,\n\"c\": 2}}", "`c` is there twice: keep one at line 2 column 7"),
            ("[1,]", "trailing comma at line 1 column 4"),
            (&"[".repeat(200), "recursion limit exceeded at line 1 column 128"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), said, "{text}");
        }
    }

    #[test]
    fn strings_are_parts_of_the_text() {
        let Value::Object(object) = parse(r#"{"a": "b", "c": "\n"}"#).unwrap() else { panic!("an object") };
        assert!(matches!(object.get("a"), Some(Value::String(Cow::Borrowed("b")))));
        assert!(matches!(object.get("c"), Some(Value::String(Cow::Owned(text))) if text == "\n"));
    }
}
