//! What services keep: which requests are admitted, what the others get, and how often a service is asked.

use anyhow::Result;
use envoy_test::{Envoy, RateLimitService, Test, Upstream, tests};
use serde_json::{Value, json};

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![
        each_user,
        a_tree_of_descriptors,
        one_call,
        other_calls,
        shadow,
        hits,
        hits_of_each_limit,
        without_a_descriptor
    ]
}

async fn each_user(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        let engine = Engine::start(kind, &[("user", 2)]).await?;
        let upstream = envoy.add_upstream(engine.upstream()).await?;
        let name = named(&upstream);
        let listener = listener(envoy, module, json!([by_user(&name, &upstream, json!({}))])).await?;
        let ask = |user: &str| listener.get("/").header("user", user);
        assert_eq!(statuses(&ask("a"), 2).await?, [200, 200], "{kind:?} {module}");
        let refused = ask("a").send().await?;
        assert_eq!(refused.status, 429, "{kind:?} {module}");
        assert_eq!((refused.text().as_str(), refused.header("x-envoy-ratelimited").as_deref()), ("", Some("true")));
        // Until the year's end, or for a year.
        let wait: u64 = refused.header("retry-after").unwrap().parse()?;
        assert!((1..=366 * 86_400).contains(&wait), "{wait}");
        // It was not asked for, but limitador says it by itself.
        let limit = told(&refused)[0].clone();
        assert_eq!(limit.as_deref(), (kind == Kind::Limitador).then_some("2, 2;w=31536000"), "{refused}");
        assert_eq!(statuses(&ask("b"), 3).await?, then_refused(2, 1), "{kind:?} {module}");
        assert_eq!(refusals(envoy, "", &name).await?, 2);
        let log = listener.access_log(6).await?;
        let details: Vec<&str> = log.iter().filter_map(|line| line["details"].as_str()).collect();
        assert_eq!(details[2], format!("pointsman_rate_limited{{{name}}}"));
    }
    Ok(())
}

/// Two entries, a value of its own, a limit within a limit.
async fn a_tree_of_descriptors(envoy: &Envoy) -> Result<()> {
    let paths = json!([a_year(json!({"key": "path", "value": "/cheap"}), 4), a_year(json!({"key": "path"}), 2)]);
    let descriptors = json!([
        a_year(json!({"key": "user", "value": "vip", "descriptors": paths}), 5),
        a_year(json!({"key": "user", "descriptors": paths}), 3),
    ]);
    for module in [WHOLE, SLIM] {
        let service = RateLimitService::start([json!({"domain": DOMAIN, "descriptors": descriptors})]).await?;
        let upstream = envoy.add_upstream(service.upstream("ratelimit")).await?;
        let path = json!({"requestHeaders": {"headerName": ":path", "descriptorKey": "path"}});
        let both = json!({"actions": [header("user"), path], "global": global(&upstream, json!({}))});
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({})), both])).await?;
        for (user, path, expected) in [
            ("a", "/x", then_refused(2, 1)),
            // That of the user, which also counted the one that its path refused.
            ("a", "/cheap", then_refused(0, 1)),
            ("b", "/cheap", then_refused(3, 2)),
            ("vip", "/cheap", then_refused(4, 1)),
            ("vip", "/x", then_refused(0, 1)),
        ] {
            let request = listener.get(path).header("user", user);
            assert_eq!(
                statuses(&request, expected.len()).await?,
                expected,
                "{module} {user} {path}:\n{}",
                service.log()
            );
        }
    }
    Ok(())
}

/// Limits of three kinds for every request: the user's, the tenant's, and that of all.
fn three(upstream: &Upstream, of_global: Value) -> [Value; 3] {
    let global = global(upstream, of_global);
    let all = json!({"actions": [{"genericKey": {"descriptorValue": "all"}}], "global": global});
    [by_header("user", &global), by_header("tenant", &global), all]
}

async fn a_service_of_three(limits: [u32; 3]) -> Result<RateLimitService> {
    let [user, tenant, all] = limits;
    let descriptors = json!([
        a_year(json!({"key": "user"}), user),
        a_year(json!({"key": "tenant"}), tenant),
        a_year(json!({"key": "generic_key", "value": "all"}), all),
    ]);
    let other = json!({"domain": "other", "descriptors": descriptors});
    RateLimitService::start([json!({"domain": DOMAIN, "descriptors": descriptors}), other]).await
}

async fn one_call(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let service = a_service_of_three([2, 3, 4]).await?;
        let upstream = envoy.add_upstream(service.upstream("ratelimit")).await?;
        let limits = three(&upstream, json!({}));
        let listener = listener(envoy, module, json!(limits)).await?;
        let mut asked = 0;
        for (user, tenant, expected) in
            [("a", "t", 200), ("a", "t", 200), ("b", "t", 200), ("b", "t", 429), ("b", "u", 429)]
        {
            let request = listener.get("/").header("user", user).header("tenant", tenant);
            assert_eq!(request.send().await?.status, expected, "{module} {user} {tenant}:\n{}", service.log());
            asked += 1;
            assert_eq!(calls(envoy, &upstream).await?, asked, "{module} {user} {tenant}");
        }
    }
    Ok(())
}

/// What is of another domain, another cluster, another timeout, or the shadow, is asked by itself.
async fn other_calls(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let service = a_service_of_three([9, 9, 9]).await?;
        let upstream = envoy.add_upstream(service.upstream("ratelimit")).await?;
        let again = envoy.add_upstream(service.upstream("the-same")).await?;
        let [user, tenant, all] = three(&upstream, json!({}));
        let other = |global: Value| with(tenant.clone(), json!({"global": global}));
        for (second, here, there) in [
            (tenant.clone(), 1, 0),
            (other(json!({"domain": "other"})), 2, 0),
            (other(json!({"timeout": "29s"})), 2, 0),
            (other(json!({"cluster": again.name()})), 1, 1),
            (with(tenant.clone(), json!({"shadow": true})), 2, 0),
        ] {
            let before = (calls(envoy, &upstream).await?, calls(envoy, &again).await?);
            let listener = listener(envoy, module, json!([user, second, all])).await?;
            let request = listener.get("/").header("user", "a").header("tenant", "t");
            assert_eq!(request.send().await?.status, 200, "{module} {second}:\n{}", service.log());
            let after = (calls(envoy, &upstream).await?, calls(envoy, &again).await?);
            assert_eq!((after.0 - before.0, after.1 - before.1), (here, there), "{module} {second}");
        }
    }
    Ok(())
}

async fn shadow(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        let engine = Engine::start(kind, &[("user", 2)]).await?;
        let upstream = envoy.add_upstream(engine.upstream()).await?;
        let name = named(&upstream);
        let limit = with(by_user(&name, &upstream, json!({})), json!({"shadow": true}));
        let listener = listener(envoy, module, json!([limit])).await?;
        let request = listener.get("/").header("user", "a");
        assert_eq!(statuses(&request, 5).await?, [200; 5], "{kind:?} {module}");
        assert_eq!(refusals(envoy, "shadow_", &name).await?, 3, "{kind:?} {module}");
        assert_eq!(refusals(envoy, "", &name).await?, 0);
        let answer = request.send().await?;
        assert_eq!(answer.header("x-envoy-ratelimited"), None);
        assert_eq!(answer.header("retry-after"), None);
    }
    Ok(())
}

async fn hits(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        let engine = Engine::start(kind, &[("user", 10)]).await?;
        let upstream = envoy.add_upstream(engine.upstream()).await?;
        let limit = |hits: Value| json!([with(by_user("", &upstream, json!({})), json!({"hitsAddend": hits}))]);
        let always = listener(envoy, module, limit(json!({"number": 4}))).await?;
        let told = listener(envoy, module, limit(json!({"requestHeader": "cost"}))).await?;
        assert_eq!(statuses(&always.get("/").header("user", "a"), 3).await?, then_refused(2, 1), "{kind:?} {module}");
        for (cost, expected) in [("3", 200), ("7", 200), ("1", 429)] {
            let request = told.get("/").header("user", "b").header("cost", cost);
            assert_eq!(request.send().await?.status, expected, "{kind:?} {module} {cost}");
        }
        // One is what is not said.
        assert_eq!(statuses(&told.get("/").header("user", "c"), 11).await?, then_refused(10, 1), "{kind:?} {module}");
    }
    Ok(())
}

/// In one call, each its own; also none at all, which only looks.
async fn hits_of_each_limit(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let service = a_service_of_three([10, 10, 10]).await?;
        let upstream = envoy.add_upstream(service.upstream("ratelimit")).await?;
        let [user, tenant, all] = three(&upstream, json!({}));
        let five = with(user, json!({"hitsAddend": {"number": 5}}));
        let told = with(tenant, json!({"hitsAddend": {"requestHeader": "cost"}}));
        let listener = listener(envoy, module, json!([five, told, all])).await?;
        let mut asked = 0;
        for (user, cost, expected) in [
            ("a", "0", 200),
            ("a", "0", 200),
            ("b", "10", 200),
            // The tenant's is used up, and nothing is asked of it.
            ("b", "0", 200),
            ("c", "1", 429),
        ] {
            let request = listener.get("/").header("user", user).header("tenant", "t").header("cost", cost);
            assert_eq!(request.send().await?.status, expected, "{module} {user} {cost}:\n{}", service.log());
            asked += 1;
            assert_eq!(calls(envoy, &upstream).await?, asked, "{module} {user} {cost}");
        }
    }
    Ok(())
}

/// There is nothing to ask.
async fn without_a_descriptor(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let [user, tenant, _] = three(&upstream, json!({}));
        let listener = listener(envoy, module, json!([user, tenant])).await?;
        assert_eq!(statuses(&listener.get("/"), 2).await?, [200, 200]);
        assert_eq!(listener.get("/").header("tenant", "t").send().await?.status, 200);
        let questions = stub.questions();
        let asked: Vec<_> = questions.iter().map(|question| (question.domain.as_str(), question.hits_addend)).collect();
        assert_eq!(asked, [(DOMAIN, 0)], "{module}");
        let entries = questions[0].descriptors.iter().map(|descriptor| &descriptor.entries[..]).collect::<Vec<_>>();
        let expected = envoy_test::rls::Entry { key: "tenant".into(), value: "t".into() };
        assert_eq!(entries, [[expected]], "{module}");
    }
    Ok(())
}
