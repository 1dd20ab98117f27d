//! What is wrong with a configuration, and what in it has no effect.

use std::fmt;

/// No more errors, and no more warnings, than this many are kept: a configuration that is garbage from end to end must
/// not fill Envoy's log.
const MOST: usize = 100;

/// One finding: where, and what, with the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Such as `virtualServices[0].http[2].route[1].weight`; empty for the configuration as a whole.
    pub path: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All findings of one configuration, in its order.
#[derive(Debug, Default)]
pub struct Report {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    dropped_errors: usize,
    dropped_warnings: usize,
}

impl Report {
    /// What makes the configuration unusable.
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }

    /// What in it has no effect.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// How many further findings there were, beyond those that are kept.
    pub fn dropped(&self) -> usize {
        self.dropped_errors.saturating_add(self.dropped_warnings)
    }

    /// How many errors there were in all.
    pub(crate) fn error_count(&self) -> usize {
        self.errors.len().saturating_add(self.dropped_errors)
    }

    pub(crate) fn error(&mut self, path: String, message: String) {
        Self::push(&mut self.errors, &mut self.dropped_errors, Problem { path, message });
    }

    pub(crate) fn warning(&mut self, path: String, message: String) {
        Self::push(&mut self.warnings, &mut self.dropped_warnings, Problem { path, message });
    }

    fn push(list: &mut Vec<Problem>, dropped: &mut usize, problem: Problem) {
        if list.len() < MOST {
            list.push(problem);
        } else {
            *dropped = dropped.saturating_add(1);
        }
    }
}
