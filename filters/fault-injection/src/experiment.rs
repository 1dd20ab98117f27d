//! One fault, of a VirtualService's rule or of `faults`: what is done, to whom, and how often it was.

use std::rc::Rc;
use std::time::Duration;

use pointsman_host::{Host, Metric};
use pointsman_http::HeaderMap;

use crate::config::{Fault, HttpFaultInjection, KibPerSecond, Status};
use crate::draw::draw;
use crate::limits::Cap;
use crate::request_headers::Requested;
use crate::scope::Scope;

/// See the module.
pub struct Experiment {
    /// Such as `shop/catalog http[2]`, or its name.
    pub label: Rc<str>,
    pub scope: Scope,
    pub fault: HttpFaultInjection,
    pub metrics: Metrics,
}

/// How often it was done, by its label.
pub struct Metrics {
    pub delays: Counted,
    pub aborts: Counted,
    pub throughputs: Counted,
    /// Requests that have a fault of it now.
    pub active: Metric,
    overflows: [Metric; 3],
}

/// One kind of fault.
pub struct Counted {
    pub done: Metric,
    /// What would have been done.
    pub shadow: Metric,
}

impl Experiment {
    pub fn new(label: &str, fault: HttpFaultInjection, scope: Scope) -> Rc<Self> {
        Rc::new(Self { label: label.into(), scope, fault, metrics: Metrics::new(label) })
    }

    /// For how long this request is to wait.
    pub fn draw_delay(&self, headers: &HeaderMap, host: &mut dyn Host) -> Option<Duration> {
        drawn(self.fault.delay.as_ref()?, headers, host)
    }

    /// With what it is to fail.
    pub fn draw_abort(&self, headers: &HeaderMap, host: &mut dyn Host) -> Option<Status> {
        drawn(self.fault.abort.as_ref()?, headers, host)
    }

    /// How slow its response is to be.
    pub fn draw_throughput(&self, headers: &HeaderMap, host: &mut dyn Host) -> Option<KibPerSecond> {
        drawn(self.fault.throughput.as_ref()?, headers, host)
    }
}

fn drawn<T: Requested>(fault: &Fault<T>, headers: &HeaderMap, host: &mut dyn Host) -> Option<T> {
    fault.measure(headers).filter(|_| draw(fault.percentage(headers), host))
}

impl Metrics {
    /// In the words of Envoy's fault filter.
    fn new(label: &str) -> Self {
        let rule = ("rule", label);
        let counted = |name: &str| Counted {
            done: Metric::counter(&format!("pointsman_fault_{name}"), &[rule]),
            shadow: Metric::counter(&format!("pointsman_fault_shadow_{name}"), &[rule]),
        };
        Self {
            delays: counted("delays_injected"),
            aborts: counted("aborts_injected"),
            throughputs: counted("response_rl_injected"),
            active: Metric::gauge("pointsman_fault_active_faults", &[rule]),
            overflows: Cap::ALL
                .map(|(_, cap)| Metric::counter("pointsman_fault_faults_overflow", &[rule, ("cap", cap)])),
        }
    }

    /// Counts a fault that a cap did not let be.
    pub fn overflow(&self, cap: Cap, host: &mut dyn Host) {
        let counter = Cap::ALL.iter().zip(&self.overflows).find(|((known, _), _)| *known == cap);
        counter.iter().for_each(|(_, counter)| host.add(counter, 1));
    }
}
