//! What is done to a request: of each kind of fault the first that chance chooses.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use pointsman_filter::LocalReply;
use pointsman_host::Host;
use pointsman_http::HeaderMap;

use crate::config::{KibPerSecond, Status};
use crate::experiment::{Counted, Experiment, Metrics};
use crate::{FaultInjection, Stream};

/// What became of a fault that chance has chosen.
enum Injected {
    Done,
    /// It was counted only.
    Shadowed,
    /// A cap did not let it be.
    Capped,
}

impl<const RESPONSES: bool> FaultInjection<RESPONSES> {
    /// For how long the request is to wait.
    pub(crate) fn delay(&self, stream: &mut Stream, headers: &HeaderMap, host: &mut dyn Host) -> Option<Duration> {
        let draw = |experiment: &Experiment, host: &mut dyn Host| experiment.draw_delay(headers, host);
        let (experiment, delay) = self.first(stream, draw, |metrics| &metrics.delays, host)?;
        self.tell(stream, &experiment, format_args!("delay {}ms", delay.as_millis()));
        Some(delay)
    }

    /// What the request is answered.
    pub(crate) fn abort(&self, stream: &mut Stream, headers: &HeaderMap, host: &mut dyn Host) -> Option<LocalReply> {
        let draw = |experiment: &Experiment, host: &mut dyn Host| experiment.draw_abort(headers, host);
        let (experiment, status) = self.first(stream, draw, |metrics| &metrics.aborts, host)?;
        let (status, grpc_status) = match status {
            Status::Http(status) => (status, None),
            Status::Grpc(status) => (200, Some(status)),
        };
        match grpc_status {
            None => self.tell(stream, &experiment, format_args!("abort {status}")),
            Some(status) => self.tell(stream, &experiment, format_args!("abort grpc {status}")),
        }
        Some(LocalReply {
            status,
            grpc_status,
            body: text_of(status, headers).into(),
            details: format!("pointsman_fault_abort{{{}}}", experiment.label),
            headers: grpc_status.and_then(|status| unknown(status, headers)).into_iter().collect(),
        })
    }

    /// How slow the response is to be.
    pub(crate) fn throughput(
        &self,
        stream: &mut Stream,
        headers: &HeaderMap,
        host: &mut dyn Host,
    ) -> Option<KibPerSecond> {
        let draw = |experiment: &Experiment, host: &mut dyn Host| experiment.draw_throughput(headers, host);
        let (experiment, limit) = self.first(stream, draw, |metrics| &metrics.throughputs, host)?;
        self.tell(stream, &experiment, format_args!("throughput {} KiB/s", limit.0));
        Some(limit)
    }

    /// The first fault of a kind that chance chooses, if it is done.
    fn first<T>(
        &self,
        stream: &mut Stream,
        draw: impl Fn(&Experiment, &mut dyn Host) -> Option<T>,
        counted: fn(&Metrics) -> &Counted,
        host: &mut dyn Host,
    ) -> Option<(Rc<Experiment>, T)> {
        let experiments = std::mem::take(&mut stream.experiments);
        let mut found = None;
        for experiment in &experiments {
            let Some(measure) = draw(experiment, host) else { continue };
            match self.inject(experiment, stream, counted, host) {
                Injected::Done => found = Some((experiment.clone(), measure)),
                // Behind an entry that only counts comes one that is done.
                Injected::Shadowed if !self.scope.shadow => continue,
                Injected::Shadowed | Injected::Capped => {}
            }
            break;
        }
        stream.experiments = experiments;
        found
    }

    fn inject(
        &self,
        experiment: &Rc<Experiment>,
        stream: &mut Stream,
        counted: fn(&Metrics) -> &Counted,
        host: &mut dyn Host,
    ) -> Injected {
        let counted = counted(&experiment.metrics);
        if self.scope.shadow || experiment.scope.shadow {
            host.add(&counted.shadow, 1);
            return Injected::Shadowed;
        }
        // A request counts once, however many faults it gets; and is refused once for all.
        if stream.active.is_none() {
            if stream.refused.is_none() {
                stream.refused = self.limits.acquire(host).err();
            }
            if let Some(cap) = stream.refused {
                experiment.metrics.overflow(cap, host);
                return Injected::Capped;
            }
            host.add(&experiment.metrics.active, 1);
            stream.active = Some(experiment.clone());
        }
        host.add(&counted.done, 1);
        Injected::Done
    }

    /// Notes a fault for the response header. What makes up a label was read as text without control characters.
    fn tell(&self, stream: &mut Stream, experiment: &Experiment, what: fmt::Arguments<'_>) {
        if self.response_header.is_some() {
            let comma = if stream.told.is_empty() { "" } else { ", " };
            stream.told.push_str(&format!("{comma}{what} by {}", experiment.label));
        }
    }
}

/// The answer's body, as Envoy's own filter has it. That one sends it with 204 and 304, too, which may have none: on
/// HTTP/2 the client sees an error of the protocol, on HTTP/1 stray bytes in front of the next answer.
fn text_of(status: u32, headers: &HeaderMap) -> &'static [u8] {
    // gRPC is answered with 200 whatever the status, and the text is its message.
    if matches!(status, 204 | 304) && !headers.is_grpc() { b"" } else { b"fault filter abort" }
}

/// A gRPC status of which the proxy knows nothing: given one as such it would answer another, but one that stands there as
/// a header already is left alone.
fn unknown(status: u32, headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    (status > 16 && headers.is_grpc()).then(|| (b"grpc-status".to_vec(), status.to_string().into_bytes()))
}
