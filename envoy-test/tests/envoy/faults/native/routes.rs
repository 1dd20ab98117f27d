//! Faults together with whatever else a rule does: an aborted request never comes to the router, and a delayed one comes
//! to it late.

use std::time::{Duration, Instant};

use anyhow::Result;
use envoy_test::{Envoy, Reply, Test, Upstream, tests};
use serde_json::{Value, json};

use super::{Case, Judged};

pub fn tests() -> Vec<Test> {
    tests![
        answers_of_rules,
        an_aborted_request_is_not_sent,
        a_delayed_request_is_tried_again,
        a_delay_is_no_part_of_a_time_out
    ]
}

/// One rule with all of it, and Envoy's route for it.
fn busy(fault: Value, upstream: &Upstream, mirror: &Upstream) -> Case {
    let rule = json!({
        "rewrite": {"uri": "/rewritten", "authority": "new.host"},
        "retries": {"attempts": 2, "retryOn": "5xx"},
        "mirror": {"host": mirror.name()},
        "timeout": "20s",
    });
    let route = json!({"route": {
        "prefix_rewrite": "/rewritten",
        "host_rewrite_literal": "new.host",
        "retry_policy": {"retry_on": "5xx", "num_retries": 2},
        "request_mirror_policies": [{"cluster": mirror.name(), "disable_shadow_host_suffix_append": true}],
        "timeout": "20s",
    }});
    Case::to(upstream.name(), fault).with(rule, route)
}

/// Envoy does faults on a route that answers by itself; of a VirtualService istiod refuses it, so these stand in `faults`.
async fn answers_of_rules(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for fault in [
        json!({"abort": {"httpStatus": 503}}),
        json!({"delay": {"fixedDelay": "0.02s"}}),
        json!({"delay": {"fixedDelay": "0.02s"}, "abort": {"grpcStatus": "ABORTED"}}),
    ] {
        let redirect = (json!({"redirect": {"uri": "/new"}}), json!({"redirect": {"path_redirect": "/new"}}));
        let direct = (
            json!({"directResponse": {"status": 418, "body": {"string": "tea"}}}),
            json!({"direct_response": {"status": 418, "body": {"inline_string": "tea"}}}),
        );
        for (rule, route) in [redirect, direct] {
            let case = Case::new(fault.clone());
            cases.push(Case { rule, route, ..case });
        }
    }
    let judged = Judged::new(envoy, cases).await?;
    let host = |method: &str| judged.request(method).host("shop");
    judged.same(&[host("GET"), host("HEAD"), host("POST").body("x")]).await
}

/// Neither again, nor a copy of it, whatever the client itself asks for.
async fn an_aborted_request_is_not_sent(envoy: &Envoy) -> Result<()> {
    let (upstream, mirror) = (envoy.upstream("never").await?, envoy.upstream("copies").await?);
    let abort = json!({"httpStatus": 503});
    let cases = [json!({"abort": abort}), json!({"abort": abort, "delay": {"fixedDelay": "0.02s"}})];
    let judged = Judged::new(envoy, cases.map(|fault| busy(fault, &upstream, &mirror)).into()).await?;
    let asking = judged.request("GET").header("x-envoy-retry-on", "5xx").header("x-envoy-max-retries", "3");
    judged.same(&[judged.request("GET"), judged.request("POST").body("x"), asking]).await?;
    // Mirrors are begun before the answer: so by now each would be on its way, and it is waited for.
    let last = Judged::new(envoy, vec![busy(json!({"delay": {"fixedDelay": "0.02s"}}), &upstream, &mirror)]).await?;
    last.same(&[last.request("GET")]).await?;
    mirror.arrived(6).await;
    assert_eq!((upstream.requests(), mirror.requests()), (6, 6));
    Ok(())
}

/// It waits once, not before each try, and one copy of it is sent.
async fn a_delayed_request_is_tried_again(envoy: &Envoy) -> Result<()> {
    let (upstream, mirror) = (envoy.upstream("flaky").await?, envoy.upstream("copies").await?);
    let delay = json!({"delay": {"fixedDelay": "0.05s"}});
    let judged = Judged::new(envoy, vec![busy(delay, &upstream, &mirror)]).await?;
    for (count, listener) in judged.listeners().into_iter().enumerate() {
        upstream.script([Reply::status(503).body("no").times(2)]);
        let answer = listener.get("/").header("case", "0").send().await?;
        assert_eq!((answer.status, answer.echo().path.as_str()), (200, "/rewritten"), "{answer}");
        assert_eq!(answer.echo().authority, "new.host");
        assert_eq!(upstream.requests(), 3 * (count + 1));
        mirror.arrived(count + 1).await;
        assert_eq!(mirror.requests(), count + 1);
    }
    // One for each request: they are counted as they are made, before it is sent.
    let label = |listener: &str| format!("http.{listener}.fault.delays_injected");
    assert_eq!(envoy.admin().stat(&label(judged.theirs.name())).await?, 1);
    Ok(())
}

async fn a_delay_is_no_part_of_a_time_out(envoy: &Envoy) -> Result<()> {
    let case = |time: &str| {
        let fault = json!({"delay": {"fixedDelay": "0.3s"}});
        Case::new(fault).with(json!({"timeout": time}), json!({"route": {"timeout": time}}))
    };
    let judged = Judged::new(envoy, vec![case("0.2s")]).await?;
    judged.same(&[judged.request("GET")]).await?;
    for listener in judged.listeners() {
        let start = Instant::now();
        let answer = listener.get("/").header("case", "0").send().await?;
        // Envoy's own timer may end it some milliseconds earlier.
        assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
        assert_eq!(answer.echo().header("x-envoy-expected-rq-timeout-ms"), Some("200"));
    }
    Ok(())
}
