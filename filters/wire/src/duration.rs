//! How durations are read: `1.5s`, `300ms`, `1h30m`.

use std::time::Duration;

use crate::decode::{Cursor, Decode, shown};
use crate::value::Value;

/// The longest `google.protobuf.Duration`, about 10,000 years.
const MOST_SECONDS: u128 = 315_576_000_000;

/// Each unit, in nanoseconds. Go knows the micro sign (U+00B5) as well as the Greek letter (U+03BC).
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS),
    ("m", 60 * NANOS),
    ("h", 3_600 * NANOS),
];
const NANOS: u128 = 1_000_000_000;

/// As istiod reads a `google.protobuf.Duration` in YAML: Go's `time.ParseDuration`, which is more than protojson
/// takes. No field of ours has a use for a negative one. What is finer than a nanosecond is cut off, as in Go.
impl Decode for Duration {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let Value::String(text) = at.value() else {
            return match at.value() {
                Value::Number(number) => match at.value().as_f64() {
                    Some(..0.0) => at.error(format_args!("{number} {NEGATIVE}")),
                    Some(3.155_76e11..) => at.error(format_args!("{number} {TOO_LONG}")),
                    _ => at.error(format_args!("{number} has no unit: write it as \"{number}s\" or \"{number}ms\"")),
                },
                _ => at.mismatch("a duration such as \"1.5s\""),
            };
        };
        match parse(text) {
            Ok(duration) => Some(duration),
            Err(why) => at.error(format_args!("{} {why}", shown(at.value()))),
        }
    }
}

const NEGATIVE: &str = "is negative, expected a duration of 0 or more";
const TOO_LONG: &str = "is too long, expected at most \"315576000000s\"";

/// The error continues a sentence that begins with the text.
fn parse(text: &str) -> Result<Duration, &'static str> {
    const SYNTAX: &str = "is not a duration, expected numbers with units such as \"5s\", \"300ms\" or \"1h30m\"";
    if text.starts_with('-') {
        return Err(NEGATIVE);
    }
    if text.contains(char::is_whitespace) {
        return Err("has a space in it: write it without, such as \"5s\"");
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO); // the one number that Go takes without a unit
    }
    if rest.is_empty() {
        return Err(SYNTAX);
    }
    let mut nanos = 0u128;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(SYNTAX);
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit());
        let (unit, after) = end.and_then(|end| after.split_at_checked(end)).unwrap_or((after, ""));
        if unit.is_empty() {
            return Err("has a number without a unit: add one, such as \"5s\" or \"300ms\"");
        }
        let (_, unit) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or("has an unknown unit, expected h, m, s, ms, us or ns")?;
        let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u128>().ok() };
        nanos = whole
            .and_then(|whole| whole.checked_mul(*unit))
            .and_then(|part| part.checked_add(fraction_of(fraction, *unit)))
            .and_then(|part| part.checked_add(nanos))
            .ok_or(TOO_LONG)?;
        rest = after;
    }
    let seconds = nanos.checked_div(NANOS).filter(|seconds| *seconds <= MOST_SECONDS);
    let subsecond = nanos.checked_rem(NANOS).and_then(|nanos| u32::try_from(nanos).ok());
    let (Some(seconds), Some(subsecond)) = (seconds, subsecond) else {
        return Err(TOO_LONG);
    };
    let seconds = u64::try_from(seconds).map_err(|_| TOO_LONG)?;
    Ok(Duration::new(seconds, subsecond))
}

/// The digits that the text begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// What the digits behind the point of a number of units come to. More than 18 of them say nothing in nanoseconds.
fn fraction_of(digits: &str, unit: u128) -> u128 {
    let digits = digits.get(..18).unwrap_or(digits);
    let scale = (0..digits.len()).fold(1u128, |scale, _| scale.saturating_mul(10));
    let number = digits.parse::<u128>().unwrap_or(0);
    number.saturating_mul(unit).checked_div(scale).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use crate::message;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    message! {
        struct Wait = "Wait" {
            must: Duration = "must",
            may: Option<Duration> = "may",
        }
    }

    #[test]
    fn what_is_a_duration() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("+0", 0, 0),
            ("0s", 0, 0),
            ("5s", 5, 0),
            ("+5s", 5, 0),
            ("007s", 7, 0),
            ("1.5s", 1, 500_000_000),
            (".5s", 0, 500_000_000),
            ("5.s", 5, 0),
            ("300ms", 0, 300_000_000),
            ("1h30m", 5_400, 0),
            ("1h15m30.918273645s", 4_530, 918_273_645),
            ("1s1s", 2, 0),
            ("1ms1h", 3_600, 1_000_000),
            ("0.5h", 1_800, 0),
            ("1us", 0, 1_000),
            ("1\u{b5}s", 0, 1_000),
            ("1\u{3bc}s", 0, 1_000),
            ("1.9ns", 0, 1),
            ("0.99999999999999999999999999s", 0, 999_999_999),
            ("0.1000000000000000000000h", 360, 0),
            ("2562048h", 9_223_372_800, 0),
            ("315576000000s", 315_576_000_000, 0),
            ("315576000000.9s", 315_576_000_000, 900_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::new(seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, why) in [
            ("", "is not a duration"),
            ("+", "is not a duration"),
            ("s", "is not a duration"),
            (".s", "is not a duration"),
            (".", "is not a duration"),
            ("5s ", "has a space"),
            (" 5s", "has a space"),
            ("1s.s", "is not a duration"),
            ("5", "without a unit"),
            ("00", "without a unit"),
            ("1h30", "without a unit"),
            ("1.5.5s", "without a unit"),
            ("1d", "unknown unit"),
            ("1S", "unknown unit"),
            ("1 s", "has a space"),
            ("1sec", "unknown unit"),
            ("1e3s", "unknown unit"),
            ("-5s", "negative"),
            ("-0s", "negative"),
            ("1h-5m", "unknown unit"),
            ("315576000001s", "too long"),
            ("315576000000s1s", "too long"),
            ("99999999999999999999999999999999999999999999s", "too long"),
            ("340282366920938463463374607431768211455h", "too long"),
            ("340282366920938463463374607431768211455ns1ns", "too long"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn what_a_message_says() {
        let read = |value| {
            let (wait, report) = decode::<Wait>(&value);
            wait.map(|wait| (wait.must, wait.may))
                .ok_or_else(|| report.errors().iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let second = Duration::from_secs(1);
        assert_eq!(read(json!({"must": "1s"})), Ok((second, None)));
        assert_eq!(read(json!({"must": "1s", "may": null})), Ok((second, None)));
        assert_eq!(read(json!({"must": "1s", "may": "1000ms"})), Ok((second, Some(second))));
        assert_eq!(
            read(json!({"may": 5})),
            Err(vec!["must: is missing".into(), "may: 5 has no unit: write it as \"5s\" or \"5ms\"".into()])
        );
        for (number, expected) in [
            (json!(-5), "-5 is negative, expected a duration of 0 or more"),
            (json!(-0.5), "-0.5 is negative, expected a duration of 0 or more"),
            (json!(1e300), "1e300 is too long, expected at most \"315576000000s\""),
            (json!(0.5), "0.5 has no unit: write it as \"0.5s\" or \"0.5ms\""),
        ] {
            assert_eq!(read(json!({"must": number})), Err(vec![format!("must: {expected}")]));
        }
        assert_eq!(
            read(json!({"must": true, "may": "5"})),
            Err(vec![
                "must: true is a boolean, expected a duration such as \"1.5s\"".into(),
                "may: \"5\" has a number without a unit: add one, such as \"5s\" or \"300ms\"".into()
            ])
        );
    }
}
