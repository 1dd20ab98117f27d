//! How many requests get a fault: `percentage` by chance, and `maxPercentage` of all, exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Test, bounds, module, tests};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::many::{answers, overflow, stat};

pub fn tests() -> Vec<Test> {
    tests![
        five_percent_of_all_at_any_moment,
        a_share_that_is_not_used_up_caps_nothing,
        a_percentage_is_that_of_the_requests,
        one_in_ten_thousand,
        a_delay_and_an_abort_are_drawn_apart,
    ]
}

const CONNECTIONS: u32 = 8;

/// A fair draw fails a test in one of so many runs.
const MISS: f64 = 1e-6;

async fn listener(envoy: &Envoy, policy: Value) -> Result<Listener> {
    let config = ListenerConfig::new()
        .module(module("pointsman")?)
        .policy(policy)
        .listener(json!({"connection_balance_config": {"exact_balance": {}}}));
    envoy.add_listener(config.routes([answers(200)])).await
}

/// Sends so many over connections to both workers. `ended` is told each answer's status and which fault it had.
async fn ask(
    listener: &Listener,
    path: &str,
    requests: u32,
    begun: impl Fn() + Clone + Send + 'static,
    ended: impl Fn(u16, Option<String>) + Clone + Send + 'static,
) -> Result<()> {
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut connection, request) = (listener.connect().await?, listener.get(path));
        let (begun, ended) = (begun.clone(), ended.clone());
        clients.spawn(async move {
            for _ in 0..requests / CONNECTIONS {
                begun();
                let answer = connection.send(request.clone()).await?;
                ended(answer.status, answer.header("x-fault"));
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

fn abort(percent: f64) -> Value {
    json!({"abort": {"httpStatus": 503, "percentage": {"value": percent}}})
}

/// With twenty sent there may be one fault, with forty there may be two.
async fn five_percent_of_all_at_any_moment(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 6_000;
    const ONE_OF: u64 = 20;
    let policy = json!({
        "faultInjection": {"maxPercentage": {"value": 5}},
        "faults": [{"name": "five percent", "fault": abort(100.0)}],
    });
    let listener = listener(envoy, policy).await?;
    let (sent, faults, above) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let begun = {
        let sent = Arc::clone(&sent);
        move || {
            sent.fetch_add(1, Ordering::SeqCst);
        }
    };
    let ended = {
        let (sent, faults, above) = (Arc::clone(&sent), Arc::clone(&faults), Arc::clone(&above));
        move |status, _| {
            if status == 503 {
                let faults = faults.fetch_add(1, Ordering::SeqCst) + 1;
                // Envoy has seen no more requests than were sent.
                above.fetch_add(u64::from(faults * ONE_OF > sent.load(Ordering::SeqCst)), Ordering::SeqCst);
            }
        }
    };
    ask(&listener, "/", REQUESTS, begun, ended).await?;
    let (faults, requests) = (faults.load(Ordering::SeqCst), u64::from(REQUESTS));
    assert_eq!(above.load(Ordering::SeqCst), 0, "so often there were more faults than the share");
    assert!(faults * 100 >= requests / ONE_OF * 99, "only {faults}");
    println!("maxPercentage 5 %, {requests} requests on two workers that all are to fail: {faults} did.");
    assert_eq!(stat(envoy, "five percent", "aborts_injected").await?, faults);
    let capped = overflow(envoy, "five percent", "maxPercentage").await?;
    assert_eq!((capped, overflow(envoy, "five percent", "contended").await?), (requests - faults, 0));
    Ok(())
}

async fn a_share_that_is_not_used_up_caps_nothing(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 4_000;
    let policy = json!({
        "faultInjection": {"maxPercentage": {"value": 50}},
        "faults": [{"name": "half of it", "fault": abort(5.0)}],
    });
    let listener = listener(envoy, policy).await?;
    ask(&listener, "/", REQUESTS, || (), |_, _| ()).await?;
    let done = stat(envoy, "half of it", "aborts_injected").await?;
    let capped = overflow(envoy, "half of it", "maxPercentage").await?;
    // The first ones come when nothing is earned yet; after that a tenth of it is wanted.
    assert!(capped <= 20, "{capped}");
    let (low, high) = bounds(REQUESTS, 0.05, MISS);
    assert!((u64::from(low)..=u64::from(high)).contains(&(done + capped)), "{done} and {capped}");
    Ok(())
}

async fn a_percentage_is_that_of_the_requests(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 4_000;
    let percentages = [0.0, 1.0, 10.0, 50.0, 100.0];
    let faults = percentages.map(|percent| {
        let path = json!([{"uri": {"exact": format!("/{percent}")}}]);
        json!({"name": format!("by chance {percent}"), "match": path, "fault": abort(percent)})
    });
    let listener = listener(envoy, json!({"faults": faults})).await?;
    for percent in percentages {
        let failed = Arc::<AtomicU64>::default();
        let count = Arc::clone(&failed);
        let ended = move |status, _| {
            count.fetch_add(u64::from(status == 503), Ordering::SeqCst);
        };
        ask(&listener, &format!("/{percent}"), REQUESTS, || (), ended).await?;
        let failed = failed.load(Ordering::SeqCst);
        let (low, high) = match percent {
            0.0 => (0, 0),
            100.0 => (REQUESTS, REQUESTS),
            _ => bounds(REQUESTS, percent / 100.0, MISS),
        };
        println!("{percent} % of {REQUESTS} requests: {failed} ({low} to {high} would be by chance)");
        assert!((u64::from(low)..=u64::from(high)).contains(&failed), "{percent} %: {failed}, not {low} to {high}");
        assert_eq!(stat(envoy, &format!("by chance {percent}"), "aborts_injected").await?, failed);
    }
    Ok(())
}

/// To tell that from none takes more draws than requests can be sent in a test: so each request is drawn for again and
/// again, by faults that are only counted.
async fn one_in_ten_thousand(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 4_000;
    const DRAWS: u32 = 50;
    let one = |number| json!({"name": format!("rare {number}"), "shadow": true, "fault": abort(0.01)});
    let faults: Vec<Value> = (0..DRAWS).map(one).collect();
    let listener = listener(envoy, json!({"faults": faults})).await?;
    ask(&listener, "/", REQUESTS, || (), |status, _| assert_eq!(status, 200)).await?;
    let mut hits = 0;
    for number in 0..DRAWS {
        hits += stat(envoy, &format!("rare {number}"), "shadow_aborts_injected").await?;
    }
    let (low, high) = bounds(REQUESTS * DRAWS, 0.0001, MISS);
    println!("0.01 % of {} draws: {hits} ({low} to {high} would be by chance)", REQUESTS * DRAWS);
    assert!(low > 0 && (u64::from(low)..=u64::from(high)).contains(&hits), "{hits}, not {low} to {high}");
    Ok(())
}

async fn a_delay_and_an_abort_are_drawn_apart(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 4_000;
    let half = json!({"value": 50});
    let fault = json!({
        "delay": {"fixedDelay": "1ms", "percentage": half},
        "abort": {"httpStatus": 503, "percentage": half},
    });
    let policy = json!({
        "faultInjection": {"responseHeader": "x-fault"},
        "faults": [{"name": "apart", "fault": fault}],
    });
    let listener = listener(envoy, policy).await?;
    let classes = Arc::new([const { AtomicU64::new(0) }; 4]);
    let counted = Arc::clone(&classes);
    let ended = move |status, told: Option<String>| {
        let is_delayed = told.is_some_and(|told| told.starts_with("delay 1ms by apart"));
        counted[usize::from(status == 503) * 2 + usize::from(is_delayed)].fetch_add(1, Ordering::SeqCst);
    };
    ask(&listener, "/", REQUESTS, || (), ended).await?;
    let classes = [0, 1, 2, 3].map(|class: usize| classes[class].load(Ordering::SeqCst));
    let (low, high) = bounds(REQUESTS, 0.25, MISS);
    println!("delay 50 %, abort 50 % of {REQUESTS}: neither, delay, abort, both: {classes:?} ({low} to {high})");
    assert!(classes.iter().all(|count| (u64::from(low)..=u64::from(high)).contains(count)), "{classes:?}");
    assert_eq!(stat(envoy, "apart", "delays_injected").await?, classes[1] + classes[3]);
    assert_eq!(stat(envoy, "apart", "aborts_injected").await?, classes[2] + classes[3]);
    Ok(())
}
