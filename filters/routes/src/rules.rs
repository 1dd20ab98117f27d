//! The rules of a VirtualService, as istiod makes Envoy routes of them.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::Here;
use crate::conditions::Conditions;
use crate::config::HttpMatchRequest;
use crate::matched::Matched;
use crate::service_names::ServiceNames;

/// One match entry of one rule: what istiod makes one Envoy route of.
pub struct Rule {
    name: String,
    virtual_service: Rc<str>,
    /// Its rule's place, and its own among the rule's match entries.
    place: (usize, Option<usize>),
    number: usize,
    /// 0: any.
    pub(crate) port: u32,
    pub(crate) conditions: Conditions,
}

impl Rule {
    /// The name that Istio gives the route: of the rule, then of the match entry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `NAMESPACE/NAME` of the VirtualService.
    pub fn virtual_service(&self) -> &str {
        &self.virtual_service
    }

    /// Such as `shop/catalog http[2].match[0]`.
    pub fn label(&self) -> String {
        match self.place {
            (rule, None) => format!("{} http[{rule}]", self.virtual_service),
            (rule, Some(entry)) => format!("{} http[{rule}].match[{entry}]", self.virtual_service),
        }
    }

    /// Its rule's number among those of all VirtualServices: the place of what filters keep for it.
    pub fn number(&self) -> usize {
        self.number
    }

    /// What of a path that matches is matched: what a rewrite replaces.
    pub fn matched(&self) -> Matched {
        self.conditions.matched()
    }
}

/// A VirtualService whose rules survived what is known before any request.
pub(crate) struct Service {
    pub hosts: Vec<String>,
    pub rules: Vec<Rc<Rule>>,
    /// Those that some of its rules are for alone.
    pub ports: BTreeSet<u32>,
}

/// A rule as it was read: number, name, match entries.
pub(crate) type Written<'a> = (usize, &'a str, &'a [HttpMatchRequest]);

impl Service {
    pub fn new<'a>(
        label: &Rc<str>,
        namespace: Option<&str>,
        hosts: impl Iterator<Item = &'a str>,
        written: impl Iterator<Item = Written<'a>>,
        here: &Here,
        names: &ServiceNames,
    ) -> Self {
        let mut rules = Vec::new();
        for (place, (number, name, matches)) in written.enumerate() {
            let mut push = |entry: Option<(usize, &HttpMatchRequest)>| {
                rules.push(Rc::new(Rule {
                    name: route_name(name, entry.map(|(_, entry)| entry)),
                    virtual_service: label.clone(),
                    place: (place, entry.map(|(place, _)| place)),
                    number,
                    port: entry.map_or(0, |(_, entry)| entry.port),
                    conditions: entry.map(|(_, entry)| Conditions::new(entry)).unwrap_or_default(),
                }));
            };
            if matches.is_empty() {
                push(None);
            }
            let entries = matches.iter().enumerate();
            entries.filter(|(_, entry)| here.is_for_us(entry, namespace)).for_each(|entry| push(Some(entry)));
        }
        let hosts = hosts.flat_map(|host| names.of(host, namespace)).collect();
        let ports = rules.iter().map(|rule| rule.port).filter(|port| *port != 0).collect();
        Self { hosts, rules, ports }
    }

    /// The rules that exist at a port, up to the first that catches all: behind it istiod generates none.
    pub fn at_port(&self, port: u32) -> impl Iterator<Item = &Rc<Rule>> {
        let mut is_over = false;
        let there = self.rules.iter().filter(move |rule| rule.port == 0 || rule.port == port);
        there.take_while(move |rule| !std::mem::replace(&mut is_over, rule.conditions.are_catch_all()))
    }
}

fn route_name(rule: &str, entry: Option<&HttpMatchRequest>) -> String {
    match entry {
        Some(entry) if !entry.name.is_empty() => format!("{rule}.{}", entry.name),
        _ => rule.to_owned(),
    }
}
