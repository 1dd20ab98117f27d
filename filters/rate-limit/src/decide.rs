//! What becomes of a request, limit by limit: first what costs nothing to ask, last what somebody else has to be asked.

use pointsman_filter::{Answer, GrpcCall, LocalReply, Request};
use pointsman_host::Host;

use crate::answer::{Quota, Refusal, seconds};
use crate::bucket::{NEVER, Outcome};
use crate::charge::Charge;
use crate::descriptors::Descriptor;
use crate::fingerprint::Key;
use crate::limit::{By, Limit};
use crate::local::Draw;
use crate::service::{Question, Verdict, Wish};
use crate::{RateLimit, Stream};

/// A limit that is for the request.
struct Met<'a> {
    number: usize,
    limit: &'a Limit,
    descriptor: Option<Descriptor<'a>>,
    /// `None`: its end will tell.
    hits: Option<u32>,
}

/// Whether a request goes on, or what it is answered.
type Decided = Result<(), LocalReply>;

impl RateLimit {
    /// Holds a request against those limits.
    pub(crate) fn decide(
        &self,
        limits: &[usize],
        stream: &mut Stream,
        request: &Request,
        host: &mut dyn Host,
    ) -> Decided {
        let headers = request.headers();
        let met = limits.iter().filter_map(|number| {
            let limit = self.limits.get(*number)?;
            let make = || limit.actions.descriptor(headers, &request.destination, &*host);
            let descriptor = if limit.needs_descriptor() { make() } else { None };
            Some(Met { number: *number, limit, descriptor, hits: limit.hits.of_request(headers) })
        });
        let met: Vec<Met<'_>> = met.collect();
        self.draw(&met, stream, host)?;
        for Met { limit, .. } in &met {
            take_slot(limit, stream, host)?;
        }
        self.ask_all(&met, stream, host)
    }

    /// Takes from all buckets, in the order of Envoy, until one has too little.
    fn draw(&self, met: &[Met<'_>], stream: &mut Stream, host: &mut dyn Host) -> Decided {
        let mut draws: Vec<Draw> = Vec::new();
        for met in met {
            let local = met.limit.local.iter();
            draws.extend(local.flat_map(|local| local.draws(met.number, met.descriptor.as_ref())));
        }
        if draws.len() > 1 {
            draws.sort_by_key(|draw| draw.order);
        }
        for draw in draws {
            let Some(met) = met.iter().find(|met| met.number == draw.limit) else { continue };
            take(met, draw, stream, host)?;
        }
        Ok(())
    }

    /// Makes the questions to services. What is known to be refused is not asked.
    fn ask_all(&self, met: &[Met<'_>], stream: &mut Stream, host: &mut dyn Host) -> Decided {
        for (number, service) in self.services.iter().enumerate() {
            let wish = |met: &'_ Met<'_>| met.limit.service == Some(number) && met.descriptor.is_some();
            let concerned: Vec<&Met<'_>> = met.iter().filter(|met| wish(met)).collect();
            if concerned.is_empty() {
                continue;
            }
            let wishes = concerned.iter().filter_map(|met| {
                let hits = met.hits.unwrap_or_default();
                Some(Wish { limit: met.number, descriptor: met.descriptor.as_ref()?, hits })
            });
            let wishes: Vec<Wish<'_>> = wishes.collect();
            match service.question(number, &wishes, self.key(host), &*host) {
                Ok(question) => stream.questions.push_back(question),
                Err((limit, refusal)) => self.refuse(number, limit, refusal, host)?,
            }
            for late in concerned.iter().filter(|met| met.hits.is_none()) {
                let descriptor = late.descriptor.as_ref().map(Descriptor::to_owned);
                charge(late, stream, |charge| charge.descriptor = descriptor);
            }
        }
        Ok(())
    }

    /// The call that a question is; none, if it was sent.
    pub(crate) fn ask(&self, question: &mut Question) -> Option<GrpcCall> {
        Some(self.services.get(question.service)?.call(question.take_message()))
    }

    /// A service has answered, or has not.
    pub(crate) fn answered(
        &self,
        stream: &mut Stream,
        answer: &Answer,
        request: &mut Request,
        host: &mut dyn Host,
    ) -> Decided {
        let Some(question) = stream.questions.pop_front() else { return Ok(()) };
        let Some(service) = self.services.get(question.service) else { return Ok(()) };
        match service.judge(&question, answer, self.key(host), host) {
            // What only counts is not seen.
            Verdict::Pass { .. } if service.shadow => Ok(()),
            Verdict::Pass { request: headers, response, quota } => {
                headers.into_iter().for_each(|(name, value)| request.foreign.add(name, value));
                stream.headers.extend(response);
                let tells = question.limits().filter_map(|limit| self.limits.get(limit)).any(Limit::tells);
                stream.quota = stream.quota.take().or(quota.filter(|_| tells));
                Ok(())
            }
            Verdict::Over(limit, refusal) => self.refuse(question.service, limit, refusal, host),
            Verdict::Error if service.global.failure_mode_deny && !service.shadow => {
                let first = question.limits().next().and_then(|limit| self.limits.get(limit));
                let name = first.map(|limit| limit.label.to_string()).unwrap_or_default();
                Err(LocalReply {
                    status: service.global.status_on_error,
                    details: format!("pointsman_rate_limit_service_error{{{name}}}"),
                    ..LocalReply::default()
                })
            }
            Verdict::Error => {
                service.allow_failure(host);
                Ok(())
            }
        }
    }

    fn refuse(&self, service: usize, limit: usize, refusal: Refusal, host: &mut dyn Host) -> Decided {
        let service = self.services.get(service);
        let is_marked = service.is_some_and(|service| !service.global.disable_x_envoy_ratelimited_header);
        match self.limits.get(limit) {
            Some(limit) if limit.refuses(By::Global, host) => Err(limit.refusal(By::Global, is_marked, refusal)),
            _ => Ok(()),
        }
    }

    fn key(&self, host: &mut dyn Host) -> &Key {
        self.key.get_or_init(|| Key::own(host))
    }
}

/// Takes from one bucket. What the response says is of the first one, as in Envoy.
fn take(met: &Met<'_>, draw: Draw, stream: &mut Stream, host: &mut dyn Host) -> Decided {
    let limit = met.limit;
    let Some(local) = &limit.local else { return Ok(()) };
    let tokens = met.hits.unwrap_or_default();
    let Some((outcome, most)) = local.take(&draw, tokens, &limit.metrics, host) else { return Ok(()) };
    let quota = |remaining: u32, reset| {
        // Envoy says when there will be a token only where there is none.
        let reset = if remaining > 0 { 0 } else { reset };
        limit.tells().then(|| Quota { limit: most.to_string(), remaining, reset })
    };
    let refusal = match outcome {
        Outcome::Admitted { remaining, reset_ns } => {
            if stream.quota.is_none() {
                stream.quota = quota(remaining, seconds(reset_ns));
            }
            if met.hits.is_none() {
                charge(met, stream, |charge| charge.draws.push(draw));
            }
            return Ok(());
        }
        Outcome::Refused { until_ns, remaining, reset_ns } => {
            let wait = seconds(until_ns.saturating_sub(host.monotonic())).max(1);
            let retry_after = Some(wait).filter(|_| until_ns != NEVER);
            Refusal { quota: quota(remaining, seconds(reset_ns)), retry_after, ..Refusal::default() }
        }
        Outcome::Denied(_) => Refusal::default(),
    };
    if limit.refuses(By::Local, host) {
        return Err(limit.refusal(By::Local, false, refusal));
    }
    Ok(())
}

fn take_slot(limit: &Limit, stream: &mut Stream, host: &mut dyn Host) -> Decided {
    let Some(in_flight) = &limit.in_flight else { return Ok(()) };
    match in_flight.acquire(host) {
        Ok(Some(slot)) => stream.slots.push(slot),
        full => {
            full.err().into_iter().for_each(|denial| limit.metrics.denied(denial, host));
            if limit.refuses(By::Concurrency, host) {
                return Err(limit.refusal(By::Concurrency, false, Refusal::default()));
            }
        }
    }
    Ok(())
}

/// Notes something of what the request is to pay for a limit at its end.
fn charge(met: &Met<'_>, stream: &mut Stream, note: impl FnOnce(&mut Charge)) {
    let limit = met.number;
    match stream.charges.iter_mut().find(|charge| charge.limit == limit) {
        Some(known) => note(known),
        None => {
            let mut charge = Charge { limit, ..Charge::default() };
            note(&mut charge);
            stream.charges.push(charge);
        }
    }
}
