//! What a failure policy is worth when a module panics, which ours shall never do: `FAIL_RELOAD`, as all examples have it.

use std::fs;

use anyhow::{Result, ensure};
use envoy_test::{Envoy, EnvoyConfig, Listener, ListenerConfig, Test, test_module, tests, workspace};
use serde_json::json;

pub fn tests() -> Vec<Test> {
    tests![it_is_loaded_again, the_examples_say_so]
}

async fn status(listener: &Listener, path: &str) -> Result<u16> {
    let request = listener.get(path);
    Ok(if path == "/panic" { request.header("x-panic", "1") } else { request }.send().await?.status)
}

/// Under `FAIL_CLOSED`, Envoy's default, a worker whose VM is lost refuses whatever comes.
async fn it_is_loaded_again(_: &Envoy) -> Result<()> {
    let envoy = EnvoyConfig::new().concurrency(1).start().await?;
    let with = async |policy: &str| {
        let config = ListenerConfig::new().module(test_module("panics")?);
        envoy.add_listener(config.plugin(json!({"failure_policy": policy}))).await
    };
    let (closed, reloaded) = (with("FAIL_CLOSED").await?, with("FAIL_RELOAD").await?);
    for round in 1..=2 {
        for listener in [&closed, &reloaded] {
            let expected = if round == 1 || listener.name() == reloaded.name() { 200 } else { 503 };
            assert_eq!(status(listener, "/").await?, expected, "{round}");
            assert_eq!(status(listener, "/panic").await?, 503, "{round}");
        }
        // Envoy does not load it again at once, and the later the more often it was lost.
        let served = async || Ok((status(&reloaded, "/").await? == 200).then_some(()));
        envoy.admin().until("the module is loaded again", served).await?;
        let counted = |name: &str| format!("wasm.{}.vm_reload_{name}", reloaded.name());
        assert_eq!(envoy.admin().stat(&counted("success")).await?, round);
        assert_eq!(envoy.admin().stat(&counted("failure")).await?, 0);
        assert_eq!(status(&closed, "/").await?, 503, "{round}");
    }
    let counters = envoy.admin().stats(&format!("wasm.{}.vm_reload", closed.name())).await?;
    assert!(counters.values().all(|count| *count == 0), "{counters:?}");
    let log = closed.access_log(5).await?;
    let details: Vec<_> = log.iter().map(|line| line["details"].as_str().unwrap_or_default()).collect();
    assert_eq!(details.iter().filter(|why| **why == "wasm_fail_stream").count(), details.len() - 1, "{details:?}");
    Ok(())
}

/// Every plugin of every example.
async fn the_examples_say_so(_: &Envoy) -> Result<()> {
    let mut plugins = 0;
    for example in fs::read_dir(workspace().join("examples"))? {
        let example = example?.path();
        if !example.is_dir() {
            continue;
        }
        for file in fs::read_dir(example)? {
            let file = file?.path();
            if file.extension().is_none_or(|end| end != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&file)?;
            let count = |what: &str| text.matches(what).count();
            let here = count("vm_config:");
            ensure!(here == count("failure_policy: FAIL_RELOAD"), "{} has another failure policy", file.display());
            plugins += here;
        }
    }
    assert!(plugins >= 2, "only {plugins} plugins were found");
    Ok(())
}
