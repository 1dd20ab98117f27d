//! JSON text (RFC 8259) as a tree, in one pass.

use std::borrow::Cow;
use std::fmt;

use crate::value::{Number, Object, Value};

/// More lists and objects within each other than this are refused, so that no step runs out of stack.
const MAX_DEPTH: usize = 127;

/// Why a text is not JSON, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    why: &'static str,
    line: usize,
    column: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, line, column } = self;
        write!(f, "{why} at line {line} column {column}")
    }
}

impl std::error::Error for Malformed {}

/// Reads JSON text.
pub fn parse(text: &str) -> Result<Value<'_>, Malformed> {
    let mut reader = Reader { text, at: 0, elements: Vec::new(), entries: Vec::new() };
    let value = reader.value(0).and_then(|value| match reader.peek() {
        None => Ok(value),
        Some(_) => Err("trailing characters"),
    });
    value.map_err(|why| reader.malformed(why))
}

type Result<T, E = &'static str> = std::result::Result<T, E>;

const OUT_OF_RANGE: &str = "number out of range";

/// The number of those digits, the last ones of which are decimals, times a power of ten. With up to 15 digits and a
/// power up to 22 it is the nearest double; nothing in a configuration needs more.
#[allow(clippy::cast_precision_loss, clippy::arithmetic_side_effects)] // of doubles
fn double(digits: &str, decimals: usize, exponent: i32) -> Option<f64> {
    let mut number = 0.0;
    let mut scale = exponent.checked_sub(i32::try_from(decimals).ok()?)?;
    let mut mantissa = 0_u64;
    for digit in digits.bytes().filter(u8::is_ascii_digit) {
        match mantissa.checked_mul(10).and_then(|number| number.checked_add(u64::from(digit & 15))) {
            Some(longer) => mantissa = longer,
            None => scale = scale.checked_add(1)?,
        }
    }
    if mantissa > 0 {
        let power = 10_f64.powi(scale.saturating_abs());
        number = if scale < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    }
    let number = if digits.starts_with('-') { -number } else { number };
    number.is_finite().then_some(number)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Of the lists that are not complete yet, the inner ones last: so each list is allocated once, in its size.
    elements: Vec<Value<'a>>,
    /// The same of objects.
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Reader<'a> {
    /// The next byte as it stands.
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The next byte behind white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.skip(1);
        }
        self.byte()
    }

    /// Goes past that byte, if it is the next one.
    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.byte() == Some(byte);
        self.skip(usize::from(is_next));
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => Err("recursion limit exceeded"),
            Some(b'{') => self.object(depth).map(Value::Object),
            Some(b'[') => self.list(depth).map(Value::Array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err("expected value"),
            None => Err("the text ends too early"),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>> {
        match self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            true => {
                self.skip(word.len());
                Ok(value)
            }
            false => Err("expected value"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value<'a>>> {
        self.skip(1);
        if self.peek() == Some(b']') {
            self.skip(1);
            return Ok(Vec::new());
        }
        let start = self.elements.len();
        loop {
            let element = self.value(depth.saturating_add(1))?;
            self.elements.push(element);
            match self.peek() {
                Some(b',') => self.skip(1),
                Some(b']') => {
                    self.skip(1);
                    return Ok(self.elements.drain(start..).collect());
                }
                Some(_) => return Err("expected `,` or `]`"),
                None => return Err("the text ends within a list"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object<'a>> {
        self.skip(1);
        if self.peek() == Some(b'}') {
            self.skip(1);
            return Ok(Object::default());
        }
        let start = self.entries.len();
        loop {
            if self.peek() != Some(b'"') {
                return Err("expected a name in quotes");
            }
            let name = self.string()?;
            if self.peek() != Some(b':') {
                return Err("expected `:`");
            }
            self.skip(1);
            let value = self.value(depth.saturating_add(1))?;
            self.entries.push((name, value));
            match self.peek() {
                Some(b',') => self.skip(1),
                Some(b'}') => {
                    self.skip(1);
                    return Ok(Object::new(self.entries.drain(start..).collect()));
                }
                Some(_) => return Err("expected `,` or `}`"),
                None => return Err("the text ends within an object"),
            }
        }
    }

    /// A string; a part of the text, if nothing in it is escaped.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        self.skip(1);
        let plain = self.plain()?;
        if self.eat(b'"') {
            return Ok(plain.into());
        }
        let mut text = plain.to_owned();
        while !self.eat(b'"') {
            self.skip(1); // the backslash, at which what is plain has ended
            text.push(self.escaped()?);
            text.push_str(self.plain()?);
        }
        Ok(text.into())
    }

    /// What stands before the next quotation mark or backslash.
    fn plain(&mut self) -> Result<&'a str> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        self.skip(end.unwrap_or(rest.len()));
        match self.byte() {
            None => Err("the text ends within a string"),
            Some(0..=0x1f) => Err("a control character in a string has to be escaped"),
            Some(_) => Ok(rest.get(..end.unwrap_or_default()).unwrap_or_default()),
        }
    }

    /// The character of an escape, behind its backslash.
    fn escaped(&mut self) -> Result<char> {
        let letter = self.byte();
        self.skip(1);
        Ok(match letter {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut code = self.unit()?;
                if let 0xd800..0xdc00 = code
                    && self.eat(b'\\')
                    && self.eat(b'u')
                    && let second @ 0xdc00..0xe000 = self.unit()?
                {
                    code = 0x10000_u32.saturating_add((code & 0x3ff) << 10 | second & 0x3ff);
                }
                char::from_u32(code).ok_or("half of a surrogate pair")?
            }
            _ => return Err("unknown escape"),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32> {
        let digits = self.at.checked_add(4).and_then(|end| self.text.get(self.at..end));
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        self.skip(4);
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or("\\u needs four hexadecimal digits")
    }

    fn number(&mut self) -> Result<Number> {
        let start = self.at;
        self.eat(b'-');
        let leading_zero = self.byte() == Some(b'0');
        if self.digits()? > 1 && leading_zero {
            return Err("a number begins with 0");
        }
        let whole = self.text.get(start..self.at).unwrap_or_default();
        let is_whole = !matches!(self.byte(), Some(b'.' | b'e' | b'E'));
        if is_whole && let Ok(number) = whole.parse() {
            return Ok(Number::Whole(number));
        }
        let mut decimals = 0;
        if self.eat(b'.') {
            decimals = self.digits()?;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let mut exponent = 0;
        if let Some(b'e' | b'E') = self.byte() {
            self.skip(1);
            let sign = self.at;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
            let text = self.text.get(sign..self.at).unwrap_or_default();
            exponent = text.parse().map_err(|_| OUT_OF_RANGE)?;
        }
        double(digits, decimals, exponent).map(Number::from).ok_or(OUT_OF_RANGE)
    }

    /// Goes past digits, of which there must be one, and says how many there were.
    fn digits(&mut self) -> Result<usize> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.skip(1);
        }
        match self.at.saturating_sub(start) {
            0 => Err("expected a digit"),
            count => Ok(count),
        }
    }

    #[cold]
    fn malformed(&self, why: &'static str) -> Malformed {
        let before = self.text.as_bytes().get(..self.at).unwrap_or(self.text.as_bytes());
        let line = before.split(|byte| *byte == b'\n').count();
        let column = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().len().saturating_add(1);
        Malformed { why, line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_json() {
        for text in [
            " {\"a\" : [ ] ,\n\"b\":{},\"c\":[1,2],\"a\":null}\r\n\t",
            "true",
            "false",
            "\"\"",
            r#""é\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t x""#,
            "[0, -0.0, 1, -1, 0.5, 33.3, 1e3, 1E+2, 12.5e-3, 9223372036854775807, 18446744073709551615, 1e22, -0]",
            "[0.1, 0.0001, 99.9999, 123456789012345.6, 5e-7, 0e999]",
        ] {
            let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text).unwrap(), theirs, "{text}");
        }
        assert_eq!(parse("-9223372036854775809").unwrap().as_f64(), Some(-9_223_372_036_854_775_809.0));
        assert_eq!(parse(&format!("{}1{}", "[".repeat(127), "]".repeat(127))).map(|_| ()), Ok(()));
    }

    #[test]
    fn what_is_none() {
        for (text, said) in [
            ("", "the text ends too early at line 1 column 1"),
            ("{\"a\": }", "expected value at line 1 column 7"),
            ("{\n \"a\": 1,\n}", "expected a name in quotes at line 3 column 1"),
            ("{a: 1}", "expected a name in quotes at line 1 column 2"),
            ("{\"a\" 1}", "expected `:` at line 1 column 6"),
            ("{\"a\":1 \"b\":2}", "expected `,` or `}` at line 1 column 8"),
            ("{\"a\":1", "the text ends within an object at line 1 column 7"),
            ("[1 2]", "expected `,` or `]` at line 1 column 4"),
            ("[1,]", "expected value at line 1 column 4"),
            ("[1", "the text ends within a list at line 1 column 3"),
            ("1 2", "trailing characters at line 1 column 3"),
            ("tru", "expected value at line 1 column 1"),
            ("\"a", "the text ends within a string at line 1 column 3"),
            ("\"a\nb\"", "a control character in a string has to be escaped at line 1 column 3"),
            (r#""\x""#, "unknown escape at line 1 column 4"),
            (r#""\u12g4""#, "\\u needs four hexadecimal digits at line 1 column 8"),
            (r#""\ud83d""#, "half of a surrogate pair at line 1 column 8"),
            (r#""\ude00""#, "half of a surrogate pair at line 1 column 8"),
            (r#""\ud83d\u0041""#, "half of a surrogate pair at line 1 column 14"),
            ("01", "a number begins with 0 at line 1 column 3"),
            ("-", "expected a digit at line 1 column 2"),
            ("1.", "expected a digit at line 1 column 3"),
            ("1e", "expected a digit at line 1 column 3"),
            ("1e999", "number out of range at line 1 column 6"),
            ("1e99999999999", "number out of range at line 1 column 14"),
            (&"[".repeat(200), "recursion limit exceeded at line 1 column 128"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), said, "{text}");
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Pieces of JSON, put together right and wrong.
        #[test]
        fn what_serde_json_reads_is_read_the_same(pieces in proptest::collection::vec(
            r#"(\{|\}|\[|\]|,|:|"a"|"b":|"|\\|\\n|\\u00e9|\\ud83d\\ude00|\\udc00|é|true|null|-|0|1|12|\.5|e2|E-1| |\n|\x01)"#,
            0..12,
        )) {
            let text = pieces.concat();
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            let ours = parse(&text);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{} {:?}", text, theirs);
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                prop_assert_eq!(ours, theirs, "{}", text);
            }
        }

        #[test]
        fn what_serde_json_writes_is_read_back(strings: Vec<String>, whole: Vec<i64>, thousandths: Vec<i32>) {
            let fractions: Vec<f64> = thousandths.into_iter().map(|number| f64::from(number) / 1000.0).collect();
            let value = serde_json::json!({"a": strings, "b": whole, "c": fractions});
            let text = value.to_string();
            prop_assert_eq!(parse(&text).unwrap(), value);
        }
    }
}
