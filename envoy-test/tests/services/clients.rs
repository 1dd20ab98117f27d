//! What clients of every kind get.

use anyhow::Result;
use envoy_test::rls::{DescriptorStatus, Duration, OK, OVER_LIMIT, RateLimit, RateLimitResponse};
use envoy_test::{Answer, Envoy, Reply, Test, tests};
use serde_json::{Value, json};

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![grpc, grpc_without_the_service, x_ratelimit_of_the_least, x_ratelimit_of_a_real_one]
}

fn grpc_status(answer: &Answer) -> Option<String> {
    answer.header("grpc-status")
}

async fn grpc(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        for (response, expected) in
            [(json!({}), "14"), (json!({"rateLimitedAsResourceExhausted": true}), "8"), (json!({"status": 503}), "14")]
        {
            let engine = Engine::start(kind, &[("user", 1)]).await?;
            let upstream = envoy.add_upstream(engine.upstream()).await?;
            let limit = with(by_user("", &upstream, json!({})), json!({"response": response}));
            let listener = listener(envoy, module, json!([limit])).await?;
            let call = listener.post("/s.S/m").http2().header("content-type", "application/grpc").header("user", "a");
            assert_eq!(call.clone().send().await?.status, 200);
            for _ in 0..2 {
                let refused = call.clone().send().await?;
                let seen = (refused.status, grpc_status(&refused), refused.text());
                assert_eq!(seen, (200, Some(expected.to_owned()), String::new()), "{kind:?} {module}: {refused}");
                assert_eq!(refused.header("x-envoy-ratelimited").as_deref(), Some("true"), "{refused}");
                assert!(refused.header("retry-after").is_some(), "{refused}");
            }
        }
    }
    Ok(())
}

/// As Envoy says it to gRPC, whatever the status: the number that it makes of that.
async fn grpc_without_the_service(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        for (status, expected) in [(Value::Null, "2"), (json!(503), "14"), (json!(403), "7")] {
            let (stub, upstream) = stub(envoy).await?;
            stub.script([Reply::close()]);
            let limit = by_user("", &upstream, json!({"statusOnError": status}));
            let listener = listener(envoy, module, json!([limit])).await?;
            let call = listener.post("/s.S/m").http2().header("content-type", "application/grpc").header("user", "a");
            let refused = call.send().await?;
            assert_eq!((refused.status, grpc_status(&refused).as_deref()), (200, Some(expected)), "{module} {status}");
        }
    }
    Ok(())
}

fn status(code: i32, most: u32, unit: i32, name: &str, remaining: u32, seconds: i64) -> DescriptorStatus {
    DescriptorStatus {
        code,
        current_limit: Some(RateLimit { requests_per_unit: most, unit, name: name.into() }),
        limit_remaining: remaining,
        duration_until_reset: Some(Duration { seconds, nanos: 0 }),
    }
}

fn expected(limit: &str, remaining: &str, reset: &str) -> [Option<String>; 3] {
    [limit, remaining, reset].map(|value| Some(value.to_owned()))
}

/// Of the descriptor with the least left; the limits of all are named.
async fn x_ratelimit_of_the_least(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let global = global(&upstream, json!({}));
        let response = json!({"rateLimitHeaders": "DRAFT_VERSION_03"});
        let by = |name: &str| with(by_header(name, &global), json!({"response": response}));
        let listener = listener(envoy, module, json!([by("user"), by("tenant")])).await?;
        let (minute, hour) = (status(OK, 10, 2, "", 3, 17), status(OK, 100, 3, "of a tenant", 2, 1_700));
        let over = status(OVER_LIMIT, 10, 2, "", 0, 17);
        for (overall, statuses, told_by_it) in [
            (
                OK,
                vec![minute.clone(), hour.clone()],
                expected("100, 10;w=60, 100;w=3600;name=\"of a tenant\"", "2", "1700"),
            ),
            (OK, vec![minute.clone(), DescriptorStatus::default()], expected("10, 10;w=60", "3", "17")),
            (OVER_LIMIT, vec![over, hour], expected("10, 10;w=60, 100;w=3600;name=\"of a tenant\"", "0", "17")),
            (OK, vec![status(OK, 7, 4, "a\", 1;w=1;name=\"b", 5, 6)], expected("7, 7;w=86400", "5", "6")),
            (OK, vec![], [None, None, None]),
        ] {
            let number = stub.asked();
            stub.script([Reply::rate_limits(&RateLimitResponse { statuses, ..RateLimitResponse::code(overall) })]);
            let request = listener.get("/").header("user", number.to_string()).header("tenant", number.to_string());
            let answer = request.send().await?;
            assert_eq!((answer.status, told(&answer)), (if overall == OK { 200 } else { 429 }, told_by_it), "{module}");
        }
    }
    Ok(())
}

async fn x_ratelimit_of_a_real_one(envoy: &Envoy) -> Result<()> {
    for (kind, module) in ENGINES.into_iter().flat_map(|kind| [(kind, WHOLE), (kind, SLIM)]) {
        let engine = Engine::start(kind, &[("user", 2)]).await?;
        let upstream = envoy.add_upstream(engine.upstream()).await?;
        let response = json!({"rateLimitHeaders": "DRAFT_VERSION_03"});
        let limit = with(by_user("", &upstream, json!({})), json!({"response": response}));
        let listener = listener(envoy, module, json!([limit])).await?;
        let request = listener.get("/").header("user", "a");
        for (status, remaining) in [(200, "1"), (200, "0"), (429, "0"), (429, "0")] {
            let answer = request.clone().send().await?;
            let [limit, left, reset] = told(&answer);
            let seen = (answer.status, limit.as_deref(), left.as_deref());
            assert_eq!(seen, (status, Some("2, 2;w=31536000"), Some(remaining)), "{kind:?} {module}: {answer}");
            assert!((1..=366 * 86_400).contains(&reset.unwrap().parse::<u32>()?), "{answer}");
        }
    }
    Ok(())
}
