//! Runs a suite of conformance cases, `CONFORMANCE_CASES=path/to/cases.json`: policies, requests, and what client and
//! upstream must see, taken from the tests and documents of Istio and Envoy. Before it, and also without it, run a few
//! cases of our own, which are about the runner: that it knows each word of a case, and finds what is wrong.
//!
//! A case whose policy the module refuses as "not in this version yet" is ignored, with the module's reason, so that it
//! runs by itself when the field is there.

mod case;
mod expect;
mod lab;
mod observed;
mod run;
mod shares;
mod steps;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;
use tokio::runtime::Runtime;

use case::Case;
use lab::Lab;

/// Cases with which a real Envoy under Istio does not agree, and what it does instead.
const LEFT_OUT: [(&str, &str); 0] = [];

/// Cases mostly wait, some of them for many seconds.
const THREADS: usize = 4;

fn main() -> ExitCode {
    match suite() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("conformance: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn suite() -> Result<ExitCode> {
    let mut cases: Vec<Value> = serde_json::from_str(include_str!("own_cases.json")).context("our own cases")?;
    let path = std::env::var_os("CONFORMANCE_CASES").filter(|path| !path.is_empty());
    match &path {
        None => println!("conformance: the suite is NOT run, it needs CONFORMANCE_CASES=path/to/cases.json"),
        Some(path) => {
            let shown = || format!("cannot read {}", path.display());
            let text = std::fs::read_to_string(path).with_context(shown)?;
            cases.extend(serde_json::from_str::<Vec<Value>>(&text).with_context(shown)?);
        }
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let runtime = Arc::new(Runtime::new()?);
    let labs: Arc<Mutex<Vec<Lab>>> = Arc::default();
    let trial = |value: Value| {
        let (runtime, labs) = (Arc::clone(&runtime), Arc::clone(&labs));
        let name = format!("{}::{}", value["area"].as_str().unwrap_or("?"), value["id"].as_str().unwrap_or("?"));
        Trial::ignorable_test(name, move || {
            runtime.block_on(outcome(value, &labs)).map_err(|error| Failed::from(format!("{error:?}")))
        })
    };
    let conclusion = libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect());
    labs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    Ok(conclusion.exit_code())
}

async fn outcome(value: Value, labs: &Mutex<Vec<Lab>>) -> Result<Completion> {
    let case: Case = serde_json::from_value(value.clone()).with_context(|| format!("not a case: {value:#}"))?;
    let shown = || format!("{}\n{value:#}", case.source);
    if let Some((_, why)) = LEFT_OUT.iter().find(|(id, _)| *id == case.id) {
        return Ok(Completion::ignored_with(format!("left out: {why}")));
    }
    if !case.policy_format.starts_with("istio.VirtualService.spec") {
        return Ok(Completion::ignored_with("no filter for it yet"));
    }
    // A lab is one case's at a time: upstreams are called as the policy calls them, so cases would meet there.
    let free = labs.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut lab = match free {
        Some(lab) => lab,
        None => Lab::new().await?,
    };
    let ran = run::run(&case, &mut lab).await;
    let completion = match (ran, &case.refused) {
        (Err(error), Some(why)) if format!("{error:?}").contains(why) => Completion::Completed,
        (Ok(_), Some(why)) => bail!("not refused: {why}"),
        // After a failure nobody knows in which state the lab is.
        (ran, _) => ran.with_context(shown)?,
    };
    labs.lock().map_err(|_| anyhow!("a case has panicked"))?.push(lab);
    Ok(completion)
}
