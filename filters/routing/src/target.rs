//! A destination of a rule, with all that is done to a request that goes there.

use std::rc::Rc;
use std::time::Duration;

use pointsman_filter::{Destination, Request};
use pointsman_host::Host;
use pointsman_http::Edits;
use pointsman_routes::Matched;
use pointsman_routes::config::is_host;

use crate::config::{HeaderOperations, HeaderValue, Headers, HttpRoute, HttpRouteDestination};
use crate::format::RequestScope;
use crate::operations::Operations;
use crate::paths::PathRewrite;
use crate::router_policy::{self, Mirror};

const AUTHORITY: &[u8] = b":authority";
const PATH: &[u8] = b":path";
const ORIGINAL_HOST: &[u8] = b"x-envoy-original-host";
const ORIGINAL_PATH: &[u8] = b"x-envoy-original-path";

/// What Envoy is told about where a request goes.
#[derive(Clone)]
pub(crate) enum Told {
    /// A request header that one of its routes reads, and the cluster in it.
    Header(Rc<[u8]>, Rc<[u8]>),
    /// Another host, which its routes know.
    Authority(Rc<[u8]>),
}

/// See the module.
pub(crate) struct Target {
    /// As an explanation says it.
    pub label: String,
    /// The response's header operations.
    pub response: Operations,
    request: Operations,
    /// What Envoy is told besides, which is always the same.
    told: Edits,
    timeout: Option<Duration>,
    authority: Option<Rc<[u8]>>,
    path: Option<Rc<PathRewrite>>,
    mirrors: Rc<[Mirror]>,
    destination: Destination,
}

impl Target {
    pub fn new(
        route: &HttpRoute,
        own: &HttpRouteDestination,
        told: Told,
        path: Option<Rc<PathRewrite>>,
        mirrors: Rc<[Mirror]>,
    ) -> Self {
        let alone = route.route.len() == 1;
        let (of_route, of_own) = (request(route.headers.as_ref()), request(own.headers.as_ref()));
        let destination = match &told {
            Told::Header(_, cluster) => Destination::Cluster(cluster.clone()),
            Told::Authority(_) => Destination::NotKnown,
        };
        let mut edits = router_policy::edits(route.timeout, route.retries.as_ref());
        let authority = match told {
            Told::Header(name, cluster) => {
                edits.set(name, cluster);
                let rewrite = route.rewrite.as_ref().map(|rewrite| rewrite.authority.as_str());
                let rewrite = rewrite.filter(|authority| !authority.is_empty());
                // Of several destinations, each rewrites the host by itself, among its own operations.
                let of_own = of_own.filter(|_| alone);
                let operation = || [of_route, of_own].into_iter().flatten().find_map(host_operation);
                rewrite.or_else(operation).map(|host| host.as_bytes().into())
            }
            Told::Authority(host) => Some(host),
        };
        Self {
            label: own.destination.to_string(),
            response: Operations::of_response(response(route.headers.as_ref()), response(own.headers.as_ref()), alone),
            request: Operations::of_request(of_route, of_own, alone),
            told: edits,
            timeout: route.timeout.map(|timeout| timeout.0),
            authority,
            path,
            mirrors,
            destination,
        }
    }

    /// Says in the request's headers what Envoy is to do, in the order of Envoy's router: header operations, then the
    /// host, then the path.
    pub fn apply(&self, request: &mut Request, matched: Matched, host: &mut dyn Host) {
        request.destination = self.destination.clone();
        let (headers, edits) = request.parts();
        self.request
            .apply(edits, |format, edits| format.evaluate(&RequestScope { headers, edits, host: &*host }).into());
        if let Some(authority) = &self.authority {
            let original = edits.first(AUTHORITY, headers).unwrap_or_default().into();
            edits.set(ORIGINAL_HOST.into(), original);
            edits.set(AUTHORITY.into(), authority.clone());
        }
        if let Some(new) = self.path.as_ref().and_then(|path| path.apply(headers.path(), matched)) {
            edits.set(ORIGINAL_PATH.into(), headers.path().into());
            edits.set(PATH.into(), new.into());
        }
        edits.extend(&self.told);
        if let Some(timeout) = self.timeout {
            router_policy::cap_grpc_timeout(timeout, headers, edits);
        }
        router_policy::mirror(&self.mirrors, edits, || host.random());
    }
}

/// The operations on the request.
pub(crate) fn request(headers: Option<&Headers>) -> Option<&HeaderOperations> {
    headers?.request.as_ref()
}

/// The operations on the response.
pub(crate) fn response(headers: Option<&Headers>) -> Option<&HeaderOperations> {
    headers?.response.as_ref()
}

/// What `set`, else `add`, makes of the host. An empty value is none.
pub(crate) fn host_operation(level: &HeaderOperations) -> Option<&str> {
    let rewrites = |(name, value): &(&String, &HeaderValue)| is_host(name) && !value.written.is_empty();
    let (_, value) = level.set.iter().chain(&level.add).find(rewrites)?;
    Some(&value.written)
}
