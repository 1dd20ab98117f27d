//! All rules, by the port that the client connected to and by host: what Envoy's route table is to istiod.

use std::collections::BTreeSet;
use std::rc::Rc;

use pointsman_host::{Node, Proxy};
use pointsman_wire::{Cursor, Resource};

use crate::clusters::Clusters;
use crate::config::VirtualService;
use crate::gateways::Gateway;
use crate::hosts::Hosts;
use crate::rules::{Rule, Service};

/// See the module.
pub(crate) struct Table {
    /// Rules name a port seldom, and then few ports.
    ports: Vec<(u32, Hosts<Rules>)>,
    /// For every port that no rule names.
    other_ports: Hosts<Rules>,
}

/// The rules of a host.
pub(crate) struct Rules {
    /// In the order in which they are tried.
    pub list: Vec<Rc<Rule>>,
    /// The VirtualServices that they come from; a gateway merges several.
    pub virtual_services: String,
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
        let ports: BTreeSet<u32> = services.iter().flat_map(|service| &service.rules).map(|rule| rule.port).collect();
        let alone = gateway.is_mesh() || node.proxy == Proxy::Sidecar;
        Self {
            ports: ports
                .iter()
                .filter(|port| **port != 0)
                .map(|port| (*port, by_host(&services, *port, alone)))
                .collect(),
            other_ports: by_host(&services, 0, alone),
        }
    }

    /// Whether the port that the client connected to makes a difference.
    pub fn knows_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    /// The rules for a host at a port.
    pub fn rules(&self, port: Option<u32>, authority: &[u8]) -> Option<&Rules> {
        let of_port = self.ports.iter().find(|(known, _)| Some(*known) == port).map(|(_, hosts)| hosts);
        of_port.unwrap_or(&self.other_ports).find(authority)
    }
}

/// How many VirtualServices the details of an answer name: a log line has an end.
const MOST_NAMES: usize = 4;

/// Who has which host. A gateway merges the rules of several VirtualServices for one host and moves those that catch
/// all to the end; a sidecar takes the first alone. One without rules does not exist.
fn by_host(services: &[Service], port: u32, alone: bool) -> Hosts<Rules> {
    let mut order: Vec<(&str, Vec<Rc<Rule>>)> = Vec::new();
    let mut places = std::collections::HashMap::<&str, usize>::new();
    let existing = services.iter().map(|service| (service, service.at_port(port)));
    for (service, rules) in existing.filter(|(_, rules)| !rules.is_empty()) {
        for host in &service.hosts {
            match places.get(host.as_str()).and_then(|place| order.get_mut(*place)) {
                None => {
                    places.insert(host, order.len());
                    order.push((host, rules.clone()));
                }
                Some(_) if alone => {}
                Some((_, all)) => all.extend(rules.iter().cloned()),
            }
        }
    }
    let mut hosts = Hosts::default();
    for (host, mut rules) in order {
        let mut names: Vec<&str> = rules.iter().map(|rule| rule.virtual_service.as_ref()).collect();
        names.dedup();
        names.truncate(MOST_NAMES);
        let virtual_services = names.join(",");
        rules.sort_by_key(|rule| rule.conditions.are_catch_all()); // stable
        hosts.insert(host, Rules { list: rules, virtual_services });
    }
    hosts
}
