//! How long a worker stands still when it gets a big policy, and how much memory that takes: both as the module itself
//! logs them, for whoever turns its debug log on.

use anyhow::{Context as _, Result};
use envoy_test::{ListenerConfig, Policy, module};
use serde_json::{Value, json};

use crate::one_worker;

const COUNT: usize = 10_000;

/// Applies each policy to a worker without one, and then twice more in the place of itself: by then two of them have been
/// there at once.
pub async fn print() -> Result<()> {
    let regexes = format!("{COUNT} routes, each with a regular expression of its own");
    let policies = [
        (format!("{COUNT} exact and prefix paths"), paths()),
        (format!("{COUNT} hosts with one route each"), hosts()),
        (regexes, regex_paths()),
    ];
    println!(
        "\nApplying a policy: the longest time that a worker served nobody, and the VM's memory, which never shrinks.\n"
    );
    println!("{:<60} {:>6} {:>8} {:>9} {:>14}", "", "text", "first", "updates", "memory, then");
    for (name, policy) in &policies {
        let text = policy.to_string();
        // Envoy does nothing about a policy that is the same.
        let mut other = policy.clone();
        other["trustClientRouterHeaders"] = json!("never");
        let texts = [Policy::Text(text.clone()), Policy::Text(other.to_string())];
        let structs = [Policy::Struct(policy.clone()), Policy::Struct(other)];
        for (form, policies) in [("JSON", texts), ("Struct", structs)] {
            let first = apply(&policies, 0).await?;
            let updated = apply(&policies, 2).await?;
            println!(
                "{:<60} {:>3.1} MB {:>5} ms {:>6} ms {:>8} MiB",
                format!("{name}, {form}"),
                text.len() as f64 / 1e6,
                first.milliseconds,
                updated.milliseconds,
                updated.mebibytes
            );
        }
    }
    Ok(())
}

/// What the module said, the most of each.
#[derive(Default)]
struct Applied {
    milliseconds: u64,
    mebibytes: u64,
}

async fn apply([policy, other]: &[Policy; 2], updates: usize) -> Result<Applied> {
    let envoy = one_worker().start().await?;
    envoy.admin().post("/logging?wasm=debug").await?;
    let config = ListenerConfig::new().module(module("pointsman-routing")?);
    let mark = envoy.log().mark();
    let listener = envoy.add_listener(config.policy(policy.clone())).await?;
    for policy in [other, policy].into_iter().cycle().take(updates) {
        listener.update_policy(policy.clone()).await?.accepted();
    }
    // The main thread and the worker, each time; and a canary, if Envoy wants one.
    let expected = 2 * (updates + 1);
    let told = envoy.admin().until("all have said how long it took", async || {
        let told: Vec<_> = envoy.log().since(mark).iter().filter_map(|line| read(line)).collect();
        Ok((told.len() >= expected).then_some(told))
    });
    let told = told.await?;
    let most = |of: fn(&(u64, u64)) -> u64| told.iter().map(of).max().context("nothing was said");
    Ok(Applied { milliseconds: most(|told| told.0)? / 1000, mebibytes: most(|told| told.1)? / 1024 })
}

/// Microseconds and KiB of `configured in 1234 us, memory 5678 KiB`.
fn read(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.split_once("configured in ")?;
    let (time, rest) = rest.split_once(" us, memory ")?;
    Some((time.parse().ok()?, rest.split_once(' ')?.0.parse().ok()?))
}

fn route(number: usize, condition: Value) -> Value {
    let destination = json!({"host": format!("service-{number}.shop.svc.cluster.local"), "port": {"number": 8080}});
    json!({"name": format!("route-{number}"), "match": [condition], "route": [{"destination": destination}]})
}

fn one_service(condition: fn(usize) -> Value) -> Value {
    let http: Vec<_> = (0..COUNT).map(|number| route(number, condition(number))).collect();
    json!({"virtualServices": [{"hosts": ["shop.example.com"], "http": http}]})
}

fn paths() -> Value {
    one_service(|number| match number % 2 {
        0 => json!({"uri": {"exact": format!("/api/v1/item-{number}/details")}}),
        _ => json!({"uri": {"prefix": format!("/api/v1/item-{number}/")}}),
    })
}

fn regex_paths() -> Value {
    one_service(|number| json!({"uri": {"regex": format!("/api/v1/item-{number}/[0-9]+/details")}}))
}

fn hosts() -> Value {
    let service = |number: usize| {
        let http = [route(number, json!({"uri": {"prefix": "/api/"}}))];
        json!({"name": format!("vs-{number}"), "hosts": [format!("host-{number}.example.com")], "http": http})
    };
    json!({"virtualServices": (0..COUNT).map(service).collect::<Vec<_>>()})
}
