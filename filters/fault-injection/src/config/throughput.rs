//! How slow responses are: Envoy's `response_rate_limit`. Istio has no word for it.

use std::num::NonZeroU64;

use pointsman_wire::{Cursor, Decode, Number, check_one, message, number, whole_or};

use super::{Fault, FromHeader, Percentage, check_percentage, measure};

/// How slow responses are, and how many.
pub type Throughput = Fault<KibPerSecond>;

/// 1024 bytes a second, so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KibPerSecond(pub NonZeroU64);

impl KibPerSecond {
    /// The same in bytes.
    pub fn bytes(self) -> NonZeroU64 {
        self.0.saturating_mul(const { NonZeroU64::MIN.saturating_add(1023) })
    }
}

message! {
    /// As it is written.
    pub struct ThroughputFields = "Throughput" {
        /// So many KiB a second, at least one.
        limit_kbps: Option<KibPerSecond> = "limitKbps",
        /// As many as a request header says.
        header_limit: Option<FromHeader> = "headerLimit",
        /// How many responses are slow.
        percentage: Option<Percentage> = "percentage",
    }
    check check_throughput;
}

impl Decode for KibPerSecond {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let limit = whole_or(at, 1, i64::MAX, &"is not a limit, expected a whole number of KiB a second, 1 or more")?;
        NonZeroU64::new(limit.try_into().ok()?).map(Self)
    }
}

/// With Envoy's default buffers a slower response stands still for longer than Envoy's default idle time-out, 5 minutes.
const SLOW: i64 = 8;

fn check_throughput(at: Cursor<'_>, all_known: bool) {
    if let Some(Number::Whole(1..SLOW)) = at.value().get("limitKbps").and_then(number) {
        at.field("limitKbps", |at| {
            at.warning(
                "is so slow that the stream idle time-out may end the response: see README, Throughput, for the buffers",
            );
        });
    }
    check_one(at, all_known, &["limitKbps", "headerLimit"]);
    check_percentage(at, all_known);
}

impl Decode for Throughput {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = ThroughputFields::decode(at)?;
        Some(Self {
            measure: measure(fields.limit_kbps, fields.header_limit)?,
            percentage: fields.percentage.unwrap_or(Percentage::NEVER),
        })
    }
}
