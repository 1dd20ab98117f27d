//! Istio's VirtualService: which destination a request goes to, and what becomes of its headers.
//!
//! The route itself is made by Envoy: the destination's cluster goes into a request header that one of Envoy's routes
//! reads (`cluster_header`). What that route could not do, is done here.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

mod action;
mod actions;
mod address;
mod clusters;
pub mod config;
mod cors;
mod explain;
mod format;
mod local;
mod location;
mod operations;
mod paths;
mod router_headers;
mod router_policy;
mod sticky;
mod target;

use std::rc::Rc;

use pointsman_filter::{Destination, Filter, LocalReply, Request, Response, Step, Uses, Wake};
use pointsman_host::Host;
use pointsman_http::{Edits, HeaderMap};
use pointsman_routes::{Met, Policy, Routes, Rule};
use pointsman_wire::{Cursor, Decode};

use action::Action;
use clusters::Clusters;
use config::{Debug, Destinations, HttpRoute, TrustRouterHeaders};
use format::ResponseScope;
use local::{Content, Origin};
use operations::Operations;
use router_headers::RouterHeaders;
use target::Target;

/// The routing filter.
pub struct Routing {
    routes: Rc<Routes>,
    /// What each rule does, by its number.
    actions: Vec<Rc<Action>>,
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
    /// What the response gets besides: what CORS says, a sticky cookie.
    response: Edits,
    /// Why the request went where it did, and the header that says so.
    explanation: Option<(Rc<[u8]>, Vec<u8>)>,
    /// The headers of an answer of our own, if a format string asks for them: Envoy adds its own later.
    own: Option<HeaderMap>,
}

/// The rule that decided, and where it sends the request.
struct Decided {
    rule: Rc<Rule>,
    action: Rc<Action>,
    /// None: it was answered here, by the rule itself or as a preflight of CORS.
    target: Option<Rc<Target>>,
}

impl Decided {
    /// What is done to the response's headers: nothing to a preflight's.
    fn operations(&self) -> Option<&Operations> {
        match (&self.target, self.action.as_ref()) {
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
    const USES: Uses = Uses { response: true, ..Uses::NONE };
    type Rule = HttpRoute;
    type Stream = Stream;

    fn configure(at: Cursor<'_>, policy: Policy<HttpRoute>) -> Option<Self> {
        let destinations = at.field("destinations", Option::<Destinations>::decode_or_absent);
        let trust = at.field("trustClientRouterHeaders", Option::<TrustRouterHeaders>::decode_or_absent);
        let debug = at.field("debug", Option::<Debug>::decode_or_absent);
        let (here, rules) = (policy.here?, policy.rules?);
        let before = at.errors();
        let clusters = Clusters::new(destinations?, &here.node);
        let written = rules.parts.iter().zip(rules.origins.iter());
        let actions = written.filter_map(|(rule, origin)| actions::action(rule, origin, &clusters, at).map(Rc::new));
        let actions = actions.collect();
        (at.errors() == before).then_some(())?;
        Some(Self {
            routes: rules.routes,
            actions,
            router_headers: RouterHeaders::new(trust?, &here.node),
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
        let debug_header = self.debug_header.as_ref().filter(|header| request.headers().has(header)).cloned();
        debug_header.iter().for_each(|header| request.edits.remove(header.clone()));
        let met = request.meet(&self.routes, host).clone();
        let is_any = !matches!(met, Met::Nothing);
        // An answer waits for the filters behind this one: as in Envoy, whose router is the last.
        let answer = match met {
            Met::Nothing => None,
            Met::NoRule(rules) => Some(no_rule_matched(rules.virtual_services())),
            Met::Rule(rule) => self.handle(rule, stream, request, host),
        };
        if answer.is_some() {
            request.answer = answer;
            request.destination = Destination::NotKnown;
        }
        if let Some(header) = debug_header {
            let passed = self.routes.passed(request.headers(), host);
            stream.explanation = Some((header, explain::text(is_any, stream.decided.as_ref(), &passed)));
        }
        Step::Continue
    }

    fn has_more(&self, stream: &Stream) -> bool {
        let operations = stream.decided.as_ref().and_then(Decided::operations);
        !stream.response.is_empty()
            || stream.explanation.is_some()
            || operations.is_some_and(|operations| !operations.is_empty())
    }

    fn on_response(&self, stream: &mut Stream, request: &Request, response: &mut Response, host: &mut dyn Host) {
        // Nothing is left to do after it.
        let mut stream = std::mem::take(stream);
        if let Some(operations) = stream.decided.as_ref().and_then(Decided::operations) {
            let changes_content = operations.change_content();
            let is_ours = stream.decided.as_ref().is_some_and(|decided| decided.target.is_none());
            let origin = match is_ours {
                _ if request.is_replied() => Origin::NoUpstream,
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
            if let Some(own) = stream.own.take().filter(|_| !request.is_replied()) {
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
        if !request.is_replied() {
            response.edits.extend(&stream.response);
        }
        if let Some((header, mut text)) = stream.explanation {
            if request.is_replied() {
                text.extend_from_slice(b"; but it was answered before that");
            }
            response.edits.set(header, text.into());
        }
    }
}

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

    /// Does what the rule says; the answer, if it is one.
    fn handle(
        &self,
        rule: Rc<Rule>,
        stream: &mut Stream,
        request: &mut Request,
        host: &mut dyn Host,
    ) -> Option<LocalReply> {
        let action = self.actions.get(rule.number()).cloned()?; // There is one for each rule.
        let matched = rule.matched();
        let decided = stream.decided.insert(Decided { rule: rule.clone(), action: action.clone(), target: None });
        let target = match action.as_ref() {
            Action::Answer(answer) => {
                let reply = answer.reply(request, matched, host, &rule.label());
                stream.own = answer.response.read_response().then(|| own_headers(&reply));
                return Some(reply);
            }
            Action::Route(forward) => {
                if let Some(cors) = &forward.cors {
                    if let Some(reply) = cors.preflight(request.headers()) {
                        return Some(reply);
                    }
                    stream.response.extend(&cors.actual(request.headers()).unwrap_or_default());
                }
                let Some((target, cookie)) = forward.choose(request.headers(), host) else {
                    // Validation leaves no rule without a weight.
                    return Some(no_rule_matched(rule.virtual_service()));
                };
                if let Some(cookie) = cookie {
                    stream.response.add(SET_COOKIE.into(), cookie);
                }
                target.clone()
            }
        };
        target.apply(request, matched, host);
        decided.target = Some(target);
        None
    }
}

/// What Envoy's router has of such an answer when it computes the header operations.
fn own_headers(reply: &LocalReply) -> HeaderMap {
    let status = (b":status".to_vec(), reply.status.to_string().into_bytes());
    let lines: Vec<_> = std::iter::once(status).chain(reply.headers.iter().cloned()).collect();
    HeaderMap::parse(HeaderMap::serialize(&lines)).unwrap_or_default()
}

const SET_COOKIE: &[u8] = b"set-cookie";

/// Envoy's answer where it has a virtual host but no route.
fn no_rule_matched(virtual_services: &str) -> LocalReply {
    LocalReply {
        status: 404,
        details: format!("pointsman_no_rule_matched{{{virtual_services}}}"),
        ..LocalReply::default()
    }
}

#[cfg(test)]
mod tests;
