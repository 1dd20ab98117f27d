//! The rules of a VirtualService, as istiod makes Envoy routes of them.

use std::collections::BTreeSet;
use std::rc::Rc;

use pointsman_host::Node;
use pointsman_wire::{Cursor, Resource};

use crate::action::Action;
use crate::clusters::Clusters;
use crate::conditions::Conditions;
use crate::config::{Headers, HttpMatchRequest, HttpRoute, Percent, VirtualService, is_host};
use crate::gateways::Gateway;
use crate::router_policy::Mirror;
use crate::target;

/// One match entry of one rule: what istiod makes one Envoy route of.
pub(crate) struct Rule {
    /// The name that Istio gives the route: of the rule, then of the match entry.
    pub name: String,
    /// `NAMESPACE/NAME` of the VirtualService.
    pub virtual_service: Rc<str>,
    /// Its rule's place, and its own among the rule's match entries.
    place: (usize, Option<usize>),
    /// 0: any.
    pub port: u32,
    pub conditions: Conditions,
    pub action: Rc<Action>,
}

impl Rule {
    /// Such as `shop/catalog http[2].match[0]`.
    pub fn label(&self) -> String {
        match self.place {
            (rule, None) => format!("{} http[{rule}]", self.virtual_service),
            (rule, Some(entry)) => format!("{} http[{rule}].match[{entry}]", self.virtual_service),
        }
    }
}

/// A VirtualService whose rules survived what is known before any request.
pub(crate) struct Service {
    pub hosts: Vec<String>,
    pub rules: Vec<Rc<Rule>>,
    /// Those that some of its rules are for alone.
    pub ports: BTreeSet<u32>,
}

impl Service {
    pub fn new(
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
            entries.filter(|(_, entry)| is_ours(entry, gateway, namespace, node)).for_each(|entry| push(Some(entry)));
        }
        let hosts = resource.spec.hosts.iter().flat_map(|host| clusters.names(host.as_str(), namespace)).collect();
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

/// What is known of a match entry before any request. As in istiod, an entry that names gateways is not asked for
/// labels and namespace.
fn is_ours(entry: &HttpMatchRequest, gateway: &Gateway, namespace: Option<&str>, node: &Node) -> bool {
    if !entry.gateways.is_empty() {
        return gateway.is_among(&entry.gateways, namespace, "mesh");
    }
    let labels_fit = entry.source_labels.iter().all(|(name, value)| node.labels.get(name) == Some(value));
    labels_fit && (entry.source_namespace.is_empty() || entry.source_namespace == node.namespace)
}

fn route_name(route: &HttpRoute, entry: Option<&HttpMatchRequest>) -> String {
    match entry {
        Some(entry) if !entry.name.is_empty() => format!("{}.{}", route.name, entry.name),
        _ => route.name.clone(),
    }
}

/// What a rule does, or `None` if it cannot be said to Envoy, and then that was reported.
fn action(
    route: &HttpRoute,
    index: usize,
    resource: &Resource<VirtualService>,
    clusters: &Clusters,
    at: Cursor<'_>,
) -> Option<Action> {
    let before = at.errors();
    let path = format!("{}.http[{index}]", resource.path);
    let namespace = resource.namespace.as_deref();
    let rewritten = route.rewrite.as_ref().is_some_and(|rewrite| !rewrite.authority.is_empty());
    let rewritten = rewritten || rewrites_host(route.headers.as_ref());
    let mut told = Vec::new();
    for (place, destination) in route.route.iter().enumerate() {
        let rewritten = rewritten || rewrites_host(destination.headers.as_ref());
        match clusters.told(&destination.destination, namespace, rewritten) {
            Ok(one) => told.push(one),
            Err(why) => at.error_at(format!("{path}.route[{place}].destination"), why).unwrap_or(()),
        }
    }
    if clusters.by_authority() && route.retries.as_ref().is_some_and(|retries| retries.attempts > 0) {
        let why = "is refused with `destinations.by: authority`: Envoy's own routes have retries of their own, which a \
                   header can only widen";
        at.error_at::<()>(format!("{path}.retries"), why);
    }
    let mirrors = mirrors(route, &path, namespace, clusters, at);
    (at.errors() == before).then(|| Action::new(route, told, mirrors))
}

fn rewrites_host(headers: Option<&Headers>) -> bool {
    let request = target::request(headers);
    request.is_some_and(|request| request.set.keys().chain(request.add.keys()).any(|name| is_host(name)))
}

/// `mirrors`, or the one `mirror` of older policies.
fn mirrors(route: &HttpRoute, path: &str, namespace: Option<&str>, clusters: &Clusters, at: Cursor<'_>) -> Vec<Mirror> {
    const ALL: u32 = 1_000_000;
    let share = |percentage: Option<&Percent>| percentage.map_or(ALL, Percent::of_million);
    let old_share = match (&route.mirror_percentage, route.mirror_percent) {
        (None, Some(percent)) => percent.saturating_mul(10_000),
        (percentage, _) => share(percentage.as_ref()),
    };
    let old = route.mirror.iter().map(|destination| ("mirror".to_owned(), destination, old_share));
    let new = route.mirrors.iter().enumerate().map(|(place, mirror)| {
        (format!("mirrors[{place}].destination"), &mirror.destination, share(mirror.percentage.as_ref()))
    });
    let mut all = Vec::new();
    for (field, destination, share) in old.chain(new) {
        match clusters.name(destination, namespace) {
            _ if clusters.by_authority() => {
                let why = "is refused with `destinations.by: authority`: a mirror is told by its cluster's name";
                at.error_at::<()>(format!("{path}.{field}"), why);
            }
            Ok(cluster) => all.push(Mirror { cluster: cluster.into_bytes().into(), share }),
            Err(why) => at.error_at(format!("{path}.{field}"), why).unwrap_or(()),
        }
    }
    all.retain(|mirror| mirror.share > 0);
    all
}
