//! Whether chance was fair.

use envoy_test::bounds;

use crate::show::Show;

/// A fair draw fails the check in one of so many runs.
const ONE_RUN_IN: f64 = 1e6;

/// Checks that so many of `n` could be hits if each is one with this chance. `what` they are ends the sentence.
pub fn check(show: &mut Show, hits: u32, n: u32, chance: f64, what: &str) {
    let (low, high) = bounds(n, chance, 1.0 / ONE_RUN_IN);
    let percent = chance * 100.0;
    let claim = format!(
        "{low} to {high} of {n} {what} (binomial: a true {percent} % leaves this range in at most one of {ONE_RUN_IN} runs)"
    );
    show.check((low..=high).contains(&hits), &claim);
}
