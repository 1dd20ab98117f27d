//! A moment: when something is to begin or to end.

use pointsman_wire::{Cursor, Decode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Nanoseconds since 1970, on the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// The year 2501 begins so many nanoseconds after 1970. So many fit into 64 bits.
const END: u64 = 16_756_761_600_000_000_000;

/// RFC 3339: `2026-11-22T10:00:00.5+02:00`.
impl Decode for Moment {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        const EXPECTED: &str = "expected one such as 2026-11-22T10:00:00Z";
        let Some(text) = at.value().as_str() else { return at.mismatch("a time such as 2026-11-22T10:00:00Z") };
        // RFC 3339 lets an application agree on other separators; we do not.
        let has_separator = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
        let Some(time) = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|_| has_separator) else {
            return at.error(format_args!("{} is not a time, {EXPECTED}", at.value()));
        };
        match u64::try_from(time.unix_timestamp_nanos()) {
            Ok(nanoseconds) if nanoseconds < END => Some(Self(nanoseconds)),
            _ => at.error(format_args!("{} is not in the years 1970 to 2500, {EXPECTED}", at.value())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_wire::decode;
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(value: &Value) -> Result<u64, String> {
        let (moment, report) = decode::<Moment>(value);
        moment.map(|moment| moment.0).ok_or_else(|| report.errors()[0].to_string())
    }

    #[test]
    fn what_is_a_time() {
        const TEN: u64 = 1_795_341_600_000_000_000;
        const HOUR: u64 = 3_600_000_000_000;
        const NEW_YEAR: u64 = 1_798_761_600_000_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T10:00:00Z", TEN),
            ("2026-11-22t10:00:00z", TEN),
            ("2026-11-22T10:00:00+00:00", TEN),
            ("2026-11-22T10:00:00-00:00", TEN),
            ("2026-11-22T10:00:00+02:00", TEN - 2 * HOUR),
            ("2026-11-22T10:00:00-05:30", TEN + 5 * HOUR + HOUR / 2),
            ("2026-11-22T23:00:00-23:59", TEN + 37 * HOUR - HOUR / 60),
            ("1969-12-31T23:00:00-01:00", 0),
            ("2026-11-22T10:00:00.5Z", TEN + 500_000_000),
            ("2026-11-22T10:00:00.000000001Z", TEN + 1),
            // What is finer than a nanosecond is cut off.
            ("2026-11-22T10:00:00.0000000019Z", TEN + 1),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000_000),
            // A leap second is the end of its minute.
            ("2026-12-31T23:59:60Z", NEW_YEAR - 1),
            ("2027-01-01T01:59:60+02:00", NEW_YEAR - 1),
            ("2500-12-31T23:59:59.999999999Z", END - 1),
        ] {
            assert_eq!(read(&json!(text)), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "now",
            "2026-11-22",
            "10:00:00Z",
            "2026-11-22T10:00:00",
            "2026-11-22T10:00Z",
            "2026-11-22 10:00:00Z",
            "2026-11-22_10:00:00Z",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00,5Z",
            "2026-11-22T10:00:00 Z",
            "2026-11-22T10:00:00Z ",
            " 2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00UTC",
            "2026-11-22T10:00:00+02",
            "2026-11-22T10:00:00+0200",
            "2026-11-22T10:00:00+24:00",
            "2026-11-22T10:00:00+02:60",
            "2026-11-22T10:00:00\u{2212}02:00",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:60:00Z",
            "2026-11-22T10:00:60Z",
            "2026-12-31T23:59:61Z",
            "2026-12-31T23:59:60+01:00",
            "2026-00-22T10:00:00Z",
            "2026-13-22T10:00:00Z",
            "2026-11-00T10:00:00Z",
            "2026-11-31T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "2100-02-29T10:00:00Z",
            "2026-1-22T10:00:00Z",
            "26-11-22T10:00:00Z",
            "+2026-11-22T10:00:00Z",
            "02026-11-22T10:00:00Z",
            "２026-11-22T10:00:00Z",
        ] {
            let expected = format!("{} is not a time, expected one such as 2026-11-22T10:00:00Z", json!(text));
            assert_eq!(read(&json!(text)), Err(expected), "{text}");
        }
        for text in
            ["1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "2501-01-01T00:00:00Z", "0000-01-01T00:00:00Z"]
        {
            let said = read(&json!(text)).unwrap_err();
            assert!(said.contains("is not in the years 1970 to 2500"), "{said}");
        }
        assert_eq!(read(&json!(5)).unwrap_err(), "5 is a number, expected a time such as 2026-11-22T10:00:00Z");
    }
}
