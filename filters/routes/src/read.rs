//! From the configuration to the table.

use std::rc::Rc;

use pointsman_host::{Node, Proxy};
use pointsman_wire::{Cursor, Decode, Resource, resources};

use crate::config::{HostName, HttpRoute, RuleParts, VirtualService};
use crate::rules::Service;
use crate::service_names::ServiceNames;
use crate::table::Table;
use crate::{Gateway, Here, Routes};

/// What all filters are told. What is `None` is wrong, and that was reported.
#[derive(Clone)]
pub struct Policy<P> {
    /// Who we are.
    pub here: Option<Here>,
    /// The rules of the VirtualServices.
    pub rules: Option<Rules<P>>,
}

impl<P> Policy<(P,)> {
    /// For the one filter that there is.
    pub fn of_one(self) -> Policy<P> {
        let parts = |parts: Vec<(P,)>| parts.into_iter().map(|(part,)| part).collect();
        let rules =
            self.rules.map(|Rules { routes, origins, parts: all }| Rules { routes, origins, parts: parts(all) });
        Policy { here: self.here, rules }
    }
}

/// The rules of all VirtualServices.
#[derive(Clone)]
pub struct Rules<P> {
    /// Which one a request meets.
    pub routes: Rc<Routes>,
    /// Where each comes from, by its number.
    pub origins: Rc<[Origin]>,
    /// What a filter has read of each, by its number.
    pub parts: Vec<P>,
}

/// Where a rule comes from.
pub struct Origin {
    /// Where it stands in the configuration, for errors that are found after decoding.
    pub path: String,
    /// Its VirtualService's namespace.
    pub namespace: Option<Rc<str>>,
    /// Such as `shop/catalog http[2]`.
    pub label: String,
    /// The rule's name; many have none.
    pub name: String,
}

/// Reads those sections, if the module has filters for them.
pub fn read<P: RuleParts>(at: Cursor<'_>, node: &Node, is_wanted: bool) -> Policy<P> {
    if !is_wanted {
        let here = Here { gateway: Gateway::default(), node: node.clone() };
        return Policy { rules: Some(Rules::new(Vec::new(), &here, at)), here: Some(here) };
    }
    let gateway = at.field("gateway", Gateway::decode_or_absent);
    let here = gateway.map(|gateway| Here { gateway, node: node.clone() });
    let services = at.field("virtualServices", resources::<VirtualService<P>>);
    let rules = here.as_ref().zip(services).map(|(here, services)| Rules::new(services, here, at));
    Policy { here, rules }
}

/// A VirtualService, its rules' parts taken out: they are by their numbers.
struct Numbered {
    name: String,
    namespace: Option<Rc<str>>,
    created: Option<String>,
    hosts: Vec<HostName>,
    rules: Vec<HttpRoute<usize>>,
    label: Rc<str>,
}

impl<P: RuleParts> Rules<P> {
    fn new(resources: Vec<Resource<VirtualService<P>>>, here: &Here, at: Cursor<'_>) -> Self {
        let (mut origins, mut parts, mut services) = (Vec::new(), Vec::new(), Vec::new());
        let mut any_in_part = false;
        for resource in resources {
            let namespace: Option<Rc<str>> = resource.namespace.as_deref().map(Into::into);
            let label: Rc<str> = match &namespace {
                Some(namespace) => format!("{namespace}/{}", resource.name).into(),
                None => resource.name.as_str().into(),
            };
            let is_ours = here.gateway.is_among(&resource.spec.gateways, namespace.as_deref(), "mesh");
            if !is_ours {
                at.warning_at(resource.path, format_args!("has no effect: it is not bound to {}", here.gateway));
                continue;
            }
            let mut rules = Vec::new();
            for (place, rule) in resource.spec.http.into_iter().enumerate() {
                let HttpRoute { name, matches, parts: part, is_read_in_part } = rule;
                any_in_part |= is_read_in_part;
                rules.push(HttpRoute { name: name.clone(), matches, parts: parts.len(), is_read_in_part });
                parts.push(part);
                origins.push(Origin {
                    path: format!("{}.http[{place}]", resource.path),
                    namespace: namespace.clone(),
                    label: format!("{label} http[{place}]"),
                    name,
                });
            }
            let (name, created, hosts) = (resource.name, resource.created, resource.spec.hosts);
            services.push(Numbered { name, namespace, created, hosts, rules, label });
        }
        if any_in_part {
            let why = "no effect here: what rules say beside `match` and what this module is for; pointsman.wasm runs \
                       them whole";
            at.warning_at("virtualServices".into(), why);
        }
        sort(&mut services);
        let names = ServiceNames::new(&here.node);
        let services: Vec<_> = services.iter().map(|service| service.of_here(here, &names)).collect();
        let alone = here.gateway.is_mesh() || here.node.proxy == Proxy::Sidecar;
        let routes = Routes { table: Table::new(&services, alone) };
        Self { routes: Rc::new(routes), origins: origins.into(), parts }
    }
}

impl Numbered {
    fn of_here(&self, here: &Here, names: &ServiceNames) -> Service {
        let hosts = self.hosts.iter().map(HostName::as_str);
        let rules = self.rules.iter().map(|rule| (rule.parts, rule.name.as_str(), rule.matches.as_slice()));
        Service::new(&self.label, self.namespace.as_deref(), hosts, rules, here, names)
    }
}

/// Istio goes by age, then by name. Resources that were never in a cluster have no age: then their order counts.
fn sort(services: &mut [Numbered]) {
    if services.iter().all(|service| service.created.is_some()) {
        services
            .sort_by_cached_key(|service| (service.created.clone(), service.name.clone(), service.namespace.clone()));
    }
}
