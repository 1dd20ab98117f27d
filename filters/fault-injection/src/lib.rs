//! Faults on purpose: requests that wait, requests that fail, and responses that are slow, to see how clients bear it.
//! The words are those of Istio's `fault` and of Envoy's fault filter.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod config;
mod credit;
mod draw;
mod experiment;
mod inject;
mod limits;
mod moment;
mod pacing;
mod request_headers;
mod scope;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use pointsman_filter::{Body, Filter, GrpcCall, Request, Response, Step, Uses, Wake};
use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_routes::{Entries, Met, Policy, Routes};
use pointsman_wire::{Cursor, Decode};

use config::{FaultInjectionSection, KibPerSecond, RuleFault, read_faults};
use experiment::Experiment;
use limits::{Cap, Limits};
use pacing::Pacing;
use request_headers::Kinds;
use scope::{Clock, Scope};

/// The fault-injection filter. With `RESPONSES` it does all; without, it is not called for responses, which is what most
/// of its cost would be: then there is no `throughput` and no `responseHeader`.
pub struct FaultInjection<const RESPONSES: bool> {
    /// `faults`, and the requests that each is for.
    own: Vec<Rc<Experiment>>,
    entries: Entries,
    routes: Rc<Routes>,
    /// The faults of VirtualServices, by their rules' numbers; empty, if no rule has one.
    of_rules: Vec<Option<Rc<Experiment>>>,
    /// When and for whom there are faults at all.
    scope: Scope,
    limits: Limits,
    /// Which faults some client may ask for.
    by_header: Kinds,
    response_header: Option<Rc<[u8]>>,
}

/// Why a module has no faults of responses.
const OF_RESPONSES: &str =
    "this module is not called for responses, so that it costs a request less; pointsman.wasm is";

/// What is kept about a request.
#[derive(Default)]
pub struct Stream {
    /// Those that are for it, in order. Of each kind of fault it gets at most one, of the first that chance chooses.
    experiments: Vec<Rc<Experiment>>,
    /// The first one of which it got a fault: it counts as active there, until its faults are over.
    active: Option<Rc<Experiment>>,
    /// Why it gets no fault.
    refused: Option<Cap>,
    /// Which faults it got, as the response header says it.
    told: String,
    /// How slow its response is to be.
    throughput: Option<KibPerSecond>,
    pacing: Option<Pacing>,
}

impl<const RESPONSES: bool> Filter for FaultInjection<RESPONSES> {
    const NAME: &'static str = "fault-injection";
    const SECTIONS: &'static [&'static str] = &["gateway", "virtualServices", "faults", "faultInjection"];
    const USES: Uses = Uses { response: RESPONSES, response_body: RESPONSES, delay: true, beat: true, ..Uses::NONE };
    type Rule = RuleFault;
    type Stream = Stream;

    fn configure(at: Cursor<'_>, policy: Policy<RuleFault>) -> Option<Self> {
        let faults = at.field("faults", read_faults);
        let section = at.field("faultInjection", Option::<FaultInjectionSection>::decode_or_absent);
        let before = at.errors();
        if !RESPONSES {
            // Each by itself, whatever is wrong with the others.
            let own = faults.iter().flatten().enumerate();
            let own = own.map(|(place, entry)| (format!("faults[{place}]"), Some(&entry.fault)));
            let of_rules = policy.rules.iter().flat_map(|rules| rules.parts.iter().zip(rules.origins.iter()));
            let of_rules = of_rules.map(|(rule, origin)| (origin.path.clone(), rule.fault.as_ref()));
            for (path, _) in
                own.chain(of_rules).filter(|(_, fault)| fault.is_some_and(|fault| fault.throughput.is_some()))
            {
                at.error_at::<()>(format!("{path}.fault.throughput"), OF_RESPONSES);
            }
            if section.iter().flatten().any(|section| section.response_header.is_some()) {
                at.error_at::<()>("faultInjection.responseHeader".into(), OF_RESPONSES);
            }
        }
        let (here, rules, faults, section) = (policy.here?, policy.rules?, faults?, section?.unwrap_or_default());
        (at.errors() == before).then_some(())?;
        let entries = Entries::new(faults.iter().map(|entry| entry.matches.as_slice()), &here);
        let own = faults.into_iter().enumerate().map(|(place, entry)| {
            let label = if entry.name.is_empty() { format!("faults[{place}]") } else { entry.name };
            let scope = Scope::new(entry.start_time, entry.end_time, entry.when.as_ref(), entry.shadow);
            Experiment::new(&label, entry.fault, scope)
        });
        let of_rules = rules
            .parts
            .into_iter()
            .zip(rules.origins.iter())
            .map(|(rule, origin)| rule.fault.map(|fault| Experiment::new(&origin.label, fault, Scope::default())));
        let (own, mut of_rules): (Vec<_>, Vec<_>) = (own.collect(), of_rules.collect());
        if of_rules.iter().all(Option::is_none) {
            of_rules.clear();
        }
        let by_header = own.iter().chain(of_rules.iter().flatten()).map(|experiment| Kinds::of(&experiment.fault));
        Some(Self {
            by_header: by_header.fold(Kinds::default(), Kinds::or),
            own,
            entries,
            routes: rules.routes,
            of_rules,
            scope: Scope::new(section.start_time, section.end_time, section.when.as_ref(), section.shadow),
            limits: Limits::new(section.max_active, section.max_percentage, &here.node.plugin),
            response_header: section.response_header.map(|header| header.0),
        })
    }

    #[inline]
    fn steers(&self, name: &[u8], _: &HeaderMap) -> bool {
        // Of most headers this is all that is looked at.
        name.starts_with(request_headers::PREFIX)
            && Kinds::of_header(name).is_some_and(|kind| !self.by_header.has(kind))
    }

    fn on_request(&self, stream: &mut Stream, wake: Wake, request: &mut Request, host: &mut dyn Host) -> Step {
        if let Wake::Delayed = wake {
            // Meanwhile an experiment may have come to its end.
            let clock = Clock::new(host);
            stream.experiments.retain(|experiment| self.scope.is_now(&clock) && experiment.scope.is_now(&clock));
        } else {
            self.limits.count();
            self.find(stream, request, host);
            if stream.experiments.is_empty() {
                return Step::Continue;
            }
            if let Some(delay) = self.delay(stream, request.headers(), host) {
                return Step::Delay(delay);
            }
        }
        // Drawn when the delay is over, as in Envoy.
        if let Some(reply) = self.abort(stream, request.headers(), host) {
            return Step::Reply(reply);
        }
        if RESPONSES {
            stream.throughput = self.throughput(stream, request.headers(), host);
        }
        if stream.throughput.is_none() {
            self.end(stream, host);
        }
        Step::Continue
    }

    fn has_more(&self, stream: &Stream) -> bool {
        stream.active.is_some() || !stream.told.is_empty()
    }

    fn on_response(&self, stream: &mut Stream, _: &Request, response: &mut Response, host: &mut dyn Host) {
        let pacing = |limit: KibPerSecond| Pacing::new(limit.bytes(), host.monotonic());
        stream.pacing = stream.throughput.take().map(pacing);
        let told = std::mem::take(&mut stream.told);
        if let Some(header) = self.response_header.as_ref().filter(|_| !told.is_empty()) {
            response.edits.set(header.clone(), told.as_bytes().into());
        }
    }

    fn wants_body(&self, stream: &Stream) -> bool {
        stream.pacing.is_some()
    }

    fn on_response_body(&self, stream: &mut Stream, bytes: usize, host: &mut dyn Host) -> Body {
        stream.pacing.as_mut().map_or(Body::Pass, |pacing| pacing.on_data(bytes, host.monotonic()))
    }

    fn on_held(&self, stream: &mut Stream, host: &mut dyn Host) -> Body {
        stream.pacing.as_mut().map_or(Body::Pass, |pacing| pacing.on_due(host.monotonic()))
    }

    fn on_end(&self, stream: &mut Stream, host: &mut dyn Host) -> Vec<GrpcCall> {
        self.end(stream, host);
        Vec::new()
    }

    fn needs_beat(&self, stream: &Stream) -> bool {
        stream.active.is_some() && self.limits.need_beats()
    }

    fn on_beat(&self, host: &mut dyn Host) {
        self.limits.beat(host);
    }
}

impl<const RESPONSES: bool> FaultInjection<RESPONSES> {
    /// Finds the experiments that are for the request: those of `faults` that only count, the first one that does not,
    /// and that of the rule which the request meets.
    fn find(&self, stream: &mut Stream, request: &mut Request, host: &dyn Host) {
        let is_any = !self.own.is_empty() || !self.of_rules.is_empty();
        if is_any {
            let clock = Clock::new(host);
            let mut shadows = Vec::new();
            let headers = request.headers();
            let first = self.entries.first(headers, host, |number| {
                let Some(experiment) = self.own.get(number).filter(|own| own.scope.includes(headers, &clock)) else {
                    return false;
                };
                if experiment.scope.shadow {
                    shadows.push(number);
                }
                !experiment.scope.shadow
            });
            // They may be come upon in any order, more than once, and behind the one that is done.
            shadows.retain(|number| first.is_none_or(|first| *number < first));
            shadows.sort_unstable();
            shadows.dedup();
            let own = shadows.into_iter().chain(first).filter_map(|number| self.own.get(number));
            stream.experiments.extend(own.cloned());
            if !self.of_rules.is_empty()
                && let Met::Rule(rule) = request.meet(&self.routes, host)
            {
                stream.experiments.extend(self.of_rules.get(rule.number()).cloned().flatten());
            }
            // Last: few requests are any experiment's, and the clock costs a call.
            if !stream.experiments.is_empty() && !self.scope.includes(request.headers(), &clock) {
                stream.experiments.clear();
            }
        }
        self.strip(stream, request);
    }

    /// Takes out the headers by which a client asks for faults that are not to be asked for by this request.
    fn strip(&self, stream: &Stream, request: &mut Request) {
        if self.by_header == Kinds::default() {
            return; // They are hidden.
        }
        let kinds = stream.experiments.iter().map(|experiment| Kinds::of(&experiment.fault));
        let kinds = kinds.fold(Kinds::default(), Kinds::or);
        let (headers, edits) = request.parts();
        for name in request_headers::NAMES {
            if Kinds::of_header(name).is_some_and(|kind| !kinds.has(kind)) && headers.has(name) {
                // In front of what a rule sets, which is the operator's.
                edits.remove_first(name.into());
            }
        }
    }

    /// The request's faults are over: a delay when the request goes on, all others with the request.
    fn end(&self, stream: &mut Stream, host: &mut dyn Host) {
        if let Some(experiment) = stream.active.take() {
            host.add(&experiment.metrics.active, -1);
            self.limits.release(host);
        }
    }
}
