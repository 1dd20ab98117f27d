//! Runs a suite of conformance cases, `CONFORMANCE_CASES=path/to/cases.json`: policies, requests, and what client and
//! upstream must see, taken from the tests and documents of Istio and Envoy.
//!
//! A case whose policy the module refuses as "not in this version yet" is ignored, with the module's reason, so that it
//! runs by itself when the field is there.

mod case;
mod expect;
mod lab;
mod run;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

use case::Case;
use lab::Lab;

/// Cases with which a real Envoy under Istio does not agree, and what it does instead.
const LEFT_OUT: [(&str, &str); 0] = [];

/// Cases mostly wait, some of them for many seconds.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let Some(path) = std::env::var_os("CONFORMANCE_CASES").filter(|path| !path.is_empty()) else {
        println!("conformance: NOT run, it needs CONFORMANCE_CASES=path/to/cases.json");
        return ExitCode::SUCCESS;
    };
    match suite(path.as_ref()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("conformance: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn suite(path: &std::path::Path) -> Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let runtime = Arc::new(Runtime::new()?);
    let labs: Arc<Mutex<Vec<Lab>>> = Arc::default();
    let trial = |value: serde_json::Value| {
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

async fn outcome(value: serde_json::Value, labs: &Mutex<Vec<Lab>>) -> Result<Completion> {
    let case: Case = serde_json::from_value(value.clone()).context("not a case")?;
    let shown = || format!("{}\n{value:#}", case.source);
    if let Some((_, why)) = LEFT_OUT.iter().find(|(id, _)| *id == case.id) {
        return Ok(Completion::ignored_with(format!("left out: {why}")));
    }
    if case.policy_format != "istio.VirtualService.spec" {
        return Ok(Completion::ignored_with("no filter for it yet"));
    }
    // A lab is one case's at a time: upstreams are called as the policy calls them, so cases would meet there.
    let free = labs.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut lab = match free {
        Some(lab) => lab,
        None => Lab::new().await?,
    };
    let ran = run::run(&case, &mut lab).await;
    match ran {
        // After a failure nobody knows in which state it is.
        Err(error) => Err(error).with_context(shown),
        Ok(completion) => {
            labs.lock().map_err(|_| anyhow!("a case has panicked"))?.push(lab);
            Ok(completion)
        }
    }
}
