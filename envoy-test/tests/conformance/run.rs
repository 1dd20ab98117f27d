//! Runs one case: a listener with its policy, its requests, and what was seen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use envoy_test::{Answer, Connection, Echo, ListenerConfig, Request, module, routes};
use libtest_mimic::Completion;
use serde_json::{Value, json};

use crate::case::{Case, Destination};
use crate::expect;
use crate::lab::{Hits, Lab};

/// A share of so many requests is off by 5 percentage points in one run of 10 million; a suite's own 100 would be off by
/// 10 in one of 20.
const REQUESTS_FOR_A_SHARE: u32 = 3000;

/// Enough for the rarest destination of a rule to be chosen.
const MOST_REQUESTS: u32 = 3000;

/// The header by which the module says which rule decided.
pub const EXPLAIN: &str = "x-conformance-explain";

/// One request, and what became of it.
pub struct Seen {
    pub answer: Answer,
    /// What an upstream saw, if the answer is an upstream's.
    pub echo: Option<Echo>,
    pub time: Duration,
}

/// All requests of a case.
pub struct Observed {
    pub seen: Vec<Seen>,
    /// How often each upstream was asked because of them.
    pub hits: Hits,
    pub destinations: Vec<Destination>,
}

pub async fn run(case: &Case, lab: &mut Lab) -> Result<Completion> {
    let request = &case.request;
    if request.downstream_tls || request.downstream_mtls || !request.sequence.is_null() {
        bail!("the runner does not know TLS and sequences");
    }
    expect::check_keys(case)?;
    let mut destinations = case.destinations();
    let passes_to = user_route(case);
    destinations.extend(case.expect.get("destination").and_then(Destination::of));
    destinations.extend(passes_to.clone().map(|host| Destination { host, subset: String::new() }));
    let clusters: Vec<String> = destinations.iter().map(Destination::cluster).collect();
    lab.prepare(&clusters, request).await?;

    let mut config = config(case, passes_to)?;
    let mut address = None;
    if let Some(port) = request.listener_port {
        let Some(own) = lab.address_for(port)? else {
            return Ok(Completion::ignored_with(format!("this user may not listen on port {port}")));
        };
        let socket = json!({"address": own.ip().to_string(), "port_value": port});
        config = config.listener(json!({"address": {"socket_address": socket}}));
        address = Some(own);
    }
    let listener = match lab.envoy.add_listener(config).await {
        Ok(listener) => listener,
        Err(error) => {
            return match not_yet(&format!("{error:?}")) {
                Some(fields) => Ok(Completion::ignored_with(fields)),
                None => Err(error),
            };
        }
    };
    let before = lab.hits().await?;
    let seen = requests(case, address.unwrap_or(listener.address())).await?;
    let mut hits = lab.hits().await?;
    hits.iter_mut().for_each(|(name, count)| *count -= before.get(name).unwrap_or(&0));
    expect::check(case, &Observed { seen, hits, destinations })?;
    Ok(Completion::Completed)
}

fn config(case: &Case, passes_to: Option<String>) -> Result<ListenerConfig> {
    let own = || routes::routed_with_own_retries();
    let mut all = vec![routes::mirrored(own()), own(), routes::mirrored(routes::routed()), routes::routed()];
    all.extend(passes_to.map(|cluster| routes::catch_all(&cluster)));
    let mut config = ListenerConfig::new().module(module("pointsman")?).routes(all).policy(json!({
        "virtualServices": [case.policy],
        "debug": {"header": EXPLAIN},
    }));
    if !case.request.jwt_payload.is_null() {
        let payload = json!({"payload": case.request.jwt_payload});
        config = config.filter_before(json!({
            "name": "envoy.filters.http.set_metadata",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
                "metadata": [{"metadata_namespace": "envoy.filters.http.jwt_authn", "value": payload}],
            },
        }));
    }
    if !case.setup.hcm.is_null() {
        config = config.manager(case.setup.hcm.clone());
    }
    Ok(config)
}

/// Where no VirtualService is for a host, Istio's proxies know the service of that name itself: if the case expects
/// the request there.
fn user_route(case: &Case) -> Option<String> {
    let expected = Destination::of(case.expect.get("destination")?)?;
    let host = case.request.authority.split(':').next().unwrap_or_default();
    (expected.host == host && expected.subset.is_empty()).then_some(expected.host)
}

/// The fields that the module has not learned yet; None if anything else is wrong.
fn not_yet(error: &str) -> Option<String> {
    let said = error.lines().filter_map(|line| line.split_once("pointsman: ")).map(|(_, said)| said);
    let mut errors: Vec<&str> = said.filter(|said| said.contains("virtualServices[")).collect();
    errors.dedup();
    let all_of_them = !errors.is_empty() && errors.iter().all(|error| error.contains("in this version yet"));
    all_of_them.then(|| errors.join("; "))
}

async fn requests(case: &Case, address: SocketAddr) -> Result<Vec<Seen>> {
    let mut request = Request::new(address, &case.request.method, &case.request.path).host(&case.request.authority);
    for (name, value) in case.request.headers.lines()? {
        request = request.header(name, value);
    }
    if case.expect.contains_key("route_name") {
        request = request.header(EXPLAIN, "1");
    }
    let asked_for = case.request.count.or(case.expect.get("count").and_then(Value::as_u64).map(|count| count as u32));
    let asked_for = asked_for.unwrap_or(1);
    let is_of = |key: &str| case.expect.contains_key(key);
    let is_share =
        is_of("distribution") || case.expect.get("mirror").is_some_and(|mirror| mirror.get("percent").is_some());
    let count = if is_share { asked_for.max(REQUESTS_FOR_A_SHARE) } else { asked_for };
    let mut connection = Connection::open(address, false).await?;
    let mut seen = Vec::new();
    while seen.len() < count as usize || (seen.len() < MOST_REQUESTS as usize && !expect::has_seen_all(case, &seen)) {
        let start = Instant::now();
        let answer = match connection.send(request.clone()).await {
            Ok(answer) => answer,
            // A connection that Envoy has closed after the answer before.
            Err(_) if !seen.is_empty() => {
                connection = Connection::open(address, false).await?;
                connection.send(request.clone()).await?
            }
            Err(error) => return Err(error),
        };
        let time = start.elapsed();
        let echo = serde_json::from_slice(&answer.body).ok();
        seen.push(Seen { answer, echo, time });
    }
    Ok(seen)
}
