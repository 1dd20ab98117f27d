//! HTTPFaultInjection.Delay: requests wait before they go on.

use std::time::Duration;

use pointsman_wire::{Cursor, Decode, check_one, message, whole_if_any};

use super::{Fault, FromHeader, Percentage, check_percentage, measure};

/// How long requests wait, and how many.
pub type Delay = Fault<Duration>;

message! {
    /// As it is written.
    pub struct DelayFields = "Delay" {
        /// So long: whole milliseconds, and at least one.
        fixed_delay: Option<Duration> = "fixedDelay" as read_fixed_delay,
        /// As long as a request header says. Ours, as Envoy has it.
        header_delay: Option<FromHeader> = "headerDelay",
        /// How many wait.
        percentage: Option<Percentage> = "percentage",
        /// The same, in whole numbers, as older policies have it.
        percent: Option<u32> = "percent" as read_percent,
    }
    refused {
        "exponentialDelay": "Istio has never done it: use fixedDelay",
    }
    check check_delay;
}

fn read_fixed_delay(at: Cursor<'_>) -> Option<Option<Duration>> {
    let Some(delay) = Option::<Duration>::decode_or_absent(at)? else { return Some(None) };
    match delay.as_millis() {
        0 => at.error("is less than 1ms; leave the delay out for none"),
        milliseconds if milliseconds.checked_mul(1_000_000) != Some(delay.as_nanos()) => {
            at.error("is not in whole milliseconds, which is all that Istio takes")
        }
        _ => Some(Some(delay)),
    }
}

fn read_percent(at: Cursor<'_>) -> Option<Option<u32>> {
    whole_if_any(at, 0, 100, &"is not a percentage, expected 0 to 100")
}

fn check_delay(at: Cursor<'_>, all_known: bool) {
    check_one(at, all_known, &["fixedDelay", "headerDelay"]);
    match (at.has("percentage"), at.has("percent")) {
        (true, true) => at.field("percent", |at| at.warning("has no effect: percentage is there, too")),
        (false, true) => {}
        _ => check_percentage(at, all_known),
    }
}

impl Decode for Delay {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = DelayFields::decode(at)?;
        let percentage = fields.percentage.or(fields.percent.map(Percentage::of_hundred));
        Some(Self {
            measure: measure(fields.fixed_delay, fields.header_delay)?,
            percentage: percentage.unwrap_or(Percentage::NEVER),
        })
    }
}
