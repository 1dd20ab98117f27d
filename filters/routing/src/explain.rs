//! The explain header: which VirtualService, rule and destination decided, and why the rules before it did not.

use pointsman_routes::{Failure, Rule};

use crate::Decided;
use crate::action::Action;

/// A header may hold 60 KiB; nobody reads as much.
const LONGEST: usize = 4096;

/// What was decided, then each rule that was passed over with the first condition of it that failed.
pub(crate) fn text(has_virtual_service: bool, decided: Option<&Decided>, passed: &[(&Rule, Failure<'_>)]) -> Vec<u8> {
    let mut text = match decided {
        Some(decided) => decision(decided),
        None if !has_virtual_service => "no VirtualService for this host: passed on untouched".into(),
        None => "404: no rule matched".into(),
    };
    for (index, (rule, failure)) in passed.iter().enumerate() {
        if text.len() > LONGEST {
            text.push_str(&format!("; and {} more", passed.len().saturating_sub(index)));
            break;
        }
        text.push_str(&format!("; not {}: {failure}", rule.label()));
    }
    // Names come from the configuration and may be any text; a header's value may not.
    text.replace(|c: char| c.is_control(), "?").into_bytes()
}

fn decision(decided: &Decided) -> String {
    let rule = &decided.rule;
    let name = if rule.name().is_empty() { String::new() } else { format!(" ({})", rule.name()) };
    let outcome = match (&decided.target, decided.action.as_ref()) {
        (Some(target), _) => target.label.clone(),
        (None, Action::Answer(answer)) => answer.label(),
        (None, Action::Route(_)) => "answered: a preflight of CORS".into(),
    };
    format!("{}{name} -> {outcome}", rule.label())
}
