//! All rules, by the port that the client connected to and by host: what Envoy's route table is to istiod.

use std::collections::BTreeSet;
use std::rc::Rc;

use hashbrown::HashMap;
use pointsman_host::{Node, Proxy};
use pointsman_wire::{Cursor, Resource};

use crate::clusters::Clusters;
use crate::conditions::View;
use crate::config::VirtualService;
use crate::gateways::Gateway;
use crate::hosts::Hosts;
use crate::index::Index;
use crate::rules::{Rule, Service};

/// See the module.
pub(crate) struct Table {
    /// Rules name a port seldom, and then few ports.
    ports: Vec<(u32, Hosts<Rc<Rules>>)>,
    /// For every port that no rule names.
    other_ports: Hosts<Rc<Rules>>,
}

/// The rules of a host.
pub(crate) struct Rules {
    /// In the order in which they are tried.
    pub list: Vec<Rc<Rule>>,
    /// The VirtualServices that they come from; a gateway merges several.
    pub virtual_services: String,
    pub index: Index,
}

impl Rules {
    fn new(list: Vec<Rc<Rule>>) -> Self {
        let mut names: Vec<&str> = list.iter().map(|rule| rule.virtual_service.as_ref()).collect();
        names.dedup();
        names.truncate(MOST_NAMES);
        let virtual_services = names.join(",");
        // Both keep their order.
        let (catch_alls, mut list): (Vec<_>, Vec<_>) =
            list.into_iter().partition(|rule| rule.conditions.are_catch_all());
        list.extend(catch_alls);
        Self { virtual_services, index: Index::new(&list), list }
    }

    /// The first rule whose conditions hold.
    pub fn first(&self, view: &View<'_>) -> Option<&Rc<Rule>> {
        let rule = |number: u32| self.list.get(usize::try_from(number).ok()?);
        let holds = |number| rule(number).is_some_and(|rule| rule.conditions.failure(view).is_none());
        self.index.first(view, holds).and_then(rule)
    }
}

impl Table {
    /// Builds the table. What is wrong is reported at `at`.
    pub fn new(
        mut resources: Vec<Resource<VirtualService>>,
        gateway: &Gateway,
        clusters: &Clusters,
        node: &Node,
        at: Cursor<'_>,
    ) -> Self {
        // Istio goes by age, then by name. Resources that were never in a cluster have no age: then their order counts.
        if resources.iter().all(|resource| resource.created.is_some()) {
            let age = |resource: &Resource<VirtualService>| {
                (resource.created.clone(), resource.name.clone(), resource.namespace.clone())
            };
            resources.sort_by_cached_key(age);
        }
        let mut services = Vec::new();
        for resource in &resources {
            let namespace = resource.namespace.as_deref();
            if !gateway.is_among(&resource.spec.gateways, namespace, "mesh") {
                at.warning_at(resource.path.clone(), format_args!("has no effect: it is not bound to {gateway}"));
                continue;
            }
            services.push(Service::new(resource, gateway, clusters, node, at));
        }
        let ports: BTreeSet<u32> = services.iter().flat_map(|service| &service.ports).copied().collect();
        let alone = gateway.is_mesh() || node.proxy == Proxy::Sidecar;
        let mut merge = Merge { services: &services, alone, known: HashMap::new() };
        let other_ports = merge.by_host(0);
        Self { ports: ports.into_iter().map(|port| (port, merge.by_host(port))).collect(), other_ports }
    }

    /// Whether the port that the client connected to makes a difference.
    pub fn knows_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    /// The rules for a host at a port.
    pub fn rules(&self, port: Option<u32>, authority: &[u8]) -> Option<&Rules> {
        let of_port = self.ports.iter().find(|(known, _)| Some(*known) == port).map(|(_, hosts)| hosts);
        of_port.unwrap_or(&self.other_ports).find(authority).map(Rc::as_ref)
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
    known: HashMap<Vec<Source>, Rc<Rules>>,
}

/// A VirtualService's place among all, and the port at which its rules are taken: 0, if it names that one nowhere.
type Source = (usize, u32);

impl Merge<'_> {
    fn by_host(&mut self, port: u32) -> Hosts<Rc<Rules>> {
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

    fn rules(&mut self, sources: Vec<Source>) -> Rc<Rules> {
        if let Some(known) = self.known.get(&sources) {
            return known.clone();
        }
        let services = sources.iter().filter_map(|(index, port)| Some(self.services.get(*index)?.at_port(*port)));
        let rules = Rc::new(Rules::new(services.flatten().cloned().collect()));
        self.known.insert(sources, rules.clone());
        rules
    }
}
