//! All rules, by the port that the client connected to and by host: what Envoy's route table is to istiod.

use std::collections::BTreeSet;
use std::rc::Rc;

use pointsman_host::{Node, Proxy};
use pointsman_wire::{Cursor, Resource};

use crate::action::Action;
use crate::clusters::Clusters;
use crate::conditions::{Conditions, Failure, View};
use crate::config::{Headers, HttpMatchRequest, HttpRoute, VirtualService, is_host};
use crate::gateways::Gateway;
use crate::hosts::Hosts;

/// See the module.
pub(crate) struct Table {
    /// Rules name a port seldom, and then few ports.
    ports: Vec<(u32, Hosts<Rules>)>,
    /// For every port that no rule names.
    other_ports: Hosts<Rules>,
}

/// The rules of a host, in the order in which they are tried.
pub(crate) type Rules = Rc<[Rc<Rule>]>;

/// One match entry of one rule: what istiod makes one Envoy route of.
pub(crate) struct Rule {
    /// The name that Istio gives the route: of the rule, then of the match entry.
    pub name: String,
    /// `NAMESPACE/NAME` of the VirtualService.
    pub virtual_service: Rc<str>,
    /// Its rule's place, and its own among the rule's match entries.
    place: (usize, Option<usize>),
    /// 0: any.
    port: u32,
    pub conditions: Conditions,
    pub action: Rc<Action>,
}

impl Rule {
    /// Such as `http[2].match[0]`.
    pub fn place(&self) -> String {
        match self.place {
            (rule, None) => format!("http[{rule}]"),
            (rule, Some(entry)) => format!("http[{rule}].match[{entry}]"),
        }
    }
}

/// A VirtualService whose rules survived what is known before any request.
struct Service {
    hosts: Vec<String>,
    rules: Vec<Rc<Rule>>,
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
                (
                    resource.created.clone(),
                    resource.name.clone(),
                    resource.namespace.clone(),
                )
            };
            resources.sort_by_cached_key(age);
        }
        let mut services = Vec::new();
        for resource in &resources {
            let namespace = resource.namespace.as_deref();
            if !gateway.is_among(&resource.spec.gateways, namespace, "mesh") {
                at.warning_at(
                    resource.path.clone(),
                    format_args!("has no effect: it is not bound to {gateway}"),
                );
                continue;
            }
            services.push(Service::new(resource, gateway, clusters, node, at));
        }
        let ports: BTreeSet<u32> = services
            .iter()
            .flat_map(|service| &service.rules)
            .map(|rule| rule.port)
            .collect();
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
        let of_port = self
            .ports
            .iter()
            .find(|(known, _)| Some(*known) == port)
            .map(|(_, hosts)| hosts);
        of_port.unwrap_or(&self.other_ports).find(authority)
    }
}

/// The first rule whose conditions hold. `passed` hears of each rule before it, and which condition did not.
pub(crate) fn first_match<'a>(
    rules: &'a Rules,
    view: &View<'_>,
    mut passed: impl FnMut(&'a Rule, Failure<'a>),
) -> Option<&'a Rc<Rule>> {
    rules.iter().find(|rule| match rule.conditions.failure(view) {
        None => true,
        Some(failure) => {
            passed(rule, failure);
            false
        }
    })
}

impl Service {
    fn new(
        resource: &Resource<VirtualService>,
        gateway: &Gateway,
        clusters: &Clusters,
        node: &Node,
        at: Cursor<'_>,
    ) -> Self {
        let namespace = resource.namespace.as_deref();
        let label: Rc<str> = match namespace {
            Some(namespace) => format!("{namespace}/{}", resource.name).into(),
            None => resource.name.as_str().into(),
        };
        let mut rules = Vec::new();
        for (index, route) in resource.spec.http.iter().enumerate() {
            let Some(action) = action(route, index, resource, clusters, at) else {
                continue;
            };
            let action = Rc::new(action);
            let mut push = |entry: Option<(usize, &HttpMatchRequest)>| {
                rules.push(Rc::new(Rule {
                    name: route_name(route, entry.map(|(_, entry)| entry)),
                    virtual_service: label.clone(),
                    place: (index, entry.map(|(place, _)| place)),
                    port: entry.map_or(0, |(_, entry)| entry.port),
                    conditions: entry.map(|(_, entry)| Conditions::new(entry)).unwrap_or_default(),
                    action: action.clone(),
                }));
            };
            let entries = route.matches.iter().enumerate();
            if route.matches.is_empty() {
                push(None);
            }
            entries
                .filter(|(_, entry)| is_ours(entry, gateway, namespace, node))
                .for_each(|entry| push(Some(entry)));
        }
        let hosts = resource
            .spec
            .hosts
            .iter()
            .flat_map(|host| clusters.names(host.as_str(), namespace))
            .collect();
        Self { hosts, rules }
    }

    /// The rules that exist at a port, up to the first that catches all: behind it istiod generates none.
    fn at_port(&self, port: u32) -> Vec<Rc<Rule>> {
        let mut rules = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.port == 0 || rule.port == port) {
            rules.push(rule.clone());
            if rule.conditions.are_catch_all() {
                break;
            }
        }
        rules
    }
}

/// What is known of a match entry before any request. As in istiod, an entry that names gateways is not asked for
/// labels and namespace.
fn is_ours(entry: &HttpMatchRequest, gateway: &Gateway, namespace: Option<&str>, node: &Node) -> bool {
    if !entry.gateways.is_empty() {
        return gateway.is_among(&entry.gateways, namespace, "mesh");
    }
    let labels_fit = entry
        .source_labels
        .iter()
        .all(|(name, value)| node.labels.get(name) == Some(value));
    labels_fit && (entry.source_namespace.is_empty() || entry.source_namespace == node.namespace)
}

fn route_name(route: &HttpRoute, entry: Option<&HttpMatchRequest>) -> String {
    match entry {
        Some(entry) if !entry.name.is_empty() => format!("{}.{}", route.name, entry.name),
        _ => route.name.clone(),
    }
}

fn action(
    route: &HttpRoute,
    index: usize,
    resource: &Resource<VirtualService>,
    clusters: &Clusters,
    at: Cursor<'_>,
) -> Option<Action> {
    let mut all = Some(Vec::new());
    for (place, destination) in route.route.iter().enumerate() {
        let rewritten = rewrites_host(&route.headers) || rewrites_host(&destination.headers);
        match clusters.told(&destination.destination, resource.namespace.as_deref(), rewritten) {
            Ok(told) => all.iter_mut().for_each(|all| all.push(told.clone())),
            Err(why) => {
                let path = format!("{}.http[{index}].route[{place}].destination", resource.path);
                all = at.error_at(path, why);
            }
        }
    }
    Some(Action::new(route, all?))
}

fn rewrites_host(headers: &Option<Headers>) -> bool {
    let request = headers.as_ref().and_then(|headers| headers.request.as_ref());
    request.is_some_and(|request| request.set.keys().chain(request.add.keys()).any(|name| is_host(name)))
}

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
        rules.sort_by_key(|rule| rule.conditions.are_catch_all()); // stable
        hosts.insert(host, rules.into());
    }
    hosts
}
