//! A limit, compiled: who it is, what it keeps of requests, and what those get that are over it.

use std::rc::Rc;

use pointsman_host::{Host, Metric};

use crate::config::{RateLimit, Response};
use crate::descriptors::{Actions, Hits};
use crate::in_flight::InFlight;
use crate::local::Local;

/// See the module.
pub struct Limit {
    /// Its name, or such as `rateLimits[2]`.
    pub label: Rc<str>,
    pub actions: Actions,
    pub hits: Hits,
    pub local: Option<Local>,
    pub in_flight: Option<InFlight>,
    /// The number of the service that is asked.
    pub service: Option<usize>,
    pub shadow: bool,
    pub response: Response,
    pub metrics: Metrics,
}

/// What a request was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A bucket of the proxy.
    Local,
    /// The number of requests under way.
    Concurrency,
    /// What a service counts.
    Global,
}

impl By {
    /// As a metric says it.
    const ALL: [(Self, &'static str); 3] =
        [(Self::Local, "local"), (Self::Concurrency, "concurrency"), (Self::Global, "global")];
}

impl Limit {
    /// The limit of that label. `own` is what makes the state that it shares with other workers its own.
    pub fn new(limit: RateLimit, label: &str, own: &str, service: Option<usize>) -> Self {
        Self {
            label: label.into(),
            actions: Actions::new(limit.actions),
            hits: limit.hits,
            local: limit.local.map(|local| Local::new(local, own)),
            in_flight: limit.concurrency.map(|most| InFlight::new(most, own)),
            service,
            shadow: limit.shadow,
            response: limit.response,
            metrics: Metrics::new(label),
        }
    }

    /// Whether it asks what a request's descriptor is.
    pub fn needs_descriptor(&self) -> bool {
        self.service.is_some() || self.local.as_ref().is_some_and(Local::has_descriptors)
    }

    /// Counts a request that is over it; whether it is to be refused.
    pub fn refuses(&self, by: By, host: &mut dyn Host) -> bool {
        let counters = if self.shadow { &self.metrics.shadow } else { &self.metrics.rate_limited };
        let counter = By::ALL.iter().zip(counters).find(|((other, _), _)| *other == by);
        counter.iter().for_each(|(_, counter)| host.add(counter, 1));
        !self.shadow
    }
}

/// How often what became of requests, by the limit's label.
pub struct Metrics {
    rate_limited: [Metric; 3],
    /// Those that would have been refused.
    shadow: [Metric; 3],
    /// The other workers were in the way for too long, and the request was refused.
    pub contended: Metric,
    /// There was no place for its bucket, and the request was refused.
    pub no_place: Metric,
    /// A key found its table full, and got a bucket with fewer tokens than it should have.
    pub inherited: Metric,
}

impl Metrics {
    fn new(label: &str) -> Self {
        let limit = ("limit", label);
        let by = |name: &str| By::ALL.map(|(_, by)| Metric::counter(name, &[limit, ("by", by)]));
        let counter = |name: &str| Metric::counter(&format!("pointsman_rate_limit_{name}"), &[limit]);
        Self {
            rate_limited: by("pointsman_rate_limit_rate_limited"),
            shadow: by("pointsman_rate_limit_shadow_rate_limited"),
            contended: counter("contended"),
            no_place: counter("no_place"),
            inherited: counter("inherited"),
        }
    }
}
