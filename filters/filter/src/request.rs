//! What passes through the filters.

use std::rc::Rc;

use pointsman_host::Host;
use pointsman_http::{Edits, HeaderMap};
use pointsman_routes::{Met, Routes};

use crate::step::LocalReply;

/// A request on its way through the filters.
#[derive(Default)]
pub struct Request {
    headers: HeaderMap,
    /// No filter wanted to see them.
    is_unread: bool,
    /// The rule that it meets, once somebody has asked.
    met: Option<Met>,
    /// What is to be changed in its headers, written once at the end: until then every filter sees the original.
    pub edits: Edits,
    /// Headers that somebody else adds to it, such as a service that was asked. Those that steer us or Envoy are left out.
    pub foreign: Edits,
    /// What it is answered when all filters have seen it, instead of going on.
    pub answer: Option<LocalReply>,
    /// Where it goes.
    pub destination: Destination,
    is_replied: bool,
}

/// Where a request goes, as far as filters have decided it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// The proxy's own routes say it.
    #[default]
    OfProxy,
    /// To that cluster.
    Cluster(Rc<[u8]>),
    /// The proxy's own routes will say it, when it has been changed; or nowhere.
    NotKnown,
}

impl Request {
    /// A request with those headers.
    pub fn new(headers: HeaderMap) -> Self {
        Self { headers, ..Self::default() }
    }

    /// A request whose headers nobody needs to see.
    pub fn unread() -> Self {
        Self { is_unread: true, ..Self::default() }
    }

    /// Its headers, if they were read.
    pub fn known_headers(&self) -> Option<&HeaderMap> {
        (!self.is_unread).then_some(&self.headers)
    }

    /// A filter, or the proxy while a filter waited, has answered it, so that those behind it never saw it.
    pub fn set_replied(&mut self) {
        self.is_replied = true;
    }

    /// Whether it was answered before all filters had seen it.
    pub fn is_replied(&self) -> bool {
        self.is_replied
    }

    /// Its headers, as the client sent them, without what steers us.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its headers, and what is to be changed in them.
    pub fn parts(&mut self) -> (&HeaderMap, &mut Edits) {
        (&self.headers, &mut self.edits)
    }

    /// The rule that it meets. It is looked for once, so all filters have to ask the same routes.
    pub fn meet(&mut self, routes: &Routes, host: &dyn Host) -> &Met {
        self.met.get_or_insert_with(|| routes.meet(&self.headers, host))
    }

    /// Takes headers that steer us out of sight, and out of the request.
    pub fn hide(&mut self, mut steers: impl FnMut(&[u8], &HeaderMap) -> bool) {
        let Self { headers, edits, .. } = self;
        let names = headers.iter().map(|(name, _)| name);
        let steering: Vec<Vec<u8>> = names.filter(|name| steers(name, headers)).map(<[u8]>::to_vec).collect();
        if steering.is_empty() {
            return;
        }
        headers.hide(|name| steering.iter().any(|other| other == name));
        steering.into_iter().for_each(|name| edits.remove(name.into()));
    }
}

/// A response on its way through the filters.
#[derive(Default)]
pub struct Response {
    /// What is to be changed in its headers.
    pub edits: Edits,
}
