//! The numbers of metrics: one for each name as long as the VM lives, whatever configurations come and go. The proxy
//! gives a new one each time that it is asked, and never takes one back.

use std::cell::RefCell;

use hashbrown::HashMap;
use pointsman_host::{Metric, MetricKind};

use crate::abi;

/// More names than this get no number, so that years of renamed rules take no memory without end.
const MOST: usize = 10_000;

/// Tells how often something was not counted, because its name got no number.
const OVERFLOW: &str = "pointsman_metrics_overflow";

#[derive(Default)]
struct Numbers {
    by_name: HashMap<String, u32>,
    overflow: Option<u32>,
}

thread_local! {
    static NUMBERS: RefCell<Numbers> = RefCell::default();
}

/// The number of that metric.
pub fn number(metric: &Metric) -> Option<u32> {
    NUMBERS.with(|numbers| numbers.try_borrow_mut().ok()?.get(metric, abi::define_metric))
}

impl Numbers {
    fn get<E>(&mut self, metric: &Metric, define: impl Fn(MetricKind, &str) -> Result<u32, E>) -> Option<u32> {
        if let Some(number) = self.by_name.get(metric.name()) {
            return Some(*number);
        }
        if self.by_name.len() >= MOST {
            if self.overflow.is_none() {
                self.overflow = define(MetricKind::Counter, OVERFLOW).ok();
            }
            let _ = self.overflow.map(|number| abi::increment_metric(number, 1));
            return None;
        }
        let number = define(metric.kind(), metric.name()).ok()?;
        self.by_name.insert(metric.name().to_owned(), number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_name_is_defined_once_and_there_are_not_too_many() {
        let defined = Cell::new(0);
        let define = |_, _: &str| {
            defined.set(defined.get() + 1);
            Ok::<u32, ()>(defined.get())
        };
        let mut numbers = Numbers::default();
        let metric = |name: &str| Metric::counter(name, &[]);
        assert_eq!(numbers.get(&metric("a"), define), Some(1));
        assert_eq!(numbers.get(&metric("b"), define), Some(2));
        assert_eq!(numbers.get(&metric("a"), define), Some(1));
        for name in 0..MOST {
            numbers.get(&metric(&name.to_string()), define);
        }
        assert_eq!(numbers.get(&metric("one too many"), define), None);
        assert_eq!(numbers.get(&metric("a"), define), Some(1));
        assert_eq!(defined.get() as usize, MOST + 1, "and the metric of the overflow");
    }
}
