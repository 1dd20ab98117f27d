//! W3C's `traceparent`.

use pointsman_http::HeaderMap;

use super::Parent;
use super::ids::{Digits, SpanId, TraceId, bytes};

/// The header.
pub const NAME: &[u8] = b"traceparent";

/// A context as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    span: SpanId,
    flags: u8,
}

const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

impl TraceParent {
    /// That of a request: of several there is none to be trusted.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.values(NAME);
        let line = lines.next()?;
        if lines.next().is_some() { None } else { Self::parse(line) }
    }

    /// `00-TRACE-SPAN-FLAGS`. Later versions may have more behind a further `-`.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii();
        let mut parts = line.splitn(5, |byte| *byte == b'-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version] = bytes(version, Digits::Lower)?;
        let [flags] = bytes(flags, Digits::Lower)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) || trace.len() != 32 {
            return None;
        }
        Some(Self { trace: TraceId::parse(trace, Digits::Lower)?, span: SpanId::parse(span, Digits::Lower)?, flags })
    }

    /// What we are the child of.
    pub fn parent(self) -> Parent {
        Parent {
            trace: self.trace,
            span: self.span,
            sampled: Some(self.flags & SAMPLED != 0),
            debug: false,
            random: self.flags & RANDOM != 0,
        }
    }
}
