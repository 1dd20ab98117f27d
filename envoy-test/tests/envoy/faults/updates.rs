//! A policy that changes while a thousand requests wait: each of them ends by the policy that it began under.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Mark, Test, module, tests};
use serde_json::{Value, json};

use super::many::{Many, active, answers, get, stat, well};

pub fn tests() -> Vec<Test> {
    tests![another_policy, a_policy_without_faults, a_bad_policy, two_policies_in_a_row]
}

const CONNECTIONS: usize = 8;
const EACH: usize = 125;
const WAITING: usize = CONNECTIONS * EACH;

/// Long enough for all of them to be there, and for some updates.
const MILLISECONDS: u128 = 10_000;

/// Whoever waits is answered 503 or goes on, by its path. `name` is for metrics, which one Envoy has once.
fn before(name: &str) -> Value {
    let delay = json!({"fixedDelay": format!("{MILLISECONDS}ms"), "percentage": {"value": 100}});
    let abort = json!({"httpStatus": 503, "percentage": {"value": 100}});
    let aborted = format!("{name} aborted");
    json!({
        "faults": [
            {"name": aborted, "match": [{"uri": {"prefix": "/aborted"}}], "fault": {"delay": delay, "abort": abort}},
            {"name": name, "match": [{"uri": {"prefix": "/delayed"}}], "fault": {"delay": delay}},
        ],
    })
}

/// Every request is answered at once, with that status.
fn after(name: &str, status: u16) -> Value {
    json!({"faults": [{"name": name, "fault": {"abort": {"httpStatus": status, "percentage": {"value": 100}}}}]})
}

/// A thousand requests that wait, half of them with an abort behind it.
struct Scene<'a> {
    envoy: &'a Envoy,
    listener: Listener,
    mark: Mark,
    name: &'static str,
    requests: Many,
    /// How many others were delayed meanwhile.
    extra: u64,
}

impl<'a> Scene<'a> {
    async fn begin(envoy: &'a Envoy, module_name: &str, name: &'static str) -> Result<Self> {
        let balanced = json!({"connection_balance_config": {"exact_balance": {}}});
        let config = ListenerConfig::new().module(module(module_name)?).policy(before(name)).listener(balanced);
        let listener = envoy.add_listener(config.routes([answers(200)])).await?;
        let mark = listener.mark();
        let path = |number: usize| get(if number.is_multiple_of(2) { "/delayed" } else { "/aborted" });
        let requests = Many::send(&listener, CONNECTIONS, EACH, path).await?;
        let scene = Self { envoy, listener, mark, name, requests, extra: 0 };
        scene.all_wait().await?;
        Ok(scene)
    }

    /// Nobody was let go or forgotten.
    async fn all_wait(&self) -> Result<()> {
        active(self.envoy, self.name, WAITING / 2).await?;
        active(self.envoy, &format!("{} aborted", self.name), WAITING / 2).await
    }

    /// What a request is answered that comes now; those that came before wait as they did.
    async fn new_request(&self, path: &str) -> Result<u16> {
        let answer = self.listener.get(path).send().await?;
        self.all_wait().await?;
        Ok(answer.status)
    }

    async fn end(self) -> Result<()> {
        let answers = self.requests.ended().await?;
        assert_eq!(answers.len(), WAITING);
        for answer in answers {
            let expected = if answer.path == "/delayed" { 200 } else { 503 };
            assert_eq!((answer.path.as_str(), answer.status), (answer.path.as_str(), expected));
            assert!(answer.took.as_millis() >= MILLISECONDS, "only {:?}", answer.took);
        }
        for (name, extra) in [(self.name, self.extra), (&format!("{} aborted", self.name), 0)] {
            active(self.envoy, name, 0).await?;
            assert_eq!(stat(self.envoy, name, "delays_injected").await?, WAITING as u64 / 2 + extra);
        }
        well(self.envoy, &self.listener, self.mark);
        Ok(())
    }
}

async fn another_policy(envoy: &Envoy) -> Result<()> {
    let scene = Scene::begin(envoy, "pointsman", "before another").await?;
    scene.listener.update_policy(after("another", 418)).await?.accepted();
    assert_eq!(scene.new_request("/delayed").await?, 418);
    scene.end().await
}

async fn a_policy_without_faults(envoy: &Envoy) -> Result<()> {
    let scene = Scene::begin(envoy, "pointsman-fault-injection", "before none").await?;
    scene.listener.update_policy(json!({})).await?.accepted();
    assert_eq!(scene.new_request("/aborted").await?, 200);
    scene.end().await
}

async fn a_bad_policy(envoy: &Envoy) -> Result<()> {
    let mut scene = Scene::begin(envoy, "pointsman", "before a bad one").await?;
    let why = scene.listener.update_policy(after("bad", 199)).await?.rejected();
    assert!(why.contains("faults[0].fault.abort.httpStatus: "), "{why}");
    // What it has no fault for tells that the old one serves.
    assert_eq!(scene.new_request("/other").await?, 200);
    // And a new request waits as those do.
    let mut later = Many::send(&scene.listener, 1, 1, |_| get("/delayed")).await?;
    active(envoy, scene.name, WAITING / 2 + 1).await?;
    later.close();
    scene.mark = scene.listener.mark();
    scene.extra = 1;
    scene.end().await
}

async fn two_policies_in_a_row(envoy: &Envoy) -> Result<()> {
    let scene = Scene::begin(envoy, "pointsman-fault-injection", "before two").await?;
    scene.listener.update_policy(after("first of two", 418)).await?.accepted();
    scene.listener.update_policy(after("second of two", 425)).await?.accepted();
    assert_eq!(scene.new_request("/aborted").await?, 425);
    assert_eq!(stat(envoy, "first of two", "aborts_injected").await?, 0);
    scene.end().await
}
