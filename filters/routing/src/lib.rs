//! Istio's VirtualService: which destination a request goes to, and what becomes of its headers.
//!
//! The route itself is made by Envoy: the destination's cluster goes into a request header that one of Envoy's routes
//! reads (`cluster_header`). What that route could not do, is done here.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

mod action;
mod address;
mod claims;
mod clusters;
mod conditions;
pub mod config;
mod cors;
mod explain;
mod format;
mod gateways;
mod hosts;
mod index;
mod local;
mod location;
mod names;
mod operations;
mod paths;
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod reference;
mod router_headers;
mod router_policy;
mod rules;
mod sticky;
mod table;
mod target;

use std::rc::Rc;

use pointsman_host::{Filter, Host, LocalReply, Node, Request, Response, Step, Uses, Wake};
use pointsman_http::{Edits, HeaderMap};
use pointsman_wire::{Cursor, Decode, resources};

use action::Action;
use clusters::Clusters;
use conditions::{Failure, View};
use config::{Debug, Destinations, TrustRouterHeaders};
use format::ResponseScope;
use gateways::Gateway;
use local::{Content, Origin};
use operations::Operations;
use router_headers::RouterHeaders;
use rules::Rule;
use table::{Rules, Table};
use target::Target;

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
    /// Whose header operations the response gets.
    decided: Option<Decided>,
    /// What the response gets besides: what CORS says, a sticky cookie, the explanation.
    response: Edits,
    /// The headers of an answer of our own, if a format string asks for them: Envoy adds its own later.
    own: Option<HeaderMap>,
}

/// The rule that decided, and where it sends the request.
struct Decided {
    rule: Rc<Rule>,
    /// None: it was answered here, by the rule itself or as a preflight of CORS.
    target: Option<Rc<Target>>,
}

impl Decided {
    /// What is done to the response's headers: nothing to a preflight's.
    fn operations(&self) -> Option<&Operations> {
        match (&self.target, self.rule.action.as_ref()) {
            (Some(target), _) => Some(&target.response),
            (None, Action::Answer(answer)) => Some(&answer.response),
            (None, Action::Route(_)) => None,
        }
    }
}

impl Filter for Routing {
    const NAME: &'static str = "routing";
    const SECTIONS: &'static [&'static str] =
        &["gateway", "virtualServices", "destinations", "trustClientRouterHeaders", "debug"];
    const USES: Uses = Uses { response: true, delay: false, http_call: false, grpc_call: false };
    type Stream = Stream;

    fn configure(at: Cursor<'_>, node: &Node) -> Option<Self> {
        let gateway = at.field("gateway", Gateway::decode_or_absent);
        let destinations = at.field("destinations", Option::<Destinations>::decode_or_absent);
        let trust = at.field("trustClientRouterHeaders", Option::<TrustRouterHeaders>::decode_or_absent);
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

    #[inline]
    fn steers(&self, name: &[u8], request: &HeaderMap) -> bool {
        // Of most headers this is all that is looked at.
        let may_steer = name.starts_with(b"x-") || name.len() == self.destination_header.len();
        may_steer && self.is_steering(name, request)
    }

    fn on_request(&self, stream: &mut Stream, _: Wake, request: &mut Request, host: &mut dyn Host) -> Step {
        let port = match self.table.knows_ports() {
            true => host.integer(&["destination", "port"]).and_then(|port| u32::try_from(port).ok()),
            false => None,
        };
        let debug_header = self.debug_header.as_ref().filter(|header| request.headers().has(header));
        let rules = self.table.rules(port, request.headers().authority());
        let Some(header) = debug_header else {
            return match rules {
                Some(rules) => self.handle(rules, None, stream, request, host),
                None => Step::Continue,
            };
        };
        request.edits.remove(header.clone());
        let mut explanation = Vec::new();
        let step = match rules {
            Some(rules) => self.handle(rules, Some(&mut explanation), stream, request, host),
            None => Step::Continue,
        };
        let text = explain::text(rules.is_some(), stream.decided.as_ref(), &explanation);
        stream.response.set(header.clone(), text.into());
        step
    }

    fn has_more(&self, stream: &Stream) -> bool {
        let operations = stream.decided.as_ref().and_then(Decided::operations);
        !stream.response.is_empty() || operations.is_some_and(|operations| !operations.is_empty())
    }

    fn on_response(&self, stream: &mut Stream, request: &Request, response: &mut Response, host: &mut dyn Host) {
        if let Some(operations) = stream.decided.as_ref().and_then(Decided::operations) {
            let changes_content = operations.change_content();
            let is_ours = stream.decided.as_ref().is_some_and(|decided| decided.target.is_none());
            let origin = match is_ours {
                true => Origin::Proxy,
                false if operations.have_commands() || changes_content => Origin::ask(host),
                false => Origin::Upstream,
            };
            let mut headers = HeaderMap::default();
            let mut content = None;
            if operations.read_response() || changes_content {
                headers = host.response_headers().unwrap_or_default();
                if origin != Origin::Upstream {
                    content = Some(Content::of(&headers));
                    headers.hide(local::is_written_later);
                }
            }
            if let Some(own) = stream.own.take() {
                headers = own;
            }
            let headers = &headers;
            let is_sent = origin != Origin::NoUpstream;
            operations.apply(&mut response.edits, |format, edits| {
                format.evaluate(&ResponseScope { request, is_sent, headers, edits, host: &*host }).into()
            });
            if let Some(content) = content {
                content.keep(&mut response.edits);
            }
        }
        response.edits.extend(&stream.response);
    }
}

/// The rules that did not apply, and for each the first condition that failed.
type Passed<'a> = Vec<(&'a Rule, Failure<'a>)>;

impl Routing {
    fn is_steering(&self, name: &[u8], request: &HeaderMap) -> bool {
        if *self.destination_header == *name {
            return true;
        }
        let Some(rest) = name.strip_prefix(b"x-") else { return false };
        if rest.starts_with(b"pointsman-") {
            // The one that asks for an explanation is taken out when it has been read.
            return self.debug_header.as_deref() != Some(name);
        }
        rest.starts_with(b"envoy-") && self.router_headers.steer(name, request)
    }

    /// Finds the rule and does what it says.
    fn handle<'a>(
        &self,
        rules: &'a Rules,
        passed: Option<&mut Passed<'a>>,
        stream: &mut Stream,
        request: &mut Request,
        host: &mut dyn Host,
    ) -> Step {
        let Some(rule) = find(rules, request.headers(), host, passed) else {
            return Step::Reply(no_rule_matched(rules));
        };
        let matched = rule.conditions.matched();
        let decided = stream.decided.insert(Decided { rule: rule.clone(), target: None });
        let target = match rule.action.as_ref() {
            Action::Answer(answer) => {
                let reply = answer.reply(request, matched, host, &rule.label());
                stream.own = answer.response.read_response().then(|| own_headers(&reply));
                return Step::Reply(reply);
            }
            Action::Route(forward) => {
                if let Some(cors) = &forward.cors {
                    if let Some(reply) = cors.preflight(request.headers()) {
                        return Step::Reply(reply);
                    }
                    stream.response.extend(&cors.actual(request.headers()).unwrap_or_default());
                }
                let Some((target, cookie)) = forward.choose(request.headers(), host) else {
                    return Step::Reply(no_rule_matched(rules)); // Validation leaves no rule without a weight.
                };
                if let Some(cookie) = cookie {
                    stream.response.add(SET_COOKIE.into(), cookie);
                }
                target.clone()
            }
        };
        target.apply(request, matched, host);
        decided.target = Some(target);
        Step::Continue
    }
}

/// What Envoy's router has of such an answer when it computes the header operations.
fn own_headers(reply: &LocalReply) -> HeaderMap {
    let status = (b":status".to_vec(), reply.status.to_string().into_bytes());
    let lines: Vec<_> = std::iter::once(status).chain(reply.headers.iter().cloned()).collect();
    HeaderMap::parse(HeaderMap::serialize(&lines)).unwrap_or_default()
}

const SET_COOKIE: &[u8] = b"set-cookie";

/// The first rule whose conditions hold. `passed` gets those before it.
fn find<'a>(
    rules: &'a Rules,
    headers: &HeaderMap,
    host: &dyn Host,
    passed: Option<&mut Passed<'a>>,
) -> Option<&'a Rc<Rule>> {
    let view = View::new(headers, host);
    let Some(passed) = passed else { return rules.first(&view) };
    rules.list.iter().find(|rule| match rule.conditions.failure(&view) {
        None => true,
        Some(failure) => {
            passed.push((rule, failure));
            false
        }
    })
}

/// Envoy's answer where it has a virtual host but no route.
fn no_rule_matched(rules: &Rules) -> LocalReply {
    LocalReply {
        status: 404,
        headers: Vec::new(),
        body: Vec::new(),
        details: format!("pointsman_no_rule_matched{{{}}}", rules.virtual_services),
    }
}

#[cfg(test)]
mod tests;
