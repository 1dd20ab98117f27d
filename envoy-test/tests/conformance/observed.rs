//! What was seen of a case's requests.

use std::time::Duration;

use envoy_test::{Answer, Echo};

use crate::case::Destination;
use crate::lab::Hits;

/// The header by which the module says which rule decided.
pub const EXPLAIN: &str = "x-conformance-explain";

/// One request, and what became of it.
pub struct Seen {
    pub answer: Answer,
    /// What an upstream saw of it.
    pub echo: Option<Echo>,
    pub time: Duration,
}

impl Seen {
    pub fn new(answer: Answer, time: Duration) -> Self {
        Self { echo: serde_json::from_slice(&answer.body).ok(), answer, time }
    }
}

/// All requests of a step, or of all steps of a sequence.
#[derive(Default)]
pub struct Observed {
    pub seen: Vec<Seen>,
    /// How often each upstream was asked because of them.
    pub hits: Hits,
    /// All that there are.
    pub destinations: Vec<Destination>,
    /// How many requests the case asks for. There may have been more.
    pub asked: u32,
    pub is_sequence: bool,
}

impl Observed {
    /// All steps as one.
    pub fn sequence(steps: Vec<Self>) -> Self {
        let mut all = Self { is_sequence: true, ..Self::default() };
        for step in steps {
            all.seen.extend(step.seen);
            step.hits.into_iter().for_each(|(name, hits)| *all.hits.entry(name).or_default() += hits);
            all.destinations = step.destinations;
            all.asked += step.asked;
        }
        all
    }
}
