//! Trace context: which trace a request belongs to, and what the upstream is told of it.
//!
//! A context that came is continued: its trace is kept, and so is whether it is sampled; the span is a new one, ours. What
//! came and is none, is as if nothing had come, and a new trace begins.

mod b3;
mod ids;
mod request_id;
#[cfg(test)]
mod tests;
mod traceparent;
mod tracestate;

use pointsman_host::Host;
use pointsman_http::{Edits, HeaderMap};

pub use b3::B3;
use ids::{Hex, SpanId, TraceId};
use request_id::RequestId;
use traceparent::TraceParent;

/// Which headers carry the context, in the words of `OTEL_PROPAGATORS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Propagators {
    /// W3C's `traceparent` and `tracestate`.
    pub trace_context: bool,
    /// `b3`.
    pub b3: bool,
    /// `x-b3-traceid` and the like.
    pub b3_multi: bool,
}

/// How often a trace that begins here is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of 10,000, as Istio counts.
    pub per_10_000: u32,
    /// Whether a request's id decides, so that all proxies which see it decide alike: Envoy's
    /// `use_request_id_for_trace_sampling`.
    pub by_request_id: bool,
}

/// Whose child a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    trace: TraceId,
    span: SpanId,
    /// `None`: whoever comes next decides.
    sampled: Option<bool>,
    /// B3's debug flag, which forces sampling everywhere.
    debug: bool,
    /// W3C: the trace's id is as random as it should be.
    random: bool,
}

/// A request's own context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    trace: TraceId,
    span: SpanId,
    parent: Option<SpanId>,
    sampled: bool,
    debug: bool,
    random: bool,
}

impl Context {
    /// The context of a request, which is said in its headers to whoever comes next.
    pub fn of(
        headers: &HeaderMap,
        propagators: Propagators,
        sampling: Sampling,
        edits: &mut Edits,
        host: &mut dyn Host,
    ) -> Self {
        let of_w3c = TraceParent::of(headers).filter(|_| propagators.trace_context).map(TraceParent::parent);
        let of_b3 = if propagators.b3 || propagators.b3_multi { B3::of(headers) } else { B3::default() };
        let parent = of_w3c.or(of_b3.parent);
        let request_id = RequestId::of(headers);
        let decided = parent.and_then(|parent| parent.sampled).or(of_b3.sampled);
        let sampled = decided.unwrap_or_else(|| sampling.draw(request_id.as_ref(), host));
        if request_id.is_none() {
            edits.set(request_id::NAME.into(), RequestId::new(sampled, host).text().into());
        }
        let this = Self {
            trace: parent.map_or_else(|| TraceId::new(host), |parent| parent.trace),
            span: SpanId::new(host),
            parent: parent.map(|parent| parent.span),
            sampled,
            debug: parent.map_or(of_b3.debug, |parent| parent.debug),
            random: parent.is_some_and(|parent| parent.random),
        };
        if propagators.trace_context {
            edits.set(traceparent::NAME.into(), this.traceparent().into());
            tracestate::pass_on(headers, of_w3c.is_some(), edits);
        }
        b3::write(&this, headers, propagators, edits);
        this
    }

    /// The trace's id, in hexadecimal digits.
    pub fn trace_id(&self) -> String {
        Hex(&self.trace.0).to_string()
    }

    /// The id of our span, which is the upstream's parent.
    pub fn span_id(&self) -> String {
        Hex(&self.span.0).to_string()
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    fn traceparent(&self) -> Vec<u8> {
        let flags = u8::from(self.sampled) | (u8::from(self.random) << 1);
        format!("00-{}-{}-{flags:02x}", self.trace_id(), self.span_id()).into_bytes()
    }
}

impl Sampling {
    fn draw(self, request_id: Option<&RequestId>, host: &mut dyn Host) -> bool {
        match request_id.filter(|_| self.by_request_id) {
            // Envoy's: whoever decided before has written it into the id.
            Some(id) if id.is_sampled() => true,
            Some(id) if id.is_uuid() => id.modulo() < self.per_10_000,
            _ => host.random() % 10_000 < self.per_10_000.into(),
        }
    }
}
