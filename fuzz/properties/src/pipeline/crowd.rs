//! Many requests at once, on two workers, while the clock stands still: no limit lets more pass than it has.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman_host::FakeHost;

use super::Case;
use super::exchange::{Decided, check_nothing_is_left};
use super::limits::KEY;
use crate::Filters;
use crate::choices::Choices;
use crate::envoy;

impl Case<'_> {
    /// Runs them, and lets none end before the last has come.
    pub fn is_within_limits(&self, choices: &mut Choices<'_>) {
        if self.policy.limits.claims.is_empty() {
            return;
        }
        let host = self.exchange.host();
        let mut workers: Vec<(Rc<Filters>, FakeHost)> = Vec::new();
        for vm in 1..3 {
            workers.push((self.policy.filters(), FakeHost { vm, ..host.clone() }));
        }
        let mut passed: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        let mut sent = passed.clone();
        let mut under_way = Vec::new();
        for place in 0..6 + choices.below(8) {
            let mut lines = self.exchange.request.clone();
            envoy::remove(&mut lines, KEY.as_bytes());
            // By turns, when all choices have been made.
            let key = [Some("a"), Some("b"), None][(place + choices.below(3)) % 3];
            lines.extend(key.map(|key| (KEY.into(), key.into())));
            let worker = (place / 3 + choices.below(2)) % 2;
            let (filters, host) = &mut workers[worker];
            let live = self.exchange.begin(filters, &lines, host);
            *sent.entry(key).or_default() += 1;
            *passed.entry(key).or_default() += usize::from(!is_refused(&live.decided));
            under_way.push((worker, live));
        }
        for claim in &self.policy.limits.claims {
            let of = |counts: &BTreeMap<Option<&str>, usize>, key| counts.get(&key).copied().unwrap_or_default();
            let keys = [Some("a"), Some("b")];
            let pairs: Vec<(usize, usize)> = match claim.is_keyed {
                true => keys.iter().map(|key| (of(&passed, *key), of(&sent, *key))).collect(),
                false => vec![(passed.values().sum(), sent.values().sum())],
            };
            for (passed, sent) in pairs {
                assert!(passed <= claim.most, "{passed} of {sent} passed: {claim:?} {self}");
                let is_exact = self.policy.limits.is_exact;
                assert!(!is_exact || passed == claim.most.min(sent), "{passed} of {sent} passed: {claim:?} {self}");
            }
        }
        for (worker, live) in under_way {
            let (filters, host) = &mut workers[worker];
            self.can_be_sent(&self.exchange.finish(filters, live, host));
        }
        check_nothing_is_left(&workers[0].1);
    }
}

/// By a limit, or for want of a service's answer.
fn is_refused(decided: &Decided) -> bool {
    matches!(decided, Decided::Answered(reply) if reply.details.starts_with("pointsman_rate_limit"))
}
