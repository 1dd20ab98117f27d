//! What can be seen of a limit: in the access log, in the metrics, and in the response, where Envoy's own has nothing like
//! it (see `native` for the rest).

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Reply, Test, routes, tests};
use serde_json::{Value, json};

use super::{SLIM, WHOLE, bucket, by_header, counted, descriptor, header, listener, listener_like, told, with};

pub fn tests() -> Vec<Test> {
    tests![
        in_the_access_log,
        in_the_metrics,
        when_to_come_again,
        when_nobody_knows,
        its_own_answer,
        without_a_body,
        to_grpc,
        of_the_slowest,
        only_if_asked,
    ]
}

fn limit(name: Option<&str>, path: &str, fields: Value) -> Value {
    with(json!({"name": name, "match": [{"uri": {"exact": path}}]}), fields)
}

fn one() -> Value {
    json!({"local": {"tokenBucket": bucket(1)}})
}

/// The answers to a request that passes, and to the next one.
async fn twice(listener: &Listener, path: &str) -> Result<Answer> {
    assert_eq!(listener.get(path).send().await?.status, 200, "{path}");
    listener.get(path).send().await
}

/// The details name the limit; there is no flag, which Envoy lets no filter set.
async fn in_the_access_log(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let limits = json!([
            limit(Some("per client"), "/named", one()),
            limit(None, "/unnamed", one()),
            limit(Some("by-value"), "/value", by_header("k", &bucket(1))),
            limit(Some("ä(1)"), "/odd", one()),
        ]);
        let listener = listener(envoy, module, limits).await?;
        for path in ["/named", "/unnamed", "/odd"] {
            assert_eq!(twice(&listener, path).await?.status, 429);
        }
        for _ in 0..2 {
            listener.get("/value").header("k", "v").send().await?;
        }
        let log = listener.access_log(8).await?;
        for (path, details) in [
            ("/named", "pointsman_rate_limited{per_client}"),
            ("/unnamed", "pointsman_rate_limited{rateLimits[1]}"),
            ("/value", "pointsman_rate_limited{by-value}"),
            ("/odd", "pointsman_rate_limited{ä(1)}"),
        ] {
            let mut lines: Vec<&Value> = log.iter().filter(|line| line["path"] == path).collect();
            lines.sort_by_key(|line| line["code"].as_u64());
            let [passed, refused] = lines[..] else { panic!("{path}: {log:?}") };
            assert_eq!((&passed["code"], &passed["details"]), (&json!(200), &json!("via_upstream")));
            assert_eq!((&refused["code"], &refused["details"]), (&json!(429), &json!(details)));
            assert!(refused["flags"].is_null() || refused["flags"] == "-", "{refused}");
        }
    }
    Ok(())
}

async fn in_the_metrics(envoy: &Envoy) -> Result<()> {
    let limits = json!([
        limit(Some("counted"), "/a", one()),
        limit(Some("never met"), "/b", one()),
        // Refused by the first of them, a request is not counted at the other.
        with(one(), json!({"name": "counted later", "local": {"tokenBucket": bucket(5)}})),
    ]);
    let listener = listener(envoy, SLIM, limits).await?;
    for _ in 0..4 {
        listener.get("/a").send().await?;
    }
    for _ in 0..6 {
        listener.get("/c").send().await?;
    }
    for (name, count) in [("counted", 3), ("never met", 0), ("counted later", 2)] {
        for by in ["local", "concurrency", "global"] {
            let expected = if by == "local" { count } else { 0 };
            assert_eq!(counted(envoy, "rate_limited", name, by).await?, expected, "{name}");
            assert_eq!(counted(envoy, "shadow_rate_limited", name, by).await?, 0, "{name}");
        }
    }
    Ok(())
}

/// In whole seconds, and not too soon.
async fn when_to_come_again(envoy: &Envoy) -> Result<()> {
    let every = |tokens: u32, interval: &str| json!({"local": {"tokenBucket": {"maxTokens": 1, "tokensPerFill": tokens, "fillInterval": interval}}});
    let cases = [
        ("/hour", every(1, "3600s"), 3600),
        ("/minutes", every(2, "3600s"), 1800),
        ("/day", every(1, "24h"), 86_400),
        ("/part", every(7, "3600s"), 515),
    ];
    let limits: Value = cases.iter().map(|(path, fields, _)| limit(None, path, fields.clone())).collect();
    let listener = listener(envoy, WHOLE, limits).await?;
    for (path, _, seconds) in cases {
        let answer = twice(&listener, path).await?;
        let [said] = &answer.header_lines("retry-after")[..] else { panic!("{answer}") };
        let said: i64 = said.parse()?;
        // A machine may be busy meanwhile.
        assert!((seconds - 60..=seconds).contains(&said), "{path}: {said}, expected {seconds}");
    }
    // It is said to those who are refused alone.
    let fresh = listener.get("/other").send().await?;
    assert_eq!((fresh.status, fresh.header("retry-after")), (200, None));
    Ok(())
}

/// What asks for more than there ever is, and what waits for others to end.
async fn when_nobody_knows(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("held").await?;
    upstream.script([Reply::status(200).held()]);
    let limits = json!([
        limit(None, "/much", json!({"local": {"tokenBucket": bucket(3)}, "hitsAddend": {"requestHeader": "hits"}})),
        limit(None, "/held", json!({"concurrency": 1})),
        limit(
            None,
            "/own",
            with(
                one(),
                json!({"response": {
                    "headers": {"Retry-After": "soon", "X-RateLimit-Limit": "7"}, "rateLimitHeaders": "DRAFT_VERSION_03",
                }})
            )
        ),
    ]);
    let config = ListenerConfig::new().routes([routes::catch_all(upstream.name())]);
    let listener = listener_like(envoy, config, WHOLE, limits).await?;
    let much = listener.get("/much").header("hits", "4").send().await?;
    assert_eq!((much.status, much.header("retry-after")), (429, None));
    let first = tokio::spawn(listener.get("/held").send());
    upstream.arrived(1).await;
    let held = listener.get("/held").send().await?;
    assert_eq!((held.status, held.header("retry-after")), (429, None));
    upstream.script([Reply::status(200)]);
    upstream.release(1);
    assert_eq!(first.await??.status, 200);
    // The operator's own goes before.
    let own = twice(&listener, "/own").await?;
    assert_eq!((own.header_lines("retry-after"), told(&own)), (vec!["soon".into()], [Some("7".into()), None, None]));
    Ok(())
}

async fn its_own_answer(envoy: &Envoy) -> Result<()> {
    let response = json!({
        "status": 503, "body": "{\"why\": \"too many\"}",
        "headers": {"content-type": "application/json", "X-Why": "limit"},
    });
    let limits = json!([limit(None, "/a", with(one(), json!({"response": response})))]);
    for module in [WHOLE, SLIM] {
        let listener = listener(envoy, module, limits.clone()).await?;
        assert_eq!(listener.get("/a").send().await?.status, 200);
        for request in [listener.get("/a"), listener.get("/a").http2()] {
            let answer = request.send().await?;
            assert_eq!((answer.status, answer.text().as_str()), (503, "{\"why\": \"too many\"}"));
            assert_eq!(answer.header_lines("content-type"), ["application/json"]);
            assert_eq!(answer.header_lines("x-why"), ["limit"]);
            assert_eq!(answer.header_lines("content-length"), ["19"]);
            assert_eq!(answer.header("x-envoy-ratelimited"), None);
        }
    }
    Ok(())
}

async fn without_a_body(envoy: &Envoy) -> Result<()> {
    let limits = json!([limit(None, "/a", with(one(), json!({"response": {"body": ""}})))]);
    let listener = listener(envoy, SLIM, limits).await?;
    let answer = twice(&listener, "/a").await?;
    assert_eq!((answer.status, answer.text().as_str()), (429, ""));
    assert_eq!(answer.header("content-type"), None);
    Ok(())
}

/// The status is in its own header, and the body is the message.
async fn to_grpc(envoy: &Envoy) -> Result<()> {
    let limits = json!([
        limit(None, "/p.S/Plain", one()),
        limit(
            None,
            "/p.S/Exhausted",
            with(
                one(),
                json!({"response": {
                    "rateLimitedAsResourceExhausted": true, "body": "not so fast, ä%",
                }})
            )
        ),
        limit(None, "/p.S/Slots", json!({"concurrency": 1, "response": {"rateLimitedAsResourceExhausted": true}})),
    ]);
    let upstream = envoy.upstream("held").await?;
    let config = ListenerConfig::new().routes([routes::catch_all(upstream.name())]);
    let listener = listener_like(envoy, config, WHOLE, limits).await?;
    let call = |path: &str| {
        let call = listener.post(path).header("content-type", "application/grpc").header("te", "trailers");
        call.body(vec![0; 5])
    };
    upstream.script([Reply::status(200).held().times(1)]);
    let first = tokio::spawn(call("/p.S/Slots").http2().send());
    upstream.arrived(1).await;
    for (path, status, message) in [
        ("/p.S/Plain", "14", "local_rate_limited"),
        ("/p.S/Exhausted", "8", "not so fast, %C3%A4%25"),
        ("/p.S/Slots", "8", "local_rate_limited"),
    ] {
        if path != "/p.S/Slots" {
            assert_eq!(call(path).send().await?.header("grpc-status"), None);
        }
        for request in [call(path), call(path).http2()] {
            let answer = request.send().await?;
            let header = |name: &str| answer.header(name).unwrap_or_default();
            assert_eq!(
                (answer.status, header("grpc-status"), header("grpc-message")),
                (200, status.into(), message.into())
            );
            assert_eq!((header("content-type").as_str(), answer.text().as_str()), ("application/grpc", ""));
            assert_eq!(answer.header("retry-after").is_some(), path != "/p.S/Slots");
        }
    }
    upstream.release(1);
    assert_eq!(first.await??.status, 200);
    Ok(())
}

/// Of several limits that a request has to do with, it is told of that whose tokens are the slowest to come, as with
/// Envoy's descriptors; of those that say nothing, it is not.
async fn of_the_slowest(envoy: &Envoy) -> Result<()> {
    let slow = json!({"maxTokens": 20, "fillInterval": "7200s"});
    let tells = json!({"response": {"rateLimitHeaders": "DRAFT_VERSION_03"}});
    let silent = json!({"maxTokens": 30, "fillInterval": "14400s"});
    let limits = json!([
        with(json!({"local": {"tokenBucket": bucket(5)}}), tells.clone()),
        with(json!({"local": {"tokenBucket": slow}}), tells.clone()),
        {"local": {"tokenBucket": silent}},
        with(with(by_header("k", &bucket(9)), json!({"local": {"tokenBucket": bucket(40)}})), tells),
    ]);
    let listener = listener(envoy, WHOLE, limits).await?;
    let mut connection = listener.connect_http2().await?;
    for (value, limit, remaining) in
        [(None, "20", "19"), (Some("a"), "9", "8"), (None, "20", "17"), (Some("a"), "9", "7"), (None, "20", "15")]
    {
        let request = value.into_iter().fold(listener.get("/"), |request, value| request.header("k", value));
        let answer = connection.send(request).await?;
        assert_eq!(answer.status, 200);
        assert_eq!(told(&answer), [limit, remaining, "0"].map(|text| Some(text.to_owned())), "{value:?}");
    }
    let answer = connection.send(listener.get("/")).await?;
    assert_eq!((answer.status, told(&answer)[..2].to_vec()), (429, vec![Some("5".into()), Some("0".into())]));
    Ok(())
}

async fn only_if_asked(envoy: &Envoy) -> Result<()> {
    let descriptors = json!([descriptor("k", "v", &bucket(1))]);
    let limit = json!({"actions": [header("k")], "local": {"descriptors": descriptors, "tokenBucket": bucket(9)}});
    for module in [WHOLE, SLIM] {
        for response in [json!({}), json!({"rateLimitHeaders": "OFF"})] {
            let listener = listener(envoy, module, json!([with(limit.clone(), json!({"response": response}))])).await?;
            for expected in [200, 429] {
                let answer = listener.get("/").header("k", "v").send().await?;
                assert_eq!((answer.status, told(&answer)), (expected, [None, None, None]));
            }
        }
    }
    Ok(())
}
