//! From a rule as it is written to what it does: what Envoy is told of its destinations and mirrors.

use pointsman_routes::Origin;
use pointsman_routes::config::is_host;
use pointsman_wire::Cursor;

use crate::action::Action;
use crate::clusters::Clusters;
use crate::config::{Headers, HttpRoute, Percent};
use crate::router_policy::Mirror;
use crate::target;

/// What a rule does, or `None` if it cannot be said to Envoy, and then that was reported.
pub(crate) fn action(route: &HttpRoute, origin: &Origin, clusters: &Clusters, at: Cursor<'_>) -> Option<Action> {
    let before = at.errors();
    let (path, namespace) = (&origin.path, origin.namespace.as_deref());
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
    let mirrors = mirrors(route, path, namespace, clusters, at);
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
