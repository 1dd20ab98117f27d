//! A hundred thousand mutated requests.
//!
//! When one of them kills the module, the test says which: `HOSTILE_SEED=… HOSTILE_ONLY=…` sends that one alone.
//! `HOSTILE_SEED=…` without the other makes it another storm, `HOSTILE_REQUESTS=…` a longer one.

use std::env;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, anyhow, ensure};
use envoy_test::{Envoy, EnvoyConfig, Listener, ListenerConfig, Outcome, RawHttp1, RawHttp2, Test, test_module, tests};
use serde_json::json;
use tokio::sync::mpsc;

use super::mutations::Mutant;
use super::policy::{self, By};
use super::vital::Vital;

pub fn tests() -> Vec<Test> {
    tests![mutated_requests, the_one_that_kills_is_found, a_number_is_always_the_same_request]
}

const SEED: u64 = 0x0006_7365_6564;
const REQUESTS: usize = 100_000;
/// After so many the module is looked at, and an ordinary request is sent.
const BATCH: usize = 2_000;
/// So many are under way at once.
const CLIENTS: usize = 48;

/// What is under attack.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Every fourth request goes to the listener that names destinations by the host.
    Routing,
    /// A module that panics when it is asked to.
    Panics,
}

async fn listeners(envoy: &Envoy, kind: Kind) -> Result<Vec<Listener>> {
    // What never comes to its end is answered after a while.
    let limits = json!({"request_timeout": "0.5s", "request_headers_timeout": "0.5s", "stream_idle_timeout": "2s"});
    Ok(match kind {
        Kind::Routing => {
            let by_header = policy::config_of(envoy, By::Header).await?.manager(limits.clone());
            let by_authority = policy::config_of(envoy, By::Authority).await?.manager(limits);
            vec![envoy.add_listener(by_header).await?, envoy.add_listener(by_authority).await?]
        }
        Kind::Panics => {
            let config = policy::wide(ListenerConfig::new().module(test_module("panics")?)).manager(limits);
            vec![envoy.add_listener(config).await?]
        }
    })
}

/// Which of the listeners gets a request.
fn choose(listeners: &[Listener], number: usize) -> &Listener {
    let second = if number % 4 == 3 { 1 } else { 0 };
    &listeners[second.min(listeners.len() - 1)]
}

/// A client's connections: for each listener one in each protocol.
#[derive(Default)]
struct Client {
    http1: Vec<Option<RawHttp1>>,
    http2: Vec<Option<RawHttp2>>,
}

impl Client {
    /// Sends a request, over a connection that is there if that is sure to be as good as a new one.
    async fn send(&mut self, listeners: &[Listener], seed: u64, number: usize) -> Result<Outcome> {
        let mutant = Mutant::of(seed, number);
        let listener = choose(listeners, number);
        let index = listeners.iter().position(|other| other.name() == listener.name()).unwrap_or(0);
        self.http1.resize_with(listeners.len(), || None);
        self.http2.resize_with(listeners.len(), || None);
        if number % 5 == 4 {
            let lines = mutant.http2();
            let lines: Vec<(&[u8], &[u8])> =
                lines.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
            let mut connection = match self.http2[index].take() {
                Some(connection) => connection,
                None => RawHttp2::open(listener.address()).await?,
            };
            let body = (!mutant.body.is_empty()).then_some(mutant.body.as_slice());
            let outcome = connection.ask_with(&lines, body, &[]).await?;
            self.http2[index] =
                Some(connection).filter(|connection| connection.is_open() && outcome != Outcome::Closed);
            return Ok(outcome);
        }
        let mut connection = match self.http1[index].take() {
            Some(connection) => connection,
            None => RawHttp1::open(listener.address()).await?,
        };
        connection.write(&mutant.http1()).await;
        let outcome = loop {
            let outcome = connection.any_answer(mutant.is_head()).await?;
            // 100 is followed by the answer.
            if outcome.status() != 100 {
                break outcome;
            }
        };
        self.http1[index] = Some(connection)
            .filter(|connection| connection.is_idle() && mutant.is_delimited() && outcome.status() != 0);
        Ok(outcome)
    }
}

/// How many were answered with each hundred of statuses; at 0, how many were not.
type Statuses = [usize; 10];

/// Sends requests until there are no more numbers; `taken` is told each one that begins a batch.
async fn attack(
    listeners: Arc<Vec<Listener>>,
    seed: u64,
    next: Arc<AtomicUsize>,
    end: usize,
    taken: mpsc::UnboundedSender<usize>,
) -> Result<Statuses> {
    let (mut client, mut statuses) = (Client::default(), [0; 10]);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return Ok(statuses);
        }
        if number.is_multiple_of(BATCH) {
            // Whoever no longer listens has seen enough.
            let _ = taken.send(number);
        }
        let outcome = client.send(&listeners, seed, number).await;
        let status = outcome.with_context(|| name(seed, number))?.status();
        statuses[usize::from(status / 100).min(9)] += 1;
    }
}

fn name(seed: u64, number: usize) -> String {
    format!("HOSTILE_SEED={seed} HOSTILE_ONLY={number}")
}

/// Sends that many, and looks at the module after each batch, while the next one is under way.
async fn storm(envoy: &Envoy, kind: Kind, seed: u64, requests: usize) -> Result<Statuses> {
    let listeners = Arc::new(listeners(envoy, kind).await?);
    let vitals: Vec<Vital<'_>> = listeners.iter().map(|listener| Vital::watch(envoy, listener)).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let (taken, mut begun) = mpsc::unbounded_channel();
    let attacks = (0..CLIENTS)
        .map(|_| tokio::spawn(attack(Arc::clone(&listeners), seed, Arc::clone(&next), requests, taken.clone())));
    let attacks: Vec<_> = attacks.collect();
    drop(taken);
    let (mut well_until, mut ill) = (0, None);
    loop {
        let batch = begun.recv().await;
        for vital in &vitals {
            let is_well = async {
                vital.signs().await?;
                // The module that panics routes nothing.
                if let Kind::Routing = kind {
                    vital.probe().await?;
                }
                anyhow::Ok(())
            };
            ill = ill.or(is_well.await.err());
        }
        match (batch, &ill) {
            (Some(number), None) => well_until = number,
            (None, None) => break,
            (_, Some(_)) => {
                // None of the others needs to be sent.
                let until = next.swap(requests, Ordering::Relaxed).min(requests);
                let culprit = culprit(envoy, kind, seed, well_until.saturating_sub(CLIENTS)..until).await?;
                let why = ill.unwrap_or_else(|| anyhow!("it is ill"));
                return Err(why.context(format!("seed {seed}, requests {well_until} to {until}, {culprit}")));
            }
        }
    }
    let mut statuses = [0; 10];
    for attack in attacks {
        statuses.iter_mut().zip(attack.await??).for_each(|(sum, count)| *sum += count);
    }
    for (vital, listener) in vitals.iter().zip(listeners.iter()) {
        vital.check().await?;
        // The upstreams answer everything, so whatever is not Envoy's own word about a request is a failure.
        let log = listener.access_log(0).await?;
        let failed = log.iter().find(|line| line["code"].as_u64() >= Some(500) && line["code"] != 501);
        ensure!(failed.is_none(), "seed {seed}: {failed:?}");
    }
    Ok(statuses)
}

/// Which one of them it was: each is sent alone, to listeners that have seen nothing else.
async fn culprit(envoy: &Envoy, kind: Kind, seed: u64, numbers: Range<usize>) -> Result<String> {
    let listeners = listeners(envoy, kind).await?;
    for number in numbers {
        let vital = Vital::watch(envoy, choose(&listeners, number));
        Client::default().send(&listeners, seed, number).await?;
        if vital.signs().await.is_err() {
            let request = Mutant::of(seed, number).http1();
            return Ok(format!("{} kills it: {}", name(seed, number), request.escape_ascii()));
        }
    }
    Ok("but none of them alone".into())
}

fn variable(name: &str) -> Result<Option<usize>> {
    match env::var(name) {
        Ok(text) => text.parse().map(Some).map_err(|_| anyhow!("{name}={text} is no number")),
        Err(_) => Ok(None),
    }
}

/// In an Envoy of their own, with two workers.
async fn mutated_requests(_: &Envoy) -> Result<()> {
    let envoy = EnvoyConfig::new().concurrency(2).start().await?;
    let seed = variable("HOSTILE_SEED")?.map_or(SEED, |seed| seed as u64);
    if let Some(only) = variable("HOSTILE_ONLY")? {
        let found = culprit(&envoy, Kind::Routing, seed, only..only + 1).await?;
        ensure!(found.contains("none of them"), "{found}");
        return Ok(());
    }
    let requests = variable("HOSTILE_REQUESTS")?.unwrap_or(REQUESTS);
    let statuses =
        storm(&envoy, Kind::Routing, seed, requests).await.with_context(|| format!("HOSTILE_SEED={seed}"))?;
    assert_eq!(statuses.iter().sum::<usize>(), requests);
    // Enough of them get as far as the policy, and enough do not.
    assert!(statuses[2] > requests / 4, "{statuses:?}");
    assert!(statuses[3] > requests / 100, "{statuses:?}");
    assert!(statuses[4] > requests / 20, "{statuses:?}");
    Ok(())
}

async fn the_one_that_kills_is_found(_: &Envoy) -> Result<()> {
    let envoy = EnvoyConfig::new().concurrency(2).start().await?;
    let killing = |number: &usize| Mutant::of(SEED, *number).lines.iter().any(|(name, _)| name == b"x-panic");
    let numbers: Vec<usize> = (0..BATCH).filter(killing).collect();
    assert!(!numbers.is_empty(), "nothing kills");
    let why = format!("{:?}", storm(&envoy, Kind::Panics, SEED, BATCH).await.expect_err("it panics"));
    let found = numbers.iter().find(|number| why.contains(&format!("{} kills it", name(SEED, **number))));
    assert!(found.is_some(), "{why}: not one of {numbers:?}");
    Ok(())
}

async fn a_number_is_always_the_same_request(_: &Envoy) -> Result<()> {
    let different = (0..1000).filter(|number| Mutant::of(1, *number) != Mutant::of(2, *number)).count();
    assert!(different > 990, "{different}");
    assert!((0..1000).all(|number| Mutant::of(1, number) == Mutant::of(1, number)));
    // A seed in a report shall be worth something: whoever changes the generator sees it here.
    let seventh = Mutant::of(1, 7).http1();
    let expected = b"GET /c HTTP/1.1\r\nx-present: 1\r\nhost: hostile.example\r\nx-not: right\r\n\r\n";
    assert_eq!(seventh.escape_ascii().to_string(), expected.escape_ascii().to_string());
    Ok(())
}
