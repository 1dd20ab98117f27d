//! What is over its limit is not asked again and again.

use anyhow::Result;
use envoy_test::rls::{DescriptorStatus, Duration, HeaderValue, OK, OVER_LIMIT, RateLimitResponse};
use envoy_test::{Connection, Envoy, Listener, Reply, Request, Test, tests};
use serde_json::json;
use tokio::task::JoinSet;

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![a_hot_key, others_are_asked, as_long_as_the_service_says, of_several, outlived_by_an_update]
}

/// So many of such a request, over some connections at once, so that all workers meet it: how many had each status.
async fn crowd(listener: &Listener, request: Request, times: usize) -> Result<[usize; 2]> {
    const CONNECTIONS: usize = 8;
    let mut clients: JoinSet<Result<[usize; 2]>> = JoinSet::new();
    for client in 0..CONNECTIONS {
        let (address, request) = (listener.address(), request.clone());
        let times = times / CONNECTIONS + usize::from(client < times % CONNECTIONS);
        clients.spawn(async move {
            let mut connection = Connection::open(address, false).await?;
            let mut counts = [0; 2];
            for _ in 0..times {
                match connection.send(request.clone()).await?.status {
                    200 => counts[0] += 1,
                    429 => counts[1] += 1,
                    other => anyhow::bail!("{other}"),
                }
            }
            Ok(counts)
        });
    }
    let mut all = [0; 2];
    while let Some(counts) = clients.join_next().await {
        let [admitted, refused] = counts??;
        all = [all[0] + admitted, all[1] + refused];
    }
    Ok(all)
}

/// A call for each hundred requests at most.
async fn a_hot_key(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        let engine = Engine::start(kind, &[("user", 2)]).await?;
        let upstream = envoy.add_upstream(engine.upstream()).await?;
        let name = named(&upstream);
        let listener = listener(envoy, module, json!([by_user(&name, &upstream, json!({}))])).await?;
        let hot = listener.get("/").header("user", "hot");
        assert_eq!(crowd(&listener, hot.clone(), 2_000).await?, [2, 1_998], "{kind:?} {module}");
        let asked = calls(envoy, &upstream).await?;
        assert!((3..=20).contains(&asked), "{kind:?} {module}: {asked} calls");
        assert_eq!(refusals(envoy, "", &name).await?, 1_998);
        // What is remembered is answered as the service did.
        let answer = hot.send().await?;
        assert_eq!(answer.header("x-envoy-ratelimited").as_deref(), Some("true"));
        assert!(answer.header("retry-after").unwrap().parse::<u64>()? > 0);
        assert_eq!(listener.get("/").header("user", "cold").send().await?.status, 200, "{kind:?} {module}");
    }
    Ok(())
}

/// A refusal of one that is kept for the year.
fn over(seconds: i64) -> RateLimitResponse {
    let duration_until_reset = Some(Duration { seconds, nanos: 0 });
    let status = DescriptorStatus { code: OVER_LIMIT, duration_until_reset, ..DescriptorStatus::default() };
    RateLimitResponse { statuses: vec![status], ..RateLimitResponse::code(OVER_LIMIT) }
}

/// A worker that has been refused knows of nobody else.
async fn others_are_asked(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        let mut connection = listener.connect().await?;
        for (round, (user, expected)) in
            [("a", 429), ("b", 429), ("a", 429), ("c", 200), ("b", 429)].into_iter().enumerate()
        {
            let verdict = if expected == 429 { over(3_600) } else { RateLimitResponse::code(OK) };
            stub.script([Reply::rate_limits(&verdict)]);
            let answer = connection.send(listener.get("/").header("user", user)).await?;
            assert_eq!(answer.status, expected, "{module} {round} {user}");
        }
        let users: Vec<String> =
            stub.questions().iter().map(|question| question.descriptors[0].entries[0].value.clone()).collect();
        assert_eq!(users, ["a", "b", "c"], "{module}");
    }
    Ok(())
}

/// In its statuses, or in a header where it has none; not at all if it says neither, or that the time is over.
async fn as_long_as_the_service_says(envoy: &Envoy) -> Result<()> {
    let header = |name: &str, value: &str| RateLimitResponse {
        response_headers_to_add: vec![HeaderValue::new(name, value)],
        ..RateLimitResponse::code(OVER_LIMIT)
    };
    let too_many = RateLimitResponse { statuses: [over(60).statuses, over(60).statuses].concat(), ..over(60) };
    for module in [WHOLE, SLIM] {
        for (verdict, is_kept) in [
            (over(3_600), true),
            // No window is that long.
            (over(i64::MAX), false),
            (header("x-ratelimit-reset", "99999999999"), false),
            (over(0), false),
            (over(-1), false),
            (RateLimitResponse::code(OVER_LIMIT), false),
            (header("X-RateLimit-Reset", "3600"), true),
            (header("x-ratelimit-reset", "99999999999999999999999"), false),
            (header("x-ratelimit-reset", "soon"), false),
            (header("x-ratelimit-reset", "0"), false),
            (header("x-ratelimit-limit", "3600"), false),
            // Whose they are is not known.
            (too_many.clone(), false),
        ] {
            let (stub, upstream) = stub(envoy).await?;
            let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
            stub.script([Reply::rate_limits(&verdict).times(1)]);
            let mut connection = listener.connect().await?;
            let mut seen = Vec::new();
            for _ in 0..2 {
                seen.push(connection.send(listener.get("/").header("user", "a")).await?.status);
            }
            let expected = if is_kept { ([429, 429], 1) } else { ([429, 200], 2) };
            assert_eq!((&seen[..], stub.asked()), (&expected.0[..], expected.1), "{module} {verdict:?}");
        }
    }
    Ok(())
}

/// Of the descriptors of a call, those that were over are known, and the others are not.
async fn of_several(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let global = global(&upstream, json!({}));
        let (user, tenant) = (named(&upstream), format!("{}-tenant", named(&upstream)));
        let by = |name: &str, header: &str| with(by_header(header, &global), json!({"name": name}));
        let listener = listener(envoy, module, json!([by(&user, "user"), by(&tenant, "tenant")])).await?;
        let within = DescriptorStatus {
            code: OK,
            duration_until_reset: Some(Duration { seconds: 9, nanos: 0 }),
            ..DescriptorStatus::default()
        };
        let tenant_over = RateLimitResponse { statuses: vec![within, over(3_600).statuses.remove(0)], ..over(0) };
        stub.script([Reply::rate_limits(&tenant_over).times(1)]);
        let mut connection = listener.connect().await?;
        for (user, tenant, expected, asked) in
            [("a", "t", 429, 1), ("a", "t", 429, 1), ("b", "t", 429, 1), ("a", "u", 200, 2)]
        {
            let request = listener.get("/").header("user", user).header("tenant", tenant);
            let answer = connection.send(request).await?;
            assert_eq!((answer.status, stub.asked()), (expected, asked), "{module} {user} {tenant}");
        }
        assert_eq!((refusals(envoy, "", &user).await?, refusals(envoy, "", &tenant).await?), (0, 3), "{module}");
    }
    Ok(())
}

/// A new configuration asks anew: it may be another service.
async fn outlived_by_an_update(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (first, upstream) = stub(envoy).await?;
        let (second, other) = stub(envoy).await?;
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        first.script([Reply::rate_limits(&over(3_600))]);
        let request = listener.get("/").header("user", "a");
        assert_eq!(statuses(&request, 3).await?, [429; 3]);
        listener.update_policy(json!({"rateLimits": [by_user("", &other, json!({}))]})).await?.accepted();
        assert_eq!(statuses(&request, 3).await?, [200; 3]);
        assert_eq!(second.asked(), 3, "{module}");
    }
    Ok(())
}
