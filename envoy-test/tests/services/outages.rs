//! Services that are down, and that go while they are needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
use envoy_test::rls::{OVER_LIMIT, RateLimitResponse};
use envoy_test::{Connection, Envoy, EnvoyConfig, Listener, RateLimitStub, Reply, Test, Upstream, tests};
use serde_json::json;
use tokio::task::JoinSet;

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![down, no_such_cluster, names_that_are_messages, names_of_istio, restarted_under_load]
}

/// The request goes on, or it is refused with the status for that; when the service is back, it is asked again.
async fn down(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        let domain = format!("down-{kind:?}-{module}");
        let mut engine = Engine::start_for(kind, &domain, &[("user", 1)]).await?;
        let upstream = envoy.add_upstream(engine.upstream()).await?;
        let name = named(&upstream);
        let with_limit = async |of_global| {
            let limit = with(by_user(&name, &upstream, of_global), json!({"global": {"domain": domain}}));
            listener(envoy, module, json!([limit])).await
        };
        let denies = with_limit(json!({})).await?;
        let unavailable = with_limit(json!({"statusOnError": 503})).await?;
        let allows = with_limit(json!({"failureModeDeny": false})).await?;
        let by_default = with_limit(json!({"failureModeDeny": null})).await?;
        let listeners = [(&denies, 500), (&unavailable, 503), (&allows, 200), (&by_default, 200)];
        engine.stop();
        for (listener, expected) in listeners {
            assert_eq!(statuses(&listener.get("/").header("user", "a"), 2).await?, [expected; 2], "{kind:?} {module}");
        }
        assert_eq!(of_service(envoy, "service_errors", &domain).await?, 8, "{kind:?} {module}");
        assert_eq!(of_service(envoy, "failure_mode_allowed", &domain).await?, 4, "{kind:?} {module}");
        let log = denies.access_log(2).await?;
        assert_eq!(log[0]["details"], format!("pointsman_rate_limit_service_error{{{name}}}"), "{kind:?} {module}");
        engine.start_again().await?;
        for (place, (listener, _)) in listeners.into_iter().enumerate() {
            let request = listener.get("/").header("user", format!("of {place}"));
            assert_eq!(statuses(&request, 2).await?, then_refused(1, 1), "{kind:?} {module}");
        }
    }
    Ok(())
}

/// The operator may take it away while it is in use.
async fn no_such_cluster(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        for (deny, expected) in [(true, 500), (false, 200)] {
            let (_stub, upstream) = stub(envoy).await?;
            let limit = json!([by_user("", &upstream, json!({"failureModeDeny": deny}))]);
            let listener = listener(envoy, module, limit).await?;
            let request = listener.get("/").header("user", "a");
            assert_eq!(request.clone().send().await?.status, 200);
            drop(upstream);
            let gone = async || Ok((request.clone().send().await?.status == expected).then_some(()));
            envoy.admin().until("Envoy has forgotten the cluster", gone).await?;
            assert_eq!(statuses(&request, 3).await?, [expected; 3], "{module} {deny}");
        }
    }
    Ok(())
}

/// Envoy takes whatever can be a serialized message for one, and what is none for a cluster's name. Some names can be:
/// `st` begins and ends a group of nothing, `u` is a field of four bytes.
async fn names_that_are_messages(_: &Envoy) -> Result<()> {
    let names = ["stub-10", "again-123", "st"];
    // It may end of that.
    let envoy = EnvoyConfig::new().concurrency(1).start().await?;
    for name in names.map(str::to_owned).into_iter().chain([2, 9, 100, 125].map(|length| "u".repeat(length))) {
        let stub = RateLimitStub::start()?;
        let upstream = envoy.add_upstream(stub.upstream(&name).exact_name()).await?;
        stub.script([Reply::rate_limits(&RateLimitResponse::code(OVER_LIMIT))]);
        for module in [WHOLE, SLIM] {
            let listener = listener(&envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
            let status = listener.get("/").header("user", "a").send().await.map(|answer| answer.status);
            assert_eq!(status.map_err(|why| format!("{why:?}")), Ok(429), "{module} {name}");
        }
    }
    Ok(())
}

/// They can be no authority, which Envoy makes of them if it is not told of another; and not every service overlooks that.
async fn names_of_istio(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        let engine = Engine::start(kind, &[("user", 1)]).await?;
        let name = format!("outbound|8081|v1|{kind:?}.{module}.svc.cluster.local");
        let upstream = envoy.add_upstream(engine.upstream_named(&name).exact_name()).await?;
        let limit = by_user("", &upstream, json!({"timeout": "5s"}));
        let listener = listener(envoy, module, json!([limit])).await?;
        assert_eq!(statuses(&listener.get("/").header("user", "a"), 2).await?, then_refused(1, 1), "{kind:?} {module}");
    }
    Ok(())
}

/// Clients that go on asking, each over connections of its own.
struct Load {
    clients: JoinSet<Result<()>>,
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    fn start(listener: &Listener, expected: &'static [u16]) -> Self {
        let mut this = Self { clients: JoinSet::new(), over: Arc::default(), answered: Arc::default() };
        for client in 0..8 {
            let (address, over, answered) = (listener.address(), Arc::clone(&this.over), Arc::clone(&this.answered));
            let request = listener.get("/");
            this.clients.spawn(async move {
                let mut connection = Connection::open(address, client % 2 == 0).await?;
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    number += 1;
                    // Keys of their own, so that each is asked about; and one that all have.
                    let user = if number % 4 == 0 { "hot".to_owned() } else { format!("{client}-{number}") };
                    // What hangs is an error of the connection's patience.
                    let status = connection.send(request.clone().header("user", user)).await?.status;
                    anyhow::ensure!(expected.contains(&status), "{status}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        this
    }

    /// Waits for so many more answers.
    async fn goes_on(&self, envoy: &Envoy, answers: usize) -> Result<()> {
        let goal = self.answered.load(Ordering::Relaxed) + answers;
        let more = async || Ok((self.answered.load(Ordering::Relaxed) >= goal).then_some(()));
        envoy.admin().until(&format!("{answers} more are answered"), more).await
    }

    async fn end(mut self) -> Result<()> {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// No request hangs, and nothing is left of any.
async fn restarted_under_load(envoy: &Envoy) -> Result<()> {
    for (kind, module, deny) in
        [(Kind::Ratelimit, WHOLE, false), (Kind::Ratelimit, SLIM, true), (Kind::Limitador, WHOLE, true)]
    {
        let mut engine = Engine::start(kind, &[("user", 5)]).await?;
        let upstream: Upstream = envoy.add_upstream(engine.upstream()).await?;
        let limit = by_user("", &upstream, json!({"failureModeDeny": deny, "timeout": "2s"}));
        let listener = listener(envoy, module, json!([limit])).await?;
        let load = Load::start(&listener, if deny { &[200, 429, 500] } else { &[200, 429] });
        for _ in 0..3 {
            load.goes_on(envoy, 200).await?;
            engine.stop();
            load.goes_on(envoy, 200).await?;
            engine.start_again().await?;
        }
        load.goes_on(envoy, 200).await?;
        load.end().await?;
        all_is_over(envoy, &listener, &upstream).await?;
        // It limits as before.
        let request = listener.get("/").header("user", "new");
        assert_eq!(statuses(&request, 6).await?, then_refused(5, 1), "{kind:?} {module}");
    }
    Ok(())
}
