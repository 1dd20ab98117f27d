//! Durations.

use std::time::Duration;

use pointsman_wire::{Report, Value, decode};

/// A duration is what adding up its parts digit by digit gives, and every error has something to say.
pub fn duration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (read, report) = decoded(text);
    assert_eq!(read, nanoseconds(text).map(from_nanoseconds), "{text:?}");
    assert_eq!(report.errors().len(), usize::from(read.is_none()));
    // Said in nanoseconds, it is the same again.
    if let Some(duration) = read {
        let again = decoded(&format!("{}ns", duration.as_nanos())).0;
        assert_eq!(again, Some(duration));
    }
}

fn decoded(text: &str) -> (Option<Duration>, Report) {
    decode(Value::String(text.into()))
}

fn from_nanoseconds(all: u128) -> Duration {
    Duration::new((all / 1_000_000_000) as u64, (all % 1_000_000_000) as u32)
}

/// `google.protobuf.Duration` ends there.
const MOST: u128 = 315_576_000_000 * 1_000_000_000 + 999_999_999;

fn nanoseconds(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(0);
    }
    let mut characters = text.chars().peekable();
    let mut total = 0u128;
    loop {
        // Go takes any number of digits, and so the sum may be far beyond what counts: from there on it stays there.
        let (mut whole, mut fraction, mut scale, mut digits, mut places) = (0u128, 0u128, 1u128, 0, None);
        while let Some(c) = characters.next_if(|c| c.is_ascii_digit() || *c == '.') {
            let Some(digit) = c.to_digit(10) else {
                if places.replace(0).is_some() {
                    return None; // a second point
                }
                continue;
            };
            digits += 1;
            match &mut places {
                None => whole = whole.saturating_mul(10).saturating_add(digit.into()),
                // Finer than a nanosecond in every unit.
                Some(18) => {}
                Some(places) => {
                    *places += 1;
                    fraction = fraction * 10 + u128::from(digit);
                    scale *= 10;
                }
            }
        }
        let mut unit = String::new();
        while let Some(c) = characters.next_if(|c| !c.is_ascii_digit() && *c != '.') {
            unit.push(c);
        }
        let unit = match unit.as_str() {
            _ if digits == 0 => return None,
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.saturating_add(whole.saturating_mul(unit)).saturating_add(fraction * unit / scale);
        if characters.peek().is_none() {
            return (total <= MOST).then_some(total);
        }
    }
}
