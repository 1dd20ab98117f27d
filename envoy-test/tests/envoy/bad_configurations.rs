//! Bad configurations, all of the corpus: Envoy refuses each, its log says all of why, and the old policy serves on.

#[path = "../../configurations/corpus.rs"]
mod corpus;
mod fresh_start;
mod pasted;

use std::collections::BTreeMap;

use anyhow::Result;
use envoy_test::{Admin, Answer, Envoy, ListenerConfig, Policy, Test, module, tests};
use serde_json::{Value, json};

use self::corpus::{Case, Configuration, cases};

pub fn tests() -> Vec<Test> {
    let mut all = tests![each_is_refused_and_the_old_policy_serves_on];
    all.extend(fresh_start::tests());
    all.extend(pasted::tests());
    all
}

/// The forms in which a case may come: as plain Envoy and as Istio hand it over.
fn forms(case: &Case) -> Vec<Policy> {
    match &case.configuration {
        Configuration::Tree(tree) => vec![Policy::Struct(tree.clone()), Policy::Text(tree.to_string())],
        Configuration::Bytes(bytes) => vec![match String::from_utf8(bytes.clone()) {
            Ok(text) => Policy::Text(text),
            Err(_) => Policy::Bytes(bytes.clone()),
        }],
    }
}

/// What the module said in these lines of Envoy's log, as errors.
fn said(log: &str) -> Vec<&str> {
    let errors = log.lines().filter(|line| line.contains("][error][wasm]"));
    errors.filter_map(|line| line.split_once("pointsman: ").map(|(_, message)| message)).collect()
}

/// The lines that Envoy's log shall have: what is wrong with the whole; or how many errors there are, and each.
fn expected(case: &Case) -> Vec<String> {
    let mut lines = case.messages.clone();
    if !lines.iter().any(|line| line.starts_with("the configuration is refused: ")) {
        let count = lines.len();
        let more = if count < 100 { "" } else { ", and more that are not shown" };
        lines.insert(0, format!("the configuration is refused, errors: {count}{more}"));
    }
    lines
}

const COUNTERS: [&str; 5] = ["config_fail", "config_reload", "update_failure", "update_rejected", "update_success"];

/// What Envoy counts of the policies that it found for a filter.
async fn counters(admin: &Admin, filter: &str) -> Result<BTreeMap<&'static str, u64>> {
    let prefix = format!("extension_config_discovery.http_filter.{filter}.");
    let stats = admin.stats(&prefix).await?;
    let value = |name: &str| stats.get(&format!("{prefix}{name}")).copied().unwrap_or(0);
    Ok(COUNTERS.map(|name| (name, value(name))).into())
}

/// The counters after one more policy was refused.
fn one_more_refused(before: &BTreeMap<&'static str, u64>) -> BTreeMap<&'static str, u64> {
    let mut after = before.clone();
    for name in ["config_fail", "update_rejected", "config_reload"] {
        *after.entry(name).or_default() += 1;
    }
    after
}

/// The policy that serves on.
fn old_policy() -> Value {
    json!({"virtualServices": [{"hosts": ["*"], "http": [{
        "rewrite": {"uri": "/old"}, "headers": {"response": {"set": {"x-policy": "old"}}},
        "route": [{"destination": {"host": "old"}}],
    }]}]})
}

#[track_caller]
fn is_of_old_policy(answer: &Answer, name: &str) {
    assert_eq!((answer.status, answer.header("x-policy").as_deref()), (200, Some("old")), "{name}");
    assert_eq!((answer.service().as_str(), answer.echo().path.as_str()), ("old", "/old"), "{name}");
}

async fn each_is_refused_and_the_old_policy_serves_on(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["old"]).await?;
    let config = ListenerConfig::new().module(module("pointsman")?).policy(old_policy());
    let listener = envoy.add_listener(config).await?;
    // What comes is refused before any worker hears of it, so a connection to each of them would tell no more.
    let mut connection = listener.connect().await?;
    let mut differences = String::new();
    for case in cases() {
        for form in forms(&case) {
            let before = counters(envoy.admin(), listener.name()).await?;
            let log = listener.update_policy(form).await?.rejected();
            let after = counters(envoy.admin(), listener.name()).await?;
            assert_eq!(after, one_more_refused(&before), "{}", case.name);
            if said(&log) != expected(&case) {
                differences += &format!("\n{}: {:#?} and not\n{:#?}", case.name, expected(&case), said(&log));
            }
            is_of_old_policy(&connection.send(listener.get("/")).await?, &case.name);
        }
    }
    assert!(differences.is_empty(), "{differences}");
    Ok(())
}
