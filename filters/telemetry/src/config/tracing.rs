//! How requests are traced.

use pointsman_wire::{Cursor, Decode, list, message, optional};

use super::Mode;
use crate::trace::Propagators;

message! {
    /// Istio's Tracing.
    pub struct Tracing = "Tracing" {
        /// Whom it is for.
        of: Option<TracingSelector> = "match",
        /// Of 10,000 traces that begin here, so many are sampled.
        sampling_per_10_000: Option<u32> = "randomSamplingPercentage" as read_percentage,
        /// Whether a request's id decides.
        use_request_id: Option<bool> = "useRequestIdForTraceSampling",
        /// Whether the upstream is told nothing.
        disable_context_propagation: Option<bool> = "disableContextPropagation",
    }
    inert {
        "providers": "spans are Envoy's to report: this is about their context",
        "disableSpanReporting": "spans are Envoy's to report",
        "customTags": "spans are Envoy's to report",
        "enableIstioTags": "spans are Envoy's to report",
    }
}

message! {
    /// Whom an entry is for.
    pub struct TracingSelector = "TracingSelector" {
        /// In which direction.
        mode: Mode = "mode",
    }
}

impl Tracing {
    /// Whom it is for.
    pub fn mode(&self) -> Mode {
        self.of.as_ref().map_or(Mode::default(), |of| of.mode)
    }
}

fn read_percentage(at: Cursor<'_>) -> Option<Option<u32>> {
    optional(at, |at| {
        let percentage = at.value().as_f64().filter(|percentage| (0.0..=100.0).contains(percentage));
        match percentage {
            // In hundredths, as Istio rounds.
            Some(percentage) => Some((percentage * 100.0) as u32),
            None => at.error(format_args!("{} is no percentage, expected 0 to 100", at.value())),
        }
    })
}

/// `propagators`, in the words of `OTEL_PROPAGATORS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagation(pub Propagators);

impl Decode for Propagation {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let mut propagators = Propagators::default();
        let names = list(at, |at| {
            let which = match at.value().as_str() {
                Some("tracecontext") => &mut propagators.trace_context,
                Some("b3") => &mut propagators.b3,
                Some("b3multi") => &mut propagators.b3_multi,
                _ => {
                    return at
                        .error(format_args!("{} is no propagator, expected tracecontext, b3 or b3multi", at.value()));
                }
            };
            *which = true;
            Some(())
        })?;
        if names.is_empty() { at.error("names none: leave `tracing` out instead") } else { Some(Self(propagators)) }
    }
}
