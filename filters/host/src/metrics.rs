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
            // It cannot fail: a String takes everything.
            let _ = write!(full, "{key}=.={};.;", label(value));
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

/// The longest value of a label, in bytes: who defines a metric waits until Envoy has searched its name for labels.
const LONGEST_LABEL: usize = 128;

/// A label's value so that it comes out of Envoy as it went in. What ends a value must not stand in it; a control character
/// would end up in the metric's name; of dots at its end Envoy leaves nothing, and of nothing no label.
fn label(value: &str) -> String {
    let end = (0..=LONGEST_LABEL).rev().find(|end| value.is_char_boundary(*end)).unwrap_or_default();
    let value = value.get(..end.min(value.len())).unwrap_or(value).replace(";.;", ";_;");
    let value = value.replace(|character: char| character.is_control(), "_");
    let kept = value.trim_end_matches('.');
    let dots = value.len().saturating_sub(kept.len());
    if value.is_empty() { "unknown".into() } else { format!("{kept}{}", "_".repeat(dots)) }
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
    fn values_of_labels() {
        let long = "é".repeat(100);
        for (value, expected) in [
            ("a.b=.=c d/é\"\\", "a.b=.=c d/é\"\\"),
            ("", "unknown"),
            ("a.", "a_"),
            ("..", "__"),
            (".a", ".a"),
            ("a\nb\u{85}\0", "a_b__"),
            (";.;;.;", ";_;;_;"),
            (long.as_str(), &long[..128]),
            (&("a".to_owned() + &long), &("a".to_owned() + &long)[..127]),
        ] {
            assert_eq!(label(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_number_is_asked_for_once() {
        let metric = Metric::counter("x", &[]);
        assert_eq!(metric.number(|_| None), None);
        assert_eq!(metric.number(|_| Some(7)), Some(7));
        assert_eq!(metric.number(|_| panic!("it is known")), Some(7));
    }
}
