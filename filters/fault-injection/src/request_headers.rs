//! Request headers by which a client asks for faults, where the configuration lets it: those of Envoy's fault filter.
//!
//! Whoever can send requests can send these, so of each only the first line counts, as in Envoy, and none can have more
//! requests hit than is configured.

use std::num::NonZeroU64;
use std::time::Duration;

use pointsman_http::HeaderMap;

use crate::config::{Fault, HttpFaultInjection, KibPerSecond, Measure, Percentage, Status};

const DELAY: &[u8] = b"x-envoy-fault-delay-request";
const DELAY_PERCENTAGE: &[u8] = b"x-envoy-fault-delay-request-percentage";
const ABORT: &[u8] = b"x-envoy-fault-abort-request";
const GRPC_ABORT: &[u8] = b"x-envoy-fault-abort-grpc-request";
const ABORT_PERCENTAGE: &[u8] = b"x-envoy-fault-abort-request-percentage";
const THROUGHPUT: &[u8] = b"x-envoy-fault-throughput-response";
const THROUGHPUT_PERCENTAGE: &[u8] = b"x-envoy-fault-throughput-response-percentage";

/// All of them.
pub const NAMES: [&[u8]; 7] =
    [DELAY, DELAY_PERCENTAGE, ABORT, GRPC_ABORT, ABORT_PERCENTAGE, THROUGHPUT, THROUGHPUT_PERCENTAGE];

/// What they all begin with.
pub const PREFIX: &[u8] = b"x-envoy-fault-";

/// Kinds of faults, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    const DELAY: Self = Self(1);
    const ABORT: Self = Self(2);
    const THROUGHPUT: Self = Self(4);

    /// Those whose measure comes with the request.
    pub fn of(fault: &HttpFaultInjection) -> Self {
        fn kind<T>(fault: Option<&Fault<T>>, kind: Kinds) -> Kinds {
            match fault.map(|fault| &fault.measure) {
                Some(Measure::Header) => kind,
                Some(Measure::Fixed(_)) | None => Kinds::default(),
            }
        }
        let delay = kind(fault.delay.as_ref(), Self::DELAY);
        delay.or(kind(fault.abort.as_ref(), Self::ABORT)).or(kind(fault.throughput.as_ref(), Self::THROUGHPUT))
    }

    /// The one that a header is about.
    pub fn of_header(name: &[u8]) -> Option<Self> {
        match name {
            DELAY | DELAY_PERCENTAGE => Some(Self::DELAY),
            ABORT | GRPC_ABORT | ABORT_PERCENTAGE => Some(Self::ABORT),
            THROUGHPUT | THROUGHPUT_PERCENTAGE => Some(Self::THROUGHPUT),
            _ => None,
        }
    }

    /// Both.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether that one is among them.
    pub fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

/// A measure that a request can bring.
pub trait Requested: Copy {
    /// The header that says of how many requests.
    const PERCENTAGE: &'static [u8];

    /// What the headers say; `None`: nothing that counts, and so there is no fault.
    fn requested(headers: &HeaderMap) -> Option<Self>;
}

impl<T: Requested> Fault<T> {
    /// What is to be done to the request, if chance chooses it.
    pub fn measure(&self, headers: &HeaderMap) -> Option<T> {
        match self.measure {
            Measure::Fixed(measure) => Some(measure),
            Measure::Header => T::requested(headers),
        }
    }

    /// By what chance it is done.
    pub fn percentage(&self, headers: &HeaderMap) -> Percentage {
        match self.measure {
            Measure::Fixed(_) => self.percentage,
            Measure::Header => {
                let header = first(headers, T::PERCENTAGE).and_then(|number| u32::try_from(number).ok());
                header.map_or(self.percentage, |header| self.percentage.capped(header))
            }
        }
    }
}

impl Requested for Duration {
    const PERCENTAGE: &'static [u8] = DELAY_PERCENTAGE;

    /// Milliseconds. Envoy's are signed: what is more is less than none.
    fn requested(headers: &HeaderMap) -> Option<Self> {
        first(headers, DELAY).filter(|delay| *delay > 0 && i64::try_from(*delay).is_ok()).map(Self::from_millis)
    }
}

impl Requested for Status {
    const PERCENTAGE: &'static [u8] = ABORT_PERCENTAGE;

    /// HTTP's first. Envoy takes any number for a gRPC status, so that those can be tried that nobody has defined.
    fn requested(headers: &HeaderMap) -> Option<Self> {
        let number = |name| first(headers, name).and_then(|number| u32::try_from(number).ok());
        let http = number(ABORT).filter(|status| (200..600).contains(status));
        http.map(Self::Http).or_else(|| number(GRPC_ABORT).map(Self::Grpc))
    }
}

impl Requested for KibPerSecond {
    const PERCENTAGE: &'static [u8] = THROUGHPUT_PERCENTAGE;

    fn requested(headers: &HeaderMap) -> Option<Self> {
        first(headers, THROUGHPUT).and_then(NonZeroU64::new).map(Self)
    }
}

/// The number in the first line of that name.
fn first(headers: &HeaderMap, name: &[u8]) -> Option<u64> {
    number(headers.first(name)?)
}

/// As Envoy reads a number: with white space around it, a plus sign and leading zeros, if one likes.
fn number(text: &[u8]) -> Option<u64> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let end = text.iter().rposition(|byte| !is_space(byte))?;
    let text = text.get(start..=end)?;
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests;
