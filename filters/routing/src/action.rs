//! What a rule does: it chooses a destination, and says what becomes of headers.

use std::rc::Rc;

use pointsman_host::Request;
use pointsman_http::Edits;

use crate::config::{HeaderOperations, HeaderValue, Headers, HttpRoute, HttpRouteDestination, is_host};

const AUTHORITY: &[u8] = b":authority";
const ORIGINAL_HOST: &[u8] = b"x-envoy-original-host";

/// What Envoy is told about where a request goes.
#[derive(Clone)]
pub(crate) enum Told {
    /// A request header that one of its routes reads, and the cluster in it.
    Header(Rc<[u8]>, Rc<[u8]>),
    /// Another host, which its routes know.
    Authority(Rc<[u8]>),
}

/// The destinations of a rule, by their shares.
pub(crate) struct Action {
    targets: Vec<(u64, Rc<Target>)>,
    total: u64,
}

/// A destination, with all that is done to a request that goes there.
pub(crate) struct Target {
    /// As an explanation says it.
    pub label: String,
    /// What Envoy is told, and the rule's header operations.
    pub request: Edits,
    /// The response's header operations.
    pub response: Edits,
    /// What the host is rewritten to.
    pub authority: Option<Rc<[u8]>>,
}

impl Action {
    /// `told`: what Envoy is told for each destination.
    pub fn new(route: &HttpRoute, told: Vec<Told>) -> Self {
        let mut until = 0u64;
        let alone = route.route.len() == 1;
        let mut targets = Vec::new();
        for (destination, told) in route.route.iter().zip(told) {
            let weight = if alone { 1 } else { u64::from(destination.weight.0) };
            if weight > 0 {
                until = until.saturating_add(weight);
                targets.push((until, Rc::new(Target::new(route, destination, told, alone))));
            }
        }
        Self { targets, total: until }
    }

    /// The destination for that random number, as Envoy chooses it.
    pub fn choose(&self, random: impl FnOnce() -> u64) -> Option<&Rc<Target>> {
        if let [(_, only)] = self.targets.as_slice() {
            return Some(only);
        }
        let point = random().checked_rem(self.total)?;
        let index = self.targets.partition_point(|(until, _)| *until <= point);
        self.targets.get(index).map(|(_, target)| target)
    }
}

impl Target {
    /// Says in the request's headers what Envoy is to do.
    pub fn apply(&self, request: &mut Request) {
        request.edits.extend(&self.request);
        if let Some(authority) = &self.authority {
            // As Envoy's router does when it rewrites the host, after all header operations.
            let original = request.headers().authority().into();
            request.edits.set(ORIGINAL_HOST.into(), original);
            request.edits.set(AUTHORITY.into(), authority.clone());
        }
    }

    fn new(route: &HttpRoute, own: &HttpRouteDestination, told: Told, alone: bool) -> Self {
        let request = |headers: &'_ Option<Headers>| headers.as_ref().and_then(|headers| headers.request.clone());
        let response = |headers: &'_ Option<Headers>| headers.as_ref().and_then(|headers| headers.response.clone());
        let (of_route, of_own) = (request(&route.headers), request(&own.headers));

        let mut edits = levels(&of_route, &of_own, alone, is_host);
        let authority = match told {
            Told::Header(name, cluster) => {
                edits.set(name, cluster);
                host_rewrite(&of_route, &of_own)
            }
            Told::Authority(host) => Some(host),
        };
        let destination = &own.destination;
        let mut label = destination.host.clone();
        if let Some(port) = &destination.port {
            label.push_str(&format!(":{}", port.number));
        }
        if !destination.subset.is_empty() {
            label.push_str(&format!(" subset {}", destination.subset));
        }
        Self {
            label,
            request: edits,
            response: levels(&response(&route.headers), &response(&own.headers), alone, |_| false),
            authority,
        }
    }
}

/// The route's `set`, then its `add`, then the destination's: the host is rewritten by the first of them that names it.
/// An empty value is none.
fn host_rewrite(route: &Option<HeaderOperations>, own: &Option<HeaderOperations>) -> Option<Rc<[u8]>> {
    let mut levels = [route, own]
        .into_iter()
        .flatten()
        .flat_map(|level| [&level.set, &level.add]);
    let rewrites = |(name, value): &(&String, &HeaderValue)| is_host(name) && !value.written.is_empty();
    let (_, value) = levels.find_map(|values| values.iter().find(rewrites))?;
    Some(value.written.as_bytes().into())
}

/// Both levels of header operations, in the order in which Envoy applies them: with one destination they are one list,
/// in which the destination's come after the route's; with several, the destination's as a whole come first, so that
/// the route wins.
fn levels(
    route: &Option<HeaderOperations>,
    own: &Option<HeaderOperations>,
    alone: bool,
    is_to_skip: fn(&str) -> bool,
) -> Edits {
    let lists: &[&[_]] = if alone { &[&[route, own]] } else { &[&[own], &[route]] };
    let mut edits = Edits::default();
    for list in lists {
        let list = || list.iter().copied().flatten();
        list()
            .flat_map(|level| &level.remove)
            .for_each(|name| edits.remove(lower(name)));
        // Envoy leaves a header alone whose value is empty.
        let is_put = |(name, value): &(&String, &HeaderValue)| !value.literal.is_empty() && !is_to_skip(name);
        let sets = list().flat_map(|level| &level.set).filter(is_put);
        sets.for_each(|(name, value)| edits.set(lower(name), value.literal.clone()));
        let adds = list().flat_map(|level| &level.add).filter(is_put);
        adds.for_each(|(name, value)| edits.add(lower(name), value.literal.clone()));
    }
    edits
}

fn lower(name: &str) -> Rc<[u8]> {
    name.to_ascii_lowercase().as_bytes().into()
}
