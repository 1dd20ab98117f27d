//! Rate limits that are exact, however many workers there are, in the words of Envoy: kept by the proxy itself, or by a
//! service for many proxies.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

mod answer;
mod bucket;
mod cell;
mod charge;
pub mod config;
mod decide;
pub mod descriptors;
mod fingerprint;
mod in_flight;
mod limit;
mod local;
mod memory;
mod near_cache;
mod pool;
mod rate;
mod rls;
mod scope;
mod service;
mod set;
mod table;
mod tenancy;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};

use pointsman_filter::{Filter, GrpcCall, Request, Response, Step, Uses, Wake};
use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_routes::Policy;
use pointsman_wire::Cursor;

use answer::{Line, Quota};
use charge::Charge;
use config::{RateLimit as WrittenLimit, read_rate_limits};
use descriptors::Hits;
use fingerprint::Key;
use in_flight::Slot;
use limit::Limit;
use local::Local;
use scope::Scope;
use service::{Question, Service};

/// The rate-limit filter.
pub struct RateLimit {
    limits: Vec<Limit>,
    scope: Scope,
    services: Vec<Service>,
    /// What this worker remembers of services' answers is by fingerprints with a key of its own.
    key: OnceCell<Key>,
}

/// What is kept about a request.
#[derive(Default)]
pub struct Stream {
    /// What services are still to be asked; the first is being asked.
    questions: VecDeque<Question>,
    slots: Vec<Slot>,
    /// What it is to pay at its end.
    charges: Vec<Charge>,
    /// What the response says of the limits.
    quota: Option<Quota>,
    /// What services add to the response.
    headers: Vec<Line>,
}

impl Filter for RateLimit {
    const NAME: &'static str = "rate-limit";
    const SECTIONS: &'static [&'static str] = &["gateway", "virtualServices", "rateLimits"];
    const USES: Uses = Uses { response: true, response_trailers: true, grpc_call: true, beat: true, ..Uses::NONE };
    type Rule = ();
    type Stream = Stream;

    fn configure(at: Cursor<'_>, policy: Policy<()>) -> Option<Self> {
        at.field("rateLimits", |at| {
            let limits = read_rate_limits(at);
            let (here, rules, limits) = (policy.here?, policy.rules?, limits?);
            let scope = Scope::new(&limits, &here, rules.routes, &rules.origins, at)?;
            Some(Self::new(limits, scope, &here.node.plugin))
        })
    }

    fn needs_headers(&self) -> bool {
        let needs = |limit: &Limit| limit.needs_descriptor() || matches!(limit.hits, Hits::RequestHeader(_));
        self.scope.needs_headers() || self.limits.iter().any(needs)
    }

    fn on_request(&self, stream: &mut Stream, wake: Wake, request: &mut Request, host: &mut dyn Host) -> Step {
        let decided = match wake {
            Wake::Answered(answer) => self.answered(stream, &answer, request, host),
            Wake::Arrived | Wake::Delayed => {
                let limits = self.scope.of(request, host);
                if limits.is_empty() {
                    return Step::Continue;
                }
                self.decide(&limits, stream, request, host)
            }
        };
        if let Err(reply) = decided {
            // It never was under way, and costs nothing.
            self.release(stream, host);
            *stream = Stream::default();
            return Step::Reply(reply);
        }
        match stream.questions.front_mut().and_then(|question| self.ask(question)) {
            Some(call) => Step::GrpcCall(call),
            None => Step::Continue,
        }
    }

    fn has_more(&self, stream: &Stream) -> bool {
        !stream.slots.is_empty() || !stream.charges.is_empty() || stream.quota.is_some() || !stream.headers.is_empty()
    }

    fn on_response(&self, stream: &mut Stream, _: &Request, response: &mut Response, host: &mut dyn Host) {
        let has_quota = stream.headers.iter().any(|(name, _)| name.starts_with(answer::QUOTA));
        for (name, value) in std::mem::take(&mut stream.headers) {
            response.edits.add(name, value);
        }
        for (name, value) in stream.quota.take().filter(|_| !has_quota).iter().flat_map(Quota::lines) {
            response.edits.add(name.into(), value.into());
        }
        let of_response = |charge: &Charge| self.hits(charge).is_some_and(Hits::is_of_response);
        if stream.charges.iter().any(of_response)
            && let Some(headers) = host.response_headers()
        {
            stream.charges.iter_mut().for_each(|charge| self.read(charge, &headers));
        }
    }

    fn wants_trailers(&self, stream: &Stream) -> bool {
        let of_trailers = |charge: &Charge| matches!(self.hits(charge), Some(Hits::ResponseTrailer(_)));
        stream.charges.iter().any(of_trailers)
    }

    fn on_response_trailers(&self, stream: &mut Stream, trailers: &HeaderMap) {
        let of_trailers = |charge: &&mut Charge| matches!(self.hits(charge), Some(Hits::ResponseTrailer(_)));
        stream.charges.iter_mut().filter(of_trailers).for_each(|charge| self.read(charge, trailers));
    }

    fn on_end(&self, stream: &mut Stream, host: &mut dyn Host) -> Vec<GrpcCall> {
        self.release(stream, host);
        // Who left while a service was asked was never served.
        let is_served = std::mem::take(&mut stream.questions).is_empty();
        let charges = std::mem::take(&mut stream.charges);
        if is_served { self.charge(&charges, host) } else { Vec::new() }
    }

    fn needs_beat(&self, stream: &Stream) -> bool {
        !stream.slots.is_empty()
    }

    fn on_beat(&self, host: &mut dyn Host) {
        self.limits.iter().filter_map(|limit| limit.in_flight.as_ref()).for_each(|in_flight| in_flight.beat(host));
    }
}

impl RateLimit {
    fn new(written: Vec<WrittenLimit>, scope: Scope, plugin: &str) -> Self {
        let mut services: Vec<Service> = Vec::new();
        let mut limits = Vec::with_capacity(written.len());
        let mut unnamed: BTreeMap<String, usize> = BTreeMap::new();
        for (place, mut limit) in written.into_iter().enumerate() {
            let name = std::mem::take(&mut limit.name);
            // What it has counted outlives an update. Its place does not tell it from others: it may have another one then.
            let (label, identity) = if name.is_empty() {
                let what = std::mem::take(&mut limit.what);
                let same = unnamed.entry(what.clone()).or_default();
                *same = same.saturating_add(1);
                (format!("rateLimits[{place}]"), format!("[{what}]{same}"))
            } else {
                (name.clone(), name)
            };
            let service = limit.global.take().map(|global| {
                let is_same = |other: &Service| other.shadow == limit.shadow && other.global.is_same(&global);
                services.iter().position(is_same).unwrap_or_else(|| {
                    services.push(Service::new(global, limit.shadow));
                    services.len().saturating_sub(1)
                })
            });
            limits.push(Limit::new(limit, &label, &format!("{plugin}\n{identity}"), service));
        }
        Local::rank(limits.iter_mut().filter_map(|limit| limit.local.as_mut()));
        Self { limits, scope, services, key: OnceCell::new() }
    }

    fn release(&self, stream: &mut Stream, host: &mut dyn Host) {
        stream.slots.drain(..).for_each(|slot| slot.release(host));
    }
}
