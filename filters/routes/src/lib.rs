//! Istio's VirtualServices as a table: which rule a request meets.
//!
//! What a rule does is not known here: each filter reads its own fields of it and keeps them by the rule's number. So
//! a request is held against the rules once, whatever number of filters asks.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

mod claims;
mod conditions;
pub mod config;
mod entries;
mod gateways;
mod here;
mod hosts;
mod index;
mod matched;
pub mod names;
mod read;
mod rules;
mod service_names;
mod table;
#[cfg(test)]
mod tests;

pub use claims::is_text;
pub use conditions::{Conditions, Failure, Part, View, compile};
pub use entries::Entries;
pub use gateways::Gateway;
pub use here::Here;
pub use matched::Matched;
pub use read::{Origin, Policy, Rules, read};
pub use rules::Rule;
pub use service_names::ServiceNames;
pub use table::RulesOfHost;

use std::rc::Rc;

use pointsman_host::Host;
use pointsman_http::HeaderMap;

use table::Table;

/// All rules of all VirtualServices.
pub struct Routes {
    table: Table,
}

/// What a request meets.
#[derive(Clone)]
pub enum Met {
    /// No VirtualService is for its host.
    Nothing,
    /// Of its host's rules none is for it.
    NoRule(Rc<RulesOfHost>),
    /// This one.
    Rule(Rc<Rule>),
}

impl Routes {
    /// What a request meets.
    pub fn meet(&self, headers: &HeaderMap, host: &dyn Host) -> Met {
        let Some(rules) = self.rules(headers, host) else { return Met::Nothing };
        rules
            .first(&View::new(headers, host))
            .map_or_else(|| Met::NoRule(rules.clone()), |rule| Met::Rule(rule.clone()))
    }

    /// The rules that a request passes until it meets one, and for each the first condition that fails.
    pub fn passed<'a>(&'a self, headers: &HeaderMap, host: &dyn Host) -> Vec<(&'a Rule, Failure<'a>)> {
        let view = View::new(headers, host);
        let rules = self.rules(headers, host).map(|rules| rules.list.as_slice()).unwrap_or_default();
        rules.iter().map_while(|rule| Some((rule.as_ref(), rule.conditions.failure(&view)?))).collect()
    }

    fn rules(&self, headers: &HeaderMap, host: &dyn Host) -> Option<&Rc<RulesOfHost>> {
        let port = if self.table.knows_ports() { conditions::port(host) } else { None };
        self.table.rules(port, headers.authority())
    }
}
