//! What a rule does: it routes, or it answers.

use std::rc::Rc;

use hashbrown::HashMap;
use pointsman_filter::{LocalReply, Request};
use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_routes::Matched;

use crate::config::{HttpDirectResponse, HttpRoute};
use crate::cors::Cors;
use crate::location::Redirect;
use crate::operations::Operations;
use crate::paths::PathRewrite;
use crate::router_policy::Mirror;
use crate::sticky::{self, Sticky};
use crate::target::{Target, Told, response};

/// See the module.
pub(crate) enum Action {
    Route(Forward),
    Answer(Answer),
}

/// `route`: the destinations by their shares.
pub(crate) struct Forward {
    targets: Vec<Share>,
    total: u64,
    sticky: Option<Sticky>,
    /// The targets as a sticky choice knows them: weight and identity.
    sticky_shares: Vec<(u64, u64)>,
    pub cors: Option<Cors>,
}

struct Share {
    /// The sum of the weights up to and with this one.
    until: u64,
    target: Rc<Target>,
}

/// A destination, and a cookie that the client shall come back with.
type Chosen<'a> = (&'a Rc<Target>, Option<Rc<[u8]>>);

/// `redirect` or `directResponse`.
pub(crate) struct Answer {
    pub response: Operations,
    content: Content,
}

enum Content {
    Redirect(Redirect),
    /// With a `location`, the request's own, where a client expects one.
    Direct {
        status: u32,
        body: Vec<u8>,
        location: Option<Redirect>,
    },
}

impl Action {
    /// `told`: what Envoy is told for each destination.
    pub fn new(route: &HttpRoute, told: Vec<Told>, mirrors: Vec<Mirror>) -> Self {
        let content = match (&route.redirect, &route.direct_response) {
            (Some(redirect), _) => Content::Redirect(Redirect::new(redirect)),
            (None, Some(direct)) => Content::direct(direct),
            (None, None) => return Self::Route(Forward::new(route, told, mirrors)),
        };
        Self::Answer(Answer {
            response: Operations::of_response(response(route.headers.as_ref()), None, true),
            content,
        })
    }
}

impl Forward {
    fn new(route: &HttpRoute, told: Vec<Told>, mirrors: Vec<Mirror>) -> Self {
        let path = route.rewrite.as_ref().and_then(PathRewrite::new).map(Rc::new);
        let mirrors: Rc<[Mirror]> = mirrors.into();
        let alone = route.route.len() == 1;
        let (mut targets, mut sticky_shares, mut until) = (Vec::new(), Vec::new(), 0u64);
        let mut known = HashMap::new();
        for (own, told) in route.route.iter().zip(told) {
            let weight = if alone { 1 } else { u64::from(own.weight.0) };
            if weight == 0 {
                continue;
            }
            until = until.saturating_add(weight);
            let target = Rc::new(Target::new(route, own, told, path.clone(), mirrors.clone()));
            // The same destination may be there twice, with other headers: then they are two to a sticky choice.
            let times = known.entry(target.label.clone()).or_insert(0u32);
            let identity = sticky::identity(format!("{}{}", target.label, "#".repeat(*times as usize)).as_bytes());
            *times = times.saturating_add(1);
            sticky_shares.push((weight, identity));
            targets.push(Share { until, target });
        }
        Self {
            targets,
            total: until,
            sticky: route.sticky.as_ref().filter(|_| !alone).map(Sticky::new),
            sticky_shares,
            cors: route.cors_policy.as_ref().map(Cors::new),
        }
    }

    /// The destination for a request, as Envoy chooses it or as `sticky` says, and a cookie that the client shall
    /// come back with.
    pub fn choose(&self, headers: &HeaderMap, host: &mut dyn Host) -> Option<Chosen<'_>> {
        if let [only] = self.targets.as_slice() {
            return Some((&only.target, None));
        }
        let Some(sticky) = &self.sticky else {
            let point = host.random().checked_rem(self.total)?;
            let index = self.targets.partition_point(|share| share.until <= point);
            return self.targets.get(index).map(|share| (&share.target, None));
        };
        let choice = sticky.choose(headers, host, &self.sticky_shares);
        self.targets.get(choice.index).map(|share| (&share.target, choice.cookie))
    }
}

impl Answer {
    /// As an explanation says it.
    pub fn label(&self) -> String {
        match &self.content {
            Content::Redirect(redirect) => redirect.label(),
            Content::Direct { status, .. } => format!("direct response {status}"),
        }
    }

    /// The answer to a request.
    pub fn reply(&self, request: &Request, matched: Matched, host: &dyn Host, rule: &str) -> LocalReply {
        match &self.content {
            Content::Redirect(redirect) => {
                redirect.reply(request.headers(), matched, host, format!("pointsman_redirect{{{rule}}}"))
            }
            Content::Direct { status, body, location } => LocalReply {
                status: *status,
                headers: location
                    .iter()
                    .map(|to| (b"location".into(), to.location(request.headers(), matched, host)))
                    .collect(),
                body: body.clone(),
                details: format!("pointsman_direct_response{{{rule}}}"),
                ..LocalReply::default()
            },
        }
    }
}

impl Content {
    fn direct(direct: &HttpDirectResponse) -> Self {
        let body = direct.body.as_ref().map(|body| body.content().into_owned());
        // Envoy's router gives its own answers of these kinds a location.
        let has_location = direct.status == 201 || (300..400).contains(&direct.status);
        let location = has_location.then(Redirect::to_itself);
        Self::Direct { status: direct.status, body: body.unwrap_or_default(), location }
    }
}
