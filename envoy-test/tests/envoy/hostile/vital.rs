//! Whether a listener's module lives: by what Envoy logs, by its counters, by its access log, and by the next request.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use envoy_test::{Envoy, EnvoyConfig, Listener, ListenerConfig, Mark, Test, test_module, tests};

use super::policy::{self, HOST};

pub fn tests() -> Vec<Test> {
    tests![a_dead_module_is_noticed, a_complaint_is_noticed, a_well_module_lives]
}

/// A listener under attack, and where in the log it began.
pub struct Vital<'a> {
    envoy: &'a Envoy,
    listener: &'a Listener,
    mark: Mark,
}

impl<'a> Vital<'a> {
    /// From now on.
    pub fn watch(envoy: &'a Envoy, listener: &'a Listener) -> Self {
        Self { envoy, listener, mark: envoy.log().mark() }
    }

    /// The module has not failed, nothing was refused in its place, and the next requests are routed as they shall be.
    pub async fn check(&self) -> Result<()> {
        self.signs().await?;
        let path = self.probe().await?;
        self.access_log(&path).await?;
        self.signs().await
    }

    /// What can be seen without another request.
    pub async fn signs(&self) -> Result<()> {
        self.log()?;
        self.counters().await
    }

    /// Envoy names no listener when a callback fails, so that no other test may do that to the same Envoy: those which
    /// want to start their own.
    fn log(&self) -> Result<()> {
        let name = self.listener.name();
        let is_bad = |entry: &String| {
            let is_ours = entry.contains(name) && ["[error]", "[critical]"].iter().any(|level| entry.contains(level));
            entry.contains("Function: proxy_on_") || is_ours
        };
        let bad: Vec<String> = self.envoy.log().since(self.mark).into_iter().filter(is_bad).collect();
        ensure!(bad.is_empty(), "the log of {name} says:\n{}", bad.join("\n"));
        Ok(())
    }

    /// `vm_reload_success`, `vm_reload_failure` and `vm_reload_backoff`: all of them count what comes after a failure.
    async fn counters(&self) -> Result<()> {
        let counters = self.envoy.admin().stats(&format!("wasm.{}.vm_reload", self.listener.name())).await?;
        ensure!(counters.len() >= 3, "Envoy does not count reloads under these names any more: {counters:?}");
        ensure!(counters.values().all(|count| *count == 0), "the VM was lost: {counters:?}");
        Ok(())
    }

    /// An ordinary request in each protocol, to a rule that changes it, which is so seen to be applied; the last one's
    /// path.
    pub async fn probe(&self) -> Result<String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut path = String::new();
        for http2 in [false, true] {
            path = format!("/regex/probe-{}", COUNT.fetch_add(1, Ordering::Relaxed));
            let request = self.listener.get(&path).host(HOST).header("x-in", "probe");
            let answer = if http2 { request.http2() } else { request }.send().await?;
            ensure!(answer.status == 200, "the next request is not served: {answer}");
            let echo = answer.echo();
            let seen = (echo.service.as_str(), echo.header("x-copy"), answer.header("x-copy"));
            let expected = ("hostile-beta", Some("<probe>"), Some("<probe|200>".to_owned()));
            ensure!(seen == expected, "the next request is routed wrongly: {answer}");
            ensure!(
                echo.header("x-envoy-original-path") == Some(&path),
                "the next request is rewritten wrongly: {answer}"
            );
        }
        Ok(path)
    }

    /// No request up to the one with this path was refused because the VM was dead. (The log has the path as it was
    /// sent: rewritten, but for its end.)
    async fn access_log(&self, path: &str) -> Result<()> {
        let end = path.rsplit('/').next().unwrap_or(path);
        let has_come = async || {
            let lines = self.listener.access_log(0).await?;
            let is_there = lines.iter().any(|line| line["path"].as_str().is_some_and(|path| path.ends_with(end)));
            Ok(is_there.then_some(lines))
        };
        let lines = self.envoy.admin().until(&format!("the access log has {path}"), has_come).await?;
        let refused = lines.iter().find(|line| line["details"].as_str().is_some_and(|why| why.contains("wasm_fail")));
        ensure!(refused.is_none(), "{} was refused by a dead VM: {refused:?}", self.listener.name());
        Ok(())
    }
}

/// Each sign by itself.
async fn a_dead_module_is_noticed(_: &Envoy) -> Result<()> {
    let envoy = EnvoyConfig::new().concurrency(1).start().await?;
    let listener = envoy.add_listener(ListenerConfig::new().module(test_module("panics")?)).await?;
    let vital = Vital::watch(&envoy, &listener);
    assert_eq!(listener.get("/well").send().await?.status, 200);
    vital.signs().await?;
    vital.access_log("/well").await?;

    assert_eq!(listener.get("/panic").header("x-panic", "1").send().await?.status, 503);
    let why = vital.log().expect_err("it has panicked").to_string();
    assert!(why.contains("panicked at") && why.contains("Function: proxy_on_request_headers failed"), "{why}");
    let why = vital.access_log("/panic").await.expect_err("a request was refused").to_string();
    assert!(why.contains("wasm_fail_stream"), "{why}");
    // The next request loads the module again, or would if it were not too soon.
    listener.get("/next").send().await?;
    let why = vital.counters().await.expect_err("it was loaded again").to_string();
    assert!(why.contains("the VM was lost"), "{why}");
    // It routes nothing, but to `default`.
    let why = vital.probe().await.expect_err("nobody routes").to_string();
    assert!(why.contains("routed wrongly") || why.contains("not served"), "{why}");
    assert!(vital.check().await.is_err());
    Ok(())
}

/// What a module says of itself counts, too.
async fn a_complaint_is_noticed(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    listener.update_policy(serde_json::json!({"virtualServices": 5})).await?.rejected();
    let why = vital.log().expect_err("the policy is refused").to_string();
    assert!(why.contains("the configuration is refused"), "{why}");
    Ok(())
}

async fn a_well_module_lives(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    Vital::watch(envoy, &listener).check().await
}
