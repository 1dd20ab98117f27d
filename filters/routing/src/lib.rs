//! Istio's VirtualService: which destination a request goes to, and what becomes of its headers.
//!
//! The route itself is made by Envoy: the destination's cluster goes into a request header that one of Envoy's routes
//! reads (`cluster_header`). What that route could not do, is done here.

mod action;
mod clusters;
mod conditions;
pub mod config;
mod explain;
mod gateways;
mod hosts;
mod router_headers;
mod table;

use std::rc::Rc;

use pointsman_host::{Filter, Host, LocalReply, Node, Request, Response, Step, Uses, Wake};
use pointsman_http::HeaderMap;
use pointsman_wire::{Cursor, Decode, resources};

use action::Target;
use clusters::Clusters;
use conditions::View;
use config::{Debug, Destinations, TrustRouterHeaders};
use gateways::Gateway;
use router_headers::RouterHeaders;
use table::{Rules, Table, first_match};

/// The routing filter.
pub struct Routing {
    table: Table,
    router_headers: RouterHeaders,
    /// The request header that Envoy's routes read.
    destination_header: Rc<[u8]>,
    /// The header that asks for an explanation, and that carries it.
    debug_header: Option<Rc<[u8]>>,
}

/// What routing keeps about a request until its response.
#[derive(Default)]
pub struct Stream {
    target: Option<Rc<Target>>,
    explanation: Option<Vec<u8>>,
}

impl Filter for Routing {
    const NAME: &'static str = "routing";
    const SECTIONS: &'static [&'static str] = &[
        "gateway",
        "virtualServices",
        "destinations",
        "trustClientRouterHeaders",
        "debug",
    ];
    const USES: Uses = Uses {
        response: true,
        delay: false,
        http_call: false,
        grpc_call: false,
    };
    type Stream = Stream;

    fn configure(at: Cursor<'_>, node: &Node) -> Option<Self> {
        let gateway = at.field("gateway", Gateway::decode_or_absent);
        let destinations = at.field("destinations", Option::<Destinations>::decode_or_absent);
        let trust = at.field(
            "trustClientRouterHeaders",
            Option::<TrustRouterHeaders>::decode_or_absent,
        );
        let debug = at.field("debug", Option::<Debug>::decode_or_absent);
        let virtual_services = at.field("virtualServices", resources);
        let before = at.errors();
        let clusters = Clusters::new(destinations?, node);
        let table = Table::new(virtual_services?, &gateway?, &clusters, node, at);
        (at.errors() == before).then_some(())?;
        Some(Self {
            table,
            router_headers: RouterHeaders::new(trust?, node),
            destination_header: clusters.header,
            debug_header: debug?.map(|debug| debug.header.0),
        })
    }

    fn steers(&self, name: &[u8], request: &HeaderMap) -> bool {
        if self.debug_header.as_deref() == Some(name) {
            return false; // It is taken out when it has been read.
        }
        name.starts_with(b"x-pointsman-")
            || (*self.destination_header == *name && name != b":authority")
            || self.router_headers.steer(name, request)
    }

    fn on_request(&self, stream: &mut Stream, _: Wake, request: &mut Request, host: &mut dyn Host) -> Step {
        let port = match self.table.knows_ports() {
            true => host
                .integer(&["destination", "port"])
                .and_then(|port| u32::try_from(port).ok()),
            false => None,
        };
        let debug_header = self
            .debug_header
            .as_ref()
            .filter(|header| request.headers().has(header));
        let rules = self.table.rules(port, request.headers().authority());
        if let Some(header) = debug_header {
            request.edits.remove(header.clone());
        }
        let Some(rules) = rules else {
            stream.explanation = debug_header.map(|_| explain::no_virtual_service());
            return Step::Continue;
        };
        let explanation = debug_header.is_some().then_some(&mut stream.explanation);
        match decide(rules, request.headers(), explanation, host) {
            Some(target) => {
                target.apply(request);
                stream.target = Some(target);
                Step::Continue
            }
            None => Step::Reply(no_rule_matched(rules)),
        }
    }

    fn has_more(&self, stream: &Stream) -> bool {
        stream.explanation.is_some() || stream.target.as_ref().is_some_and(|target| !target.response.is_empty())
    }

    fn on_response(&self, stream: &mut Stream, response: &mut Response, _: &mut dyn Host) {
        if let Some(target) = &stream.target {
            response.edits.extend(&target.response);
        }
        if let (Some(header), Some(explanation)) = (&self.debug_header, stream.explanation.take()) {
            response.edits.set(header.clone(), explanation.into());
        }
    }
}

/// The destination for a request, and how it came about if somebody asked.
fn decide(
    rules: &Rules,
    headers: &HeaderMap,
    explanation: Option<&mut Option<Vec<u8>>>,
    host: &mut dyn Host,
) -> Option<Rc<Target>> {
    let view = View::new(headers);
    let Some(explanation) = explanation else {
        let rule = first_match(rules, &view, |_, _| {})?;
        return rule.action.choose(|| host.random()).cloned();
    };
    let mut passed = Vec::new();
    let rule = first_match(rules, &view, |rule, failure| passed.push((rule, failure)));
    let target = rule.and_then(|rule| rule.action.choose(|| host.random()));
    *explanation = Some(explain::decision(rule, target, &passed));
    target.cloned()
}

/// Envoy's answer where it has a virtual host but no route.
fn no_rule_matched(rules: &Rules) -> LocalReply {
    let virtual_service = rules.first().map_or("", |rule| &rule.virtual_service);
    LocalReply {
        status: 404,
        headers: Vec::new(),
        body: Vec::new(),
        details: format!("pointsman_no_rule_matched{{{virtual_service}}}"),
    }
}

#[cfg(test)]
mod tests;
