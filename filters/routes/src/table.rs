//! All rules, by the port that the client connected to and by host: what Envoy's route table is to istiod.

use std::collections::BTreeSet;
use std::rc::Rc;

use hashbrown::HashMap;

use crate::conditions::View;
use crate::hosts::Hosts;
use crate::index::Index;
use crate::rules::{Rule, Service};

/// See the module.
pub(crate) struct Table {
    /// Rules name a port seldom, and then few ports.
    ports: Vec<(u32, Hosts<Rc<RulesOfHost>>)>,
    /// For every port that no rule names.
    other_ports: Hosts<Rc<RulesOfHost>>,
}

/// The rules of a host.
pub struct RulesOfHost {
    /// In the order in which they are tried.
    pub(crate) list: Vec<Rc<Rule>>,
    virtual_services: String,
    pub(crate) index: Index,
}

impl RulesOfHost {
    fn new(list: Vec<Rc<Rule>>) -> Self {
        let mut names: Vec<&str> = list.iter().map(|rule| rule.virtual_service()).collect();
        names.dedup();
        names.truncate(MOST_NAMES);
        let virtual_services = names.join(",");
        // Both keep their order.
        let (catch_alls, mut list): (Vec<_>, Vec<_>) =
            list.into_iter().partition(|rule| rule.conditions.are_catch_all());
        list.extend(catch_alls);
        let conditions: Vec<_> = list.iter().map(|rule| &rule.conditions).collect();
        Self { virtual_services, index: Index::new(&conditions), list }
    }

    /// The VirtualServices that they come from, a few of them; a gateway merges several.
    pub fn virtual_services(&self) -> &str {
        &self.virtual_services
    }

    /// The first rule whose conditions hold.
    pub(crate) fn first(&self, view: &View<'_>) -> Option<&Rc<Rule>> {
        let rule = |number: u32| self.list.get(usize::try_from(number).ok()?);
        let holds = |number| rule(number).is_some_and(|rule| rule.conditions.failure(view).is_none());
        self.index.first(view, holds).and_then(rule)
    }
}

impl Table {
    /// Builds the table of those VirtualServices, in the order in which they count. `alone`: of several for one host the
    /// first has it alone.
    pub fn new(services: &[Service], alone: bool) -> Self {
        let ports: BTreeSet<u32> = services.iter().flat_map(|service| &service.ports).copied().collect();
        let mut merge = Merge { services, alone, known: HashMap::new() };
        let other_ports = merge.by_host(0);
        Self { ports: ports.into_iter().map(|port| (port, merge.by_host(port))).collect(), other_ports }
    }

    /// Whether the port that the client connected to makes a difference.
    pub fn knows_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    /// The rules for a host at a port.
    pub fn rules(&self, port: Option<u32>, authority: &[u8]) -> Option<&Rc<RulesOfHost>> {
        let of_port = self.ports.iter().find(|(known, _)| Some(*known) == port).map(|(_, hosts)| hosts);
        of_port.unwrap_or(&self.other_ports).find(authority)
    }
}

/// How many VirtualServices the details of an answer name: a log line has an end.
const MOST_NAMES: usize = 4;

/// Who has which host. A gateway merges the rules of several VirtualServices for one host and moves those that catch
/// all to the end; a sidecar takes the first alone. One without rules does not exist.
struct Merge<'a> {
    services: &'a [Service],
    alone: bool,
    /// Hosts with the same rules share them, over all ports.
    known: HashMap<Vec<Source>, Rc<RulesOfHost>>,
}

/// A VirtualService's place among all, and the port at which its rules are taken: 0, if it names that one nowhere.
type Source = (usize, u32);

impl Merge<'_> {
    fn by_host(&mut self, port: u32) -> Hosts<Rc<RulesOfHost>> {
        let mut order: Vec<(&str, Vec<Source>)> = Vec::new();
        let mut places = HashMap::<&str, usize>::new();
        for (index, service) in self.services.iter().enumerate() {
            let source = (index, if service.ports.contains(&port) { port } else { 0 });
            if service.at_port(source.1).next().is_none() {
                continue;
            }
            for host in &service.hosts {
                match places.get(host.as_str()).and_then(|place| order.get_mut(*place)) {
                    None => {
                        places.insert(host, order.len());
                        order.push((host, vec![source]));
                    }
                    Some(_) if self.alone => {}
                    Some((_, sources)) => sources.push(source),
                }
            }
        }
        Hosts::new(order.into_iter().map(|(host, sources)| (host, self.rules(sources))))
    }

    fn rules(&mut self, sources: Vec<Source>) -> Rc<RulesOfHost> {
        if let Some(known) = self.known.get(&sources) {
            return known.clone();
        }
        let services = sources.iter().filter_map(|(index, port)| Some(self.services.get(*index)?.at_port(*port)));
        let rules = Rc::new(RulesOfHost::new(services.flatten().cloned().collect()));
        self.known.insert(sources, rules.clone());
        rules
    }
}
