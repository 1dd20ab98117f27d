//! Runs one case: a listener with its policy, its requests, and what was seen.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use envoy_test::{Connection, ListenerConfig, Request, Tls, module, routes};
use libtest_mimic::Completion;
use serde_json::json;

use crate::case::{self, Case, Destination, meant};
use crate::lab::Lab;
use crate::observed::{EXPLAIN, Observed, Seen};
use crate::steps::{Object, Step, steps};
use crate::{expect, shares};

/// Enough for the rarest destination of a rule to be chosen.
const MOST_REQUESTS: usize = 3000;

pub async fn run(case: &Case, lab: &mut Lab) -> Result<Completion> {
    let steps = steps(case)?;
    for expect in steps.iter().map(|step| &step.expect) {
        expect::check_keys(expect)?;
    }
    let first = &steps.first().context("no request")?.request;
    ensure!(
        steps.iter().all(|step| step.request.listener() == first.listener()),
        "the runner does not know a sequence over several listeners"
    );
    let mut destinations = case.destinations();
    let passes_to = user_route(&steps, &destinations);
    let expected = steps.iter().filter_map(|step| Destination::of(step.expect.get("destination")?));
    for destination in expected.chain(passes_to.clone()) {
        if meant(&destinations, &destination).is_empty() {
            destinations.push(destination);
        }
    }
    let clusters: Vec<String> = destinations.iter().map(Destination::cluster).collect();
    lab.prepare(&clusters).await?;

    let tls = tls(&steps)?;
    let mut config = config(case, first, passes_to.map(|it| it.cluster()))?;
    if let Some(tls) = &tls {
        config = config.tls(tls);
    }
    let mut address = None;
    if let Some(port) = first.listener_port {
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
    let mut client = Client { address: address.unwrap_or(listener.address()), tls, connection: None };
    let mut observed = Vec::new();
    for step in &steps {
        observed.push(observe(case, step, lab, &mut client, destinations.clone()).await?);
    }
    judge(case, &steps, observed)?;
    Ok(Completion::Completed)
}

/// What was expected has happened; and of what would be wrong, all is found to be so.
fn judge(case: &Case, steps: &[Step], observed: Vec<Observed>) -> Result<()> {
    for (step, observed) in steps.iter().zip(&observed) {
        expect::check(case, &step.expect, observed)?;
    }
    let find_wrong = |case: &Case, observed: &Observed| {
        for (key, value) in case.wrong.iter().flatten() {
            let mut expect = case.expect.clone();
            expect.insert(key.clone(), value.clone());
            let found = expect::check(case, &expect, observed).err().map(|error| error.to_string());
            let named = found.is_some_and(|error| error.starts_with(&format!("expect.{key}: ")));
            ensure!(named, "the runner does not find expect.{key} wrong: {value}");
        }
        Ok(())
    };
    if let [only] = &observed[..] {
        return find_wrong(case, only);
    }
    let all = Observed::sequence(observed);
    let mut of_all = case.clone();
    of_all.expect.retain(|key, _| expect::is_of_all(key));
    expect::check(case, &of_all.expect, &all)?;
    find_wrong(&of_all, &all)
}

fn tls(steps: &[Step]) -> Result<Option<Tls>> {
    let Some(Step { request: first, .. }) = steps.first() else { return Ok(None) };
    let client = first.client_uri()?;
    if !first.downstream_tls && client.is_none() {
        return Ok(None);
    }
    let tls = Tls::new(steps.iter().map(|step| step.request.host()))?;
    Ok(Some(match client {
        Some(uri) => tls.client(&uri)?,
        None => tls,
    }))
}

fn config(case: &Case, request: &case::Request, passes_to: Option<String>) -> Result<ListenerConfig> {
    let own = || routes::routed_with_own_retries();
    let mut all = vec![routes::mirrored(own()), own(), routes::mirrored(routes::routed()), routes::routed()];
    all.extend(passes_to.map(|cluster| routes::catch_all(&cluster)));
    let policies = if case.policy.is_array() { case.policy.clone() } else { json!([case.policy]) };
    let mut config = ListenerConfig::new().module(module("pointsman")?).routes(all).policy(json!({
        "virtualServices": policies,
        "debug": {"header": EXPLAIN},
    }));
    if !request.jwt_payload.is_null() {
        let payload = json!({"payload": request.jwt_payload});
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
/// the request there, and means by it no destination of the policy that has more to its name.
fn user_route(steps: &[Step], destinations: &[Destination]) -> Option<Destination> {
    steps.iter().find_map(|step| {
        let expected = Destination::of(step.expect.get("destination")?)?;
        let is_itself = meant(destinations, &expected).into_iter().all(|one| *one == expected);
        (is_itself && expected.host == step.request.host() && expected.subset.is_empty()).then_some(expected)
    })
}

/// The fields that the module has not learned yet; None if anything else is wrong.
fn not_yet(error: &str) -> Option<String> {
    let said = error.lines().filter_map(|line| line.split_once("pointsman: ")).map(|(_, said)| said);
    let mut errors: Vec<&str> = said.filter(|said| said.contains("virtualServices[")).collect();
    errors.dedup();
    let all_of_them = !errors.is_empty() && errors.iter().all(|error| error.contains("in this version yet"));
    all_of_them.then(|| errors.join("; "))
}

async fn observe(
    case: &Case,
    step: &Step,
    lab: &Lab,
    client: &mut Client,
    destinations: Vec<Destination>,
) -> Result<Observed> {
    if step.own_upstreams {
        lab.script(&step.request)?;
    }
    let asked = step.request.count.or_else(|| u32::try_from(step.expect.get("count")?.as_u64()?).ok()).unwrap_or(1);
    let count = shares::requests(&step.expect, asked)? as usize;
    let request = client.request(&step.request, &step.expect)?;
    let before = lab.hits().await?;
    let mut seen = Vec::new();
    let all_of_them = |seen: &[Seen]| expect::has_seen_all(&step.expect, seen, &destinations);
    while seen.len() < count || (seen.len() < MOST_REQUESTS && !all_of_them(&seen)) {
        seen.push(client.send(&request, step.request.host()).await?);
    }
    let mut hits = lab.hits().await?;
    hits.iter_mut().for_each(|(name, count)| *count -= before.get(name).unwrap_or(&0));
    // An answer without a body, or one that is not the upstream's.
    if let [only @ Seen { echo: None, .. }] = &mut seen[..] {
        let mirrors: Vec<String> = case.mirrors().iter().map(Destination::cluster).collect();
        let asked = hits.iter().find(|(name, hits)| **hits > 0 && !mirrors.contains(name));
        only.echo = asked.and_then(|(name, _)| lab.last_request(name));
    }
    Ok(Observed { seen, hits, destinations, asked, is_sequence: false })
}

/// Who sends the requests, over one connection as long as it lasts.
struct Client {
    address: SocketAddr,
    tls: Option<Tls>,
    connection: Option<Connection>,
}

impl Client {
    fn request(&self, wanted: &case::Request, expect: &Object) -> Result<Request> {
        let mut request = Request::new(self.address, &wanted.method, &wanted.path).host(&wanted.authority);
        for (name, value) in wanted.headers.lines()? {
            request = request.header(name, value);
        }
        if expect.contains_key("route_name") {
            request = request.header(EXPLAIN, "1");
        }
        Ok(request)
    }

    async fn send(&mut self, request: &Request, host: &str) -> Result<Seen> {
        // Envoy may have closed it after the answer before.
        if let Some(connection) = &mut self.connection {
            let start = Instant::now();
            if let Ok(answer) = connection.send(request.clone()).await {
                return Ok(Seen::new(answer, start.elapsed()));
            }
        }
        let mut connection = match &self.tls {
            Some(tls) => Connection::open_tls(self.address, host, tls).await?,
            None => Connection::open(self.address, false).await?,
        };
        let start = Instant::now();
        let answer = connection.send(request.clone()).await?;
        self.connection = Some(connection);
        Ok(Seen::new(answer, start.elapsed()))
    }
}
