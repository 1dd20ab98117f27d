//! `concurrency`: never more requests are under way at once, on all workers together.

mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use envoy_test::{Connection, Envoy, Listener, ListenerConfig, Reply, Request, Test, Upstream, routes, tests};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use super::{SLIM, WHOLE, bucket, by_header, counted, listener_like, with};

pub fn tests() -> Vec<Test> {
    let mut all = tests![
        ten_of_two_hundred_on_two_workers,
        who_is_refused_has_no_slot,
        another_limit_refuses,
        each_limit_has_its_own,
        an_update_keeps_the_slots,
        an_update_without_the_limit,
        no_more_after_a_thousand,
    ];
    all.extend(ends::tests());
    all
}

/// So many at once.
fn limit(name: &str, most: u32) -> Value {
    json!({"name": name, "concurrency": most})
}

/// A listener, and the upstreams behind it.
struct Scene<'a> {
    envoy: &'a Envoy,
    listener: Listener,
    /// For what the test is about.
    upstream: Upstream,
    /// For `/free`, which tells how many slots there are.
    gate: Upstream,
}

impl<'a> Scene<'a> {
    async fn new(envoy: &'a Envoy, module: &str, limits: Value) -> Result<Self> {
        Self::on(envoy, ListenerConfig::new(), module, limits, |upstream| vec![routes::catch_all(upstream)]).await
    }

    /// On such a listener, with such routes to the upstream of that name.
    async fn on(
        envoy: &'a Envoy,
        config: ListenerConfig,
        module: &str,
        limits: Value,
        routes: impl FnOnce(&str) -> Vec<Value>,
    ) -> Result<Self> {
        let (upstream, gate) = (envoy.upstream("held").await?, envoy.upstream("gate").await?);
        let free = json!({"match": {"path": "/free"}, "route": {"cluster": gate.name(), "timeout": "0s"}});
        let routes = [vec![free], routes(upstream.name())].concat();
        let listener = listener_like(envoy, config.routes(routes), module, limits).await?;
        Ok(Self { envoy, listener, upstream, gate })
    }

    fn get(&self, path: &str) -> Request {
        self.listener.get(path)
    }

    async fn status(&self, path: &str) -> Result<u16> {
        Ok(self.get(path).send().await?.status)
    }

    /// Waits until a request of that path has a slot: whoever had it gives it back when its client already has the answer.
    async fn passes(&self, path: &str) -> Result<()> {
        let ask = async || Ok((self.status(path).await? == 200).then_some(()));
        soon(self.envoy.admin().until("there is a slot", ask)).await
    }

    /// Nobody has a slot any more, and there are just so many: that many requests can wait at once, and no other one.
    async fn is_free(&self, most: usize) -> Result<()> {
        soon(self.are_free(most)).await
    }

    async fn are_free(&self, most: usize) -> Result<()> {
        self.gate.script([Reply::status(200).held()]);
        let (mut waiting, before) = (Vec::new(), self.gate.requests());
        while waiting.len() < most {
            let request = spawn(self.get("/free"));
            let has_come = || self.gate.requests() > before + waiting.len();
            let ask = async || Ok((request.is_finished() || has_come()).then_some(()));
            self.envoy.admin().until("the request has come to its end, or to the upstream", ask).await?;
            if has_come() {
                waiting.push(request);
            } else {
                // Who had the slot has not given it back yet.
                assert_eq!(request.await??, 429);
            }
        }
        assert_eq!(self.status("/free").await?, 429, "more than {most} at once");
        self.gate.release(most);
        for request in waiting {
            assert_eq!(request.await??, 200);
        }
        Ok(())
    }
}

/// Half a minute after it was last heard of a worker counts as dead, and its slots are free. A slot that nobody gives back
/// is not to be taken for one that somebody has.
pub async fn soon(what: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::time::timeout(Duration::from_secs(20), what).await.context("the slots are not given back")?
}

fn spawn(request: Request) -> JoinHandle<Result<u16>> {
    tokio::spawn(async move { Ok(request.send().await?.status) })
}

async fn ten_of_two_hundred_on_two_workers(envoy: &Envoy) -> Result<()> {
    const MOST: usize = 10;
    const REQUESTS: usize = 200;
    for module in [WHOLE, SLIM] {
        let name = format!("ten of two hundred {module}");
        let balanced = json!({"stat_prefix": module, "connection_balance_config": {"exact_balance": {}}});
        let config = ListenerConfig::new().listener(balanced);
        let limits = json!([limit(&name, MOST as u32)]);
        let scene = Scene::on(envoy, config, module, limits, |upstream| vec![routes::catch_all(upstream)]).await?;
        scene.upstream.script([Reply::status(200).held()]);
        for round in 1..=3 {
            let refused_before = counted(envoy, "rate_limited", &name, "concurrency").await?;
            let mut requests = JoinSet::new();
            let refused = Arc::new(AtomicUsize::new(0));
            for _ in 0..REQUESTS {
                let (request, refused) = (scene.get("/"), Arc::clone(&refused));
                requests.spawn(async move {
                    let status = request.send().await?.status;
                    ensure!(status == 200 || status == 429, "{status}");
                    refused.fetch_add(usize::from(status == 429), Ordering::Relaxed);
                    Ok(status)
                });
            }
            // All the others are refused while those ten wait.
            let ask = async || Ok((refused.load(Ordering::Relaxed) == REQUESTS - MOST).then_some(()));
            envoy.admin().until("all but ten are refused", ask).await?;
            assert_eq!(scene.upstream.requests(), round * MOST);
            let refused_now = counted(envoy, "rate_limited", &name, "concurrency").await?;
            assert_eq!(refused_now - refused_before, (REQUESTS - MOST) as u64);
            scene.upstream.release(MOST);
            while let Some(status) = requests.join_next().await {
                status??;
            }
            assert_eq!(refused.load(Ordering::Relaxed), REQUESTS - MOST);
            scene.is_free(MOST).await?;
        }
        for worker in 0..2 {
            let connections = format!("listener.{module}.worker_{worker}.downstream_cx_total");
            ensure!(envoy.admin().stat(&connections).await? > 0, "no connection on worker {worker}");
        }
    }
    Ok(())
}

async fn who_is_refused_has_no_slot(envoy: &Envoy) -> Result<()> {
    let scene = Scene::new(envoy, WHOLE, json!([limit("no slot", 1)])).await?;
    scene.upstream.script([Reply::status(200).held()]);
    let first = spawn(scene.get("/"));
    scene.upstream.arrived(1).await;
    for mut connection in [scene.listener.connect().await?, scene.listener.connect_http2().await?] {
        for _ in 0..100 {
            assert_eq!(connection.send(scene.get("/")).await?.status, 429);
        }
    }
    scene.upstream.release(1);
    assert_eq!(first.await??, 200);
    scene.is_free(1).await
}

/// What a request has taken of the one, it gives back when the other refuses it.
async fn another_limit_refuses(envoy: &Envoy) -> Result<()> {
    let one = with(limit("one at once", 1), json!({"match": [{"uri": {"exact": "/one"}}]}));
    let never = json!({"name": "never", "match": [{"uri": {"exact": "/none"}}], "local": {"tokenBucket": bucket(1)}});
    let scene = Scene::new(envoy, SLIM, json!([limit("two at once", 2), one, never])).await?;
    scene.upstream.script([Reply::status(200).held().times(1)]);
    let first = spawn(scene.get("/one"));
    scene.upstream.arrived(1).await;
    assert_eq!(super::statuses(&scene.get("/one"), 10).await?, [429; 10]);
    assert_eq!(counted(envoy, "rate_limited", "one at once", "concurrency").await?, 10);
    scene.upstream.release(1);
    assert_eq!(first.await??, 200);
    // Buckets come before slots.
    assert_eq!(super::statuses(&scene.get("/none"), 10).await?[1..], [429; 9]);
    assert_eq!(counted(envoy, "rate_limited", "never", "local").await?, 9);
    assert_eq!(counted(envoy, "rate_limited", "two at once", "concurrency").await?, 0);
    scene.is_free(2).await
}

/// Those whose matches hold.
async fn each_limit_has_its_own(envoy: &Envoy) -> Result<()> {
    let of = |path: &str, most: u32| with(limit(path, most), json!({"match": [{"uri": {"prefix": path}}]}));
    let scene = Scene::new(envoy, WHOLE, json!([of("/a", 1), of("/b", 2), limit("/", 4)])).await?;
    scene.upstream.script([Reply::status(200).held()]);
    let mut waiting = Vec::new();
    for (path, passes) in [
        ("/a", true),
        ("/a", false),
        ("/b", true),
        ("/b", true),
        ("/b", false),
        ("/a", false),
        ("/c", true),
        ("/c", false),
        ("/d", false),
    ] {
        if passes {
            waiting.push(spawn(scene.get(path)));
            scene.upstream.arrived(waiting.len()).await;
        } else {
            assert_eq!(scene.status(path).await?, 429, "{path}");
        }
    }
    for (name, count) in [("/a", 2), ("/b", 1), ("/", 2)] {
        assert_eq!(counted(envoy, "rate_limited", name, "concurrency").await?, count, "{name}");
    }
    scene.upstream.release(waiting.len());
    for request in waiting {
        assert_eq!(request.await??, 200);
    }
    scene.is_free(4).await
}

/// Those that wait count for the new policy, too, and give their slots back to it.
async fn an_update_keeps_the_slots(envoy: &Envoy) -> Result<()> {
    let scene = Scene::new(envoy, WHOLE, json!([limit("kept", 2)])).await?;
    scene.upstream.script([Reply::status(200).held()]);
    let mut waiting = vec![spawn(scene.get("/")), spawn(scene.get("/"))];
    scene.upstream.arrived(2).await;
    for (most, passes) in [(2, false), (1, false), (3, true), (3, false)] {
        let other = with(by_header("k", &bucket(most)), json!({"name": "another"}));
        let policy = json!({"rateLimits": [other, limit("kept", most)]});
        scene.listener.update_policy(policy).await?.accepted();
        if passes {
            waiting.push(spawn(scene.get("/")));
            scene.upstream.arrived(3).await;
        } else {
            assert_eq!(scene.status("/").await?, 429, "{most}");
        }
    }
    scene.upstream.release(3);
    for request in waiting {
        assert_eq!(request.await??, 200);
    }
    scene.is_free(3).await
}

/// Those that began under it give their slots back when it is not there any more.
async fn an_update_without_the_limit(envoy: &Envoy) -> Result<()> {
    let scene = Scene::new(envoy, SLIM, json!([limit("gone", 2)])).await?;
    scene.upstream.script([Reply::status(200).held().times(2)]);
    let waiting = [spawn(scene.get("/")), spawn(scene.get("/"))];
    scene.upstream.arrived(2).await;
    for policy in [json!({}), json!({"rateLimits": [limit("other", 1)]})] {
        scene.listener.update_policy(policy).await?.accepted();
        scene.passes("/").await?;
    }
    scene.listener.update_policy(json!({"rateLimits": [limit("gone", 2)]})).await?.accepted();
    assert_eq!(scene.status("/").await?, 429);
    scene.listener.update_policy(json!({})).await?.accepted();
    scene.upstream.release(2);
    for request in waiting {
        assert_eq!(request.await??, 200);
    }
    scene.listener.update_policy(json!({"rateLimits": [limit("gone", 2)]})).await?.accepted();
    scene.is_free(2).await
}

/// None is lost, and none comes to be.
async fn no_more_after_a_thousand(envoy: &Envoy) -> Result<()> {
    let scene = Scene::new(envoy, WHOLE, json!([limit("a thousand", 3)])).await?;
    let mut connections = JoinSet::new();
    for number in 0..8 {
        let (address, request) = (scene.listener.address(), scene.get("/"));
        connections.spawn(async move {
            let mut connection = Connection::open(address, number % 2 == 0).await?;
            for _ in 0..125 {
                let status = connection.send(request.clone()).await?.status;
                ensure!(status == 200 || status == 429, "{status}");
            }
            Ok(())
        });
    }
    while let Some(ended) = connections.join_next().await {
        ended??;
    }
    scene.is_free(3).await
}
