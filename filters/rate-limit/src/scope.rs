//! Which limits are for a request.

use std::rc::Rc;

use pointsman_filter::Request;
use pointsman_host::Host;
use pointsman_routes::{Entries, Here, Met, Origin, Routes};
use pointsman_wire::Cursor;

use crate::config::RateLimit;

/// See the module. Limits are known by their places in the list.
pub struct Scope {
    /// Those of every request.
    always: Vec<usize>,
    /// Those with match entries, and the entries by their places here.
    matched: Vec<usize>,
    entries: Entries,
    /// Those of a rule, by its number; empty, if there are none.
    by_rule: Vec<Vec<usize>>,
    routes: Rc<Routes>,
}

impl Scope {
    /// `None`: a limit names a rule that is not there, and that was reported.
    pub fn new(
        limits: &[RateLimit],
        here: &Here,
        routes: Rc<Routes>,
        origins: &[Origin],
        at: Cursor<'_>,
    ) -> Option<Self> {
        let before = at.errors();
        let (mut always, mut matched) = (Vec::new(), Vec::new());
        let mut by_rule = vec![Vec::new(); origins.len()];
        for (place, limit) in limits.iter().enumerate() {
            match &limit.route {
                Some(name) => {
                    let mut rules =
                        by_rule.iter_mut().zip(origins).filter(|(_, origin)| origin.name == *name).peekable();
                    if rules.peek().is_none() {
                        let why = format!("no rule of virtualServices that is in force here has the name `{name}`");
                        at.element(place, |at| at.field("route", |at| at.error::<()>(why)));
                    }
                    rules.for_each(|(limits, _)| limits.push(place));
                }
                None if limit.matches.is_empty() => always.push(place),
                None => matched.push(place),
            }
        }
        if by_rule.iter().all(Vec::is_empty) {
            by_rule.clear();
        }
        let entries = matched.iter().filter_map(|place| limits.get(*place)).map(|limit| limit.matches.as_slice());
        let entries = Entries::new(entries, here);
        (at.errors() == before).then_some(Self { always, matched, entries, by_rule, routes })
    }

    /// Whether it depends on a request's headers.
    pub fn needs_headers(&self) -> bool {
        !self.matched.is_empty() || !self.by_rule.is_empty()
    }

    /// Those that are for the request, in order.
    pub fn of(&self, request: &mut Request, host: &dyn Host) -> Vec<usize> {
        let mut limits = self.always.clone();
        if !self.needs_headers() {
            return limits;
        }
        let matched = self.entries.all(request.headers(), host);
        limits.extend(matched.into_iter().filter_map(|entry| self.matched.get(entry)));
        if !self.by_rule.is_empty()
            && let Met::Rule(rule) = request.meet(&self.routes, host)
        {
            limits.extend(self.by_rule.get(rule.number()).into_iter().flatten());
        }
        limits.sort_unstable();
        limits
    }
}
