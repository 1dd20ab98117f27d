//! Metrics, as the proxy keeps them: one value for all workers.

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;

/// What a metric counts; the ABI's metric types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetricKind {
    /// It only grows.
    Counter = 0,
    /// It goes up and down.
    Gauge = 1,
    /// The spread of values.
    Histogram = 2,
}

/// A metric. The proxy knows it by a number, which is asked for at its first use and then kept here.
#[derive(Debug)]
pub struct Metric {
    kind: MetricKind,
    name: Rc<str>,
    number: Cell<Option<u32>>,
}

impl Metric {
    /// A metric of that name, with labels. The proxy has names alone, so labels stand in the name, in the form that
    /// Istio's proxies have: `key=.=value;.;name`. Envoy's `stats_tags` take them out again.
    pub fn new(kind: MetricKind, name: &str, labels: &[(&str, &str)]) -> Self {
        let mut full = String::new();
        for (key, value) in labels {
            // What ends a value must not stand in it. It cannot fail: a String takes everything.
            let _ = write!(full, "{key}=.={};.;", value.replace(";.;", ";_;"));
        }
        full.push_str(name);
        Self { kind, name: full.into(), number: Cell::new(None) }
    }

    /// A metric that only grows.
    pub fn counter(name: &str, labels: &[(&str, &str)]) -> Self {
        Self::new(MetricKind::Counter, name, labels)
    }

    /// A metric that goes up and down.
    pub fn gauge(name: &str, labels: &[(&str, &str)]) -> Self {
        Self::new(MetricKind::Gauge, name, labels)
    }

    /// What it counts.
    pub fn kind(&self) -> MetricKind {
        self.kind
    }

    /// Its name, with the labels.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number at the proxy, which `define` asks for when it is not known yet.
    pub fn number(&self, define: impl FnOnce(&Self) -> Option<u32>) -> Option<u32> {
        if self.number.get().is_none() {
            self.number.set(define(self));
        }
        self.number.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn labels_stand_in_the_name() {
        let metric = Metric::counter("pointsman_x", &[("rule", "a"), ("kind", "b;.;c")]);
        assert_eq!(metric.name(), "rule=.=a;.;kind=.=b;_;c;.;pointsman_x");
        assert_eq!(Metric::gauge("pointsman_y", &[]).name(), "pointsman_y");
    }

    #[test]
    fn a_number_is_asked_for_once() {
        let metric = Metric::counter("x", &[]);
        assert_eq!(metric.number(|_| None), None);
        assert_eq!(metric.number(|_| Some(7)), Some(7));
        assert_eq!(metric.number(|_| panic!("it is known")), Some(7));
    }
}
