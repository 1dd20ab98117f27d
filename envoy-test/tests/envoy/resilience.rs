//! `timeout` and `retries`, and what becomes of a gRPC client's own time-out.

use anyhow::Result;
use envoy_test::{
    Answer, Envoy, Listener, ListenerConfig, Reply, Request, Test, Upstream, UpstreamConfig, bounds, module, tests,
};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        a_time_out_ends_a_request,
        without_one_a_request_takes_its_time,
        grpc_time_outs_are_capped,
        a_grpc_client_is_told_in_its_own_form,
        attempts_are_counted,
        grpc_answers_are_tried_again,
        each_try_has_its_time,
        a_body_is_sent_again,
        a_rate_limited_answer_is_final,
        a_connection_that_fails_is_tried_again,
        another_host_is_tried,
    ]
}

async fn listener(envoy: &Envoy, upstream: &Upstream, fields: Value) -> Result<Listener> {
    let mut rule = json!({
        "route": [{"destination": {"host": upstream.name()}}], "headers": {"response": {"set": {"x-rule": "1"}}},
    });
    rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": [rule]}]});
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

async fn both(request: Request) -> Result<[Answer; 2]> {
    Ok([request.clone().send().await?, request.http2().send().await?])
}

async fn grpc(envoy: &Envoy) -> Result<Upstream> {
    envoy.add_upstream(UpstreamConfig::new("grpc").http2()).await
}

fn call(listener: &Listener) -> Request {
    listener.post("/pkg.Service/Method").http2().header("content-type", "application/grpc").header("te", "trailers")
}

async fn a_time_out_ends_a_request(envoy: &Envoy) -> Result<()> {
    let slow = envoy.upstream("slow").await?;
    slow.script([Reply::status(200).held()]);
    let listener = listener(envoy, &slow, json!({"timeout": "200ms"})).await?;
    for answer in both(listener.get("/")).await? {
        assert_eq!((answer.status, answer.text().as_str()), (504, "upstream request timeout"));
        assert_eq!(answer.header_lines("x-rule"), ["1"]);
    }
    assert_eq!(slow.requests(), 2, "a time-out is not tried again");
    let log = listener.access_log(2).await?;
    assert!(log.iter().all(|line| line["flags"] == "UT"), "{log:?}");
    // It is that of all tries together.
    let flaky = envoy.upstream("flaky").await?;
    flaky.script([Reply::status(503).times(1), Reply::status(200).held()]);
    let fields = json!({"timeout": "0.5s", "retries": {"attempts": 5, "retryOn": "5xx"}});
    let listener = self::listener(envoy, &flaky, fields).await?;
    assert_eq!((listener.get("/").send().await?.status, flaky.requests()), (504, 2));
    Ok(())
}

/// The upstream is told of a time-out, and there is none to be told of.
async fn without_one_a_request_takes_its_time(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("any").await?;
    for (fields, expected) in [
        (json!({}), None),
        (json!({"timeout": "1m"}), Some("60000")),
        (json!({"timeout": "1h1ms"}), Some("3600001")),
        (json!({"timeout": "1m", "retries": {"attempts": 0}}), Some("60000")),
        (json!({"timeout": "1m", "retries": {"attempts": 1, "perTryTimeout": "10.25s"}}), Some("10250")),
        (json!({"retries": {"attempts": 1, "perTryTimeout": "10s"}}), Some("10000")),
    ] {
        let listener = listener(envoy, &upstream, fields.clone()).await?;
        for answer in both(listener.get("/")).await? {
            assert_eq!(answer.echo().header("x-envoy-expected-rq-timeout-ms"), expected, "{fields}");
        }
    }
    Ok(())
}

async fn grpc_time_outs_are_capped(envoy: &Envoy) -> Result<()> {
    let upstream = grpc(envoy).await?;
    for (timeout, own, sent) in [
        (json!("30s"), Some("50S"), Some("30000m")),
        (json!("30s"), Some("20S"), Some("20000m")),
        (json!("30s"), Some("20001500u"), Some("20002m")),
        (json!("30s"), Some("0m"), Some("30000m")),
        (json!("30s"), Some("soon"), Some("30000m")),
        (json!("30s"), None, Some("30000m")),
        (Value::Null, Some("5H"), Some("18000000m")),
        (Value::Null, None, None),
    ] {
        let listener = listener(envoy, &upstream, json!({"timeout": timeout})).await?;
        let mut request = call(&listener);
        if let Some(own) = own {
            request = request.header("grpc-timeout", own);
        }
        let echo = request.send().await?.echo();
        assert_eq!(echo.header("grpc-timeout"), sent, "{timeout} {own:?}");
        // What is no gRPC keeps its header, whatever it means by it.
        let plain = listener.get("/").header("grpc-timeout", "7S").send().await?.echo();
        assert_eq!(plain.header("grpc-timeout"), Some("7S"));
    }
    Ok(())
}

async fn a_grpc_client_is_told_in_its_own_form(envoy: &Envoy) -> Result<()> {
    let slow = grpc(envoy).await?;
    slow.script([Reply::status(200).held()]);
    for (timeout, own) in [(json!("40ms"), None), (json!("1m"), Some("40m")), (Value::Null, Some("40m"))] {
        let listener = listener(envoy, &slow, json!({"timeout": timeout})).await?;
        let mut request = call(&listener);
        if let Some(own) = own {
            request = request.header("grpc-timeout", own);
        }
        let answer = request.send().await?;
        assert_eq!((answer.status, answer.header("grpc-status").as_deref()), (200, Some("14")), "{timeout} {own:?}");
        assert_eq!(answer.header_lines("x-rule"), ["1"]);
    }
    Ok(())
}

/// How often an upstream that always fails is asked.
async fn attempts_are_counted(envoy: &Envoy) -> Result<()> {
    let fail = |status: u16| Reply::status(status).header("content-length", "0").body("");
    for (retries, reply, attempts) in [
        // Without a word: Istio's default, which tries again what never arrived.
        (Value::Null, fail(503), 1),
        (Value::Null, Reply::close(), 1),
        (json!({}), fail(503), 1),
        (json!({"attempts": 0}), Reply::close(), 1),
        (json!({"attempts": 2}), fail(503), 1),
        (json!({"attempts": 1, "retryOn": "5xx"}), fail(500), 2),
        (json!({"attempts": 3, "retryOn": "5xx"}), fail(500), 4),
        (json!({"attempts": 3, "retryOn": "5xx"}), Reply::close(), 4),
        (json!({"attempts": 2, "retryOn": "gateway-error"}), fail(500), 1),
        (json!({"attempts": 2, "retryOn": "gateway-error"}), fail(502), 3),
        (json!({"attempts": 2, "retryOn": "reset"}), Reply::close(), 3),
        (json!({"attempts": 2, "retryOn": "connect-failure"}), Reply::close(), 1),
        (json!({"attempts": 2, "retryOn": "retriable-4xx"}), fail(409), 3),
        (json!({"attempts": 2, "retryOn": "404,410"}), fail(410), 3),
        (json!({"attempts": 2, "retryOn": "404"}), fail(503), 1),
        (json!({"attempts": 2, "retryOn": "404,5xx"}), fail(404), 3),
        (json!({"attempts": 2, "retryOn": "retriable-status-codes"}), fail(503), 1),
    ] {
        let failing = envoy.upstream("failing").await?;
        failing.script([reply.clone()]);
        let mut fields = json!({});
        if !retries.is_null() {
            fields["retries"] = retries.clone();
        }
        let listener = listener(envoy, &failing, fields).await?;
        let answer = listener.get("/").send().await?;
        assert_eq!(failing.requests(), attempts, "{retries}: {answer}");
        assert_eq!(answer.header_lines("x-rule"), ["1"]);
    }
    // What does not fail again is a success.
    let flaky = envoy.upstream("flaky").await?;
    let listener = listener(envoy, &flaky, json!({"retries": {"attempts": 2, "retryOn": "503"}})).await?;
    for request in [listener.get("/"), listener.get("/").http2()] {
        flaky.script([fail(503).times(2)]);
        assert_eq!(request.send().await?.status, 200);
    }
    assert_eq!(flaky.requests(), 6);
    Ok(())
}

async fn grpc_answers_are_tried_again(envoy: &Envoy) -> Result<()> {
    let fail =
        |code: &str| Reply::status(200).header("content-type", "application/grpc").header("grpc-status", code).body("");
    for (retries, code, attempts) in [
        (Value::Null, "14", 3),
        (Value::Null, "1", 3),
        (Value::Null, "13", 1),
        (json!({"attempts": 0}), "14", 1),
        (json!({"attempts": 1, "retryOn": "unavailable"}), "14", 2),
        (json!({"attempts": 1, "retryOn": "unavailable"}), "1", 1),
        (json!({"attempts": 3, "retryOn": "internal,resource-exhausted,503"}), "8", 4),
        (json!({"attempts": 2, "retryOn": "deadline-exceeded"}), "4", 3),
        (json!({"attempts": 2, "retryOn": "5xx"}), "14", 1),
    ] {
        let failing = grpc(envoy).await?;
        failing.script([fail(code)]);
        let fields = if retries.is_null() { json!({}) } else { json!({"retries": retries}) };
        let listener = listener(envoy, &failing, fields).await?;
        let answer = call(&listener).send().await?;
        assert_eq!(answer.header("grpc-status").as_deref(), Some(code));
        assert_eq!(failing.requests(), attempts, "{retries} {code}");
    }
    Ok(())
}

async fn each_try_has_its_time(envoy: &Envoy) -> Result<()> {
    let slow = envoy.upstream("slow").await?;
    let retries = |on: &str| json!({"retries": {"attempts": 2, "perTryTimeout": "150ms", "retryOn": on}});
    for (on, attempts) in [("5xx", 3), ("gateway-error", 3), ("reset", 3), ("504", 1), ("connect-failure", 1)] {
        slow.script([Reply::status(200).held()]);
        let listener = listener(envoy, &slow, retries(on)).await?;
        let before = slow.requests();
        let answer = listener.get("/").send().await?;
        assert_eq!((answer.status, slow.requests() - before), (504, attempts), "{on}");
    }
    slow.script([Reply::status(200).held().times(2)]);
    let patient = listener(envoy, &slow, retries("5xx")).await?;
    assert_eq!(patient.get("/").send().await?.status, 200);
    Ok(())
}

async fn a_body_is_sent_again(envoy: &Envoy) -> Result<()> {
    let flaky = envoy.upstream("flaky").await?;
    flaky.script([Reply::status(503).body("").times(1), Reply::close().times(1)]);
    let listener = listener(envoy, &flaky, json!({"retries": {"attempts": 2, "retryOn": "5xx"}})).await?;
    let answer = listener.post("/").body(vec![b'x'; 30_000]).send().await?;
    assert_eq!((answer.status, answer.echo().body_length, flaky.requests()), (200, 30_000, 3));
    Ok(())
}

async fn a_rate_limited_answer_is_final(envoy: &Envoy) -> Result<()> {
    let limited = || Reply::status(429).header("x-envoy-ratelimited", "true").body("");
    for (on, attempts) in [("429", 1), ("429,envoy-ratelimited", 2)] {
        let upstream = envoy.upstream("limited").await?;
        upstream.script([limited()]);
        let listener = listener(envoy, &upstream, json!({"retries": {"attempts": 1, "retryOn": on}})).await?;
        assert_eq!(listener.get("/").send().await?.status, 429);
        assert_eq!(upstream.requests(), attempts, "{on}");
    }
    Ok(())
}

/// Nobody listens at the first of this cluster's two endpoints.
async fn half_dead(envoy: &Envoy, alive: &Upstream, lb_policy: &str) -> Result<Upstream> {
    let endpoint =
        |port: u16| json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}});
    let endpoints = json!([{"lb_endpoints": [endpoint(1), endpoint(alive.addresses()[0].port())]}]);
    let cluster = json!({"lb_policy": lb_policy, "load_assignment": {"endpoints": endpoints}});
    envoy.add_upstream(UpstreamConfig::new("half-dead").cluster(cluster)).await
}

async fn a_connection_that_fails_is_tried_again(envoy: &Envoy) -> Result<()> {
    let alive = envoy.upstream("alive").await?;
    let cluster = half_dead(envoy, &alive, "ROUND_ROBIN").await?;
    for (fields, is_tried_again) in [
        (json!({}), true),
        (json!({"retries": {"attempts": 1}}), true),
        (json!({"retries": {"attempts": 1, "retryOn": "5xx"}}), true),
        // Nobody has answered: the 503 is Envoy's own.
        (json!({"retries": {"attempts": 1, "retryOn": "503"}}), false),
        (json!({"retries": {}}), false),
    ] {
        let listener = listener(envoy, &cluster, fields.clone()).await?;
        let mut refused = 0;
        // Of two requests on one worker, and so of three on two workers, one goes to the dead endpoint first.
        for _ in 0..3 {
            refused += usize::from(listener.get("/").send().await?.status == 503);
        }
        assert_eq!(refused == 0, is_tried_again, "{fields}: {refused} of 3 refused");
    }
    Ok(())
}

/// Chance chooses the hosts, but Envoy draws again, up to five times, when it draws one that has failed. If it did not,
/// a request would fail with the chance that each of its tries meets the dead one.
async fn another_host_is_tried(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 300;
    let alive = envoy.upstream("alive").await?;
    let cluster = half_dead(envoy, &alive, "RANDOM").await?;
    for (fields, tries) in [(json!({}), 3), (json!({"retries": {"attempts": 1, "retryOn": "connect-failure"}}), 2)] {
        let listener = listener(envoy, &cluster, fields.clone()).await?;
        let mut connection = listener.connect_http2().await?;
        let mut refused = 0;
        for _ in 0..REQUESTS {
            refused += u32::from(connection.send(listener.get("/")).await?.status == 503);
        }
        let (as_by_chance, _) = bounds(REQUESTS, 0.5f64.powi(tries), 1e-6);
        assert!(refused < as_by_chance, "{fields}: {refused} of {REQUESTS} refused");
    }
    Ok(())
}
