//! The explain header: which VirtualService, rule and destination decided, and why the rules before it did not.

use std::rc::Rc;

use crate::action::Target;
use crate::conditions::Failure;
use crate::table::Rule;

/// A header may hold 60 KiB; nobody reads as much.
const LONGEST: usize = 4096;

/// The request passes untouched.
pub(crate) fn no_virtual_service() -> Vec<u8> {
    b"no VirtualService for this host: passed on untouched".to_vec()
}

/// What was decided, then each rule that was passed over with the first condition of it that failed.
pub(crate) fn decision(
    rule: Option<&Rc<Rule>>,
    target: Option<&Rc<Target>>,
    passed: &[(&Rule, Failure<'_>)],
) -> Vec<u8> {
    let mut text = match (rule, target) {
        (Some(rule), Some(target)) => {
            let name = if rule.name.is_empty() {
                String::new()
            } else {
                format!(" ({})", rule.name)
            };
            format!("{} {}{name} -> {}", rule.virtual_service, rule.place(), target.label)
        }
        _ => "404: no rule matched".into(),
    };
    for (index, (rule, failure)) in passed.iter().enumerate() {
        if text.len() > LONGEST {
            text.push_str(&format!("; and {} more", passed.len().saturating_sub(index)));
            break;
        }
        text.push_str(&format!("; not {} {}: {failure}", rule.virtual_service, rule.place()));
    }
    // Names come from the configuration and may be any text; a header's value may not.
    text.replace(|c: char| c.is_control(), "?").into_bytes()
}
