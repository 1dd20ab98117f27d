//! What a request that is refused is answered, and what is told of one that is let pass.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Reply, Request, Test, tests};
use serde_json::{Value, json};

use super::super::bucket;
use super::{Case, Judged};

pub fn tests() -> Vec<Test> {
    tests![every_kind_of_request, statuses, headers, the_upstreams_own_headers, answers_of_envoy, how_long_it_takes]
}

/// Every kind of request that is answered in its own way.
fn requests() -> Vec<Request> {
    let new = |method: &str| Request::new(([127, 0, 0, 1], 0).into(), method, "/path?query");
    let kind = |method: &str, kind: &str| new(method).header("content-type", kind).header("te", "trailers");
    let grpc = crate::GRPC_OR_NOT.map(|grpc| kind("POST", grpc).body(&b"\0\0\0\0\x02ab"[..]));
    let others = [
        new("GET"),
        new("HEAD"),
        new("DELETE"),
        new("OPTIONS"),
        new("POST").body("some body"),
        new("PUT").body(vec![b'x'; 100_000]),
        new("GET").header("accept", "application/json").header("accept-encoding", "gzip"),
        kind("HEAD", "application/grpc"),
        kind("GET", "application/grpc"),
    ];
    others.into_iter().chain(grpc).collect()
}

/// A bucket for one request, and then they are refused.
fn refused(response: Value) -> Case {
    let first = Request::new(([127, 0, 0, 1], 0).into(), "GET", "/");
    Case::new(json!({"tokenBucket": bucket(1)}), Value::Null, [vec![first], requests()].concat()).response(response)
}

async fn every_kind_of_request(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for exhausted in [false, true] {
        for told in ["OFF", "DRAFT_VERSION_03"] {
            let fields = json!({"rateLimitedAsResourceExhausted": exhausted, "rateLimitHeaders": told});
            cases.push(refused(fields.clone()));
            let local = json!({"tokenBucket": bucket(1000)});
            cases.push(Case::new(local, Value::Null, requests()).response(fields));
        }
    }
    Judged::new(envoy, cases).await?.same().await
}

async fn statuses(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for status in [400, 401, 403, 404, 408, 422, 426, 429, 431, 500, 502, 503, 504, 511] {
        cases.push(refused(json!({"status": status})));
        cases.push(refused(json!({"status": status, "rateLimitedAsResourceExhausted": true})));
    }
    Judged::new(envoy, cases).await?.same().await
}

async fn headers(envoy: &Envoy) -> Result<()> {
    let cases = [
        json!({"x-local-rate-limit": "true"}),
        json!({"x-a": "1", "x-b": "", "X-C": "three", "retry-after": "7"}),
        json!({"content-type": "application/json"}),
        json!({"content-type": "application/json", "set-cookie": "a=b", "cache-control": "no-store"}),
        json!({"grpc-status": "5", "grpc-message": "own"}),
        json!({"location": "/elsewhere", "server": "own", "date": "own", "vary": "*"}),
    ];
    let cases = cases.into_iter().map(|headers| refused(json!({"headers": headers}))).collect();
    Judged::new(envoy, cases).await?.same().await
}

/// They stay, and those of the limit come beside them.
async fn the_upstreams_own_headers(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("has limits of its own").await?;
    let own = Reply::status(200).header("x-ratelimit-limit", "77").header("x-ratelimit-reset", "9999999");
    upstream.script([own.header("x-ratelimit-other", "x").header("retry-after", "3")]);
    let local = json!({"tokenBucket": bucket(2)});
    let requests = || [requests()[0].clone(), requests()[0].clone(), requests()[0].clone()];
    let cases = vec![
        Case::new(local.clone(), Value::Null, requests()),
        Case::new(local, Value::Null, requests()).response(json!({"rateLimitHeaders": "OFF"})),
    ];
    let route = json!({"route": {"cluster": upstream.name()}});
    Judged::on(envoy, ListenerConfig::new(), route, cases).await?.same().await
}

/// They count as well, and are told of.
async fn answers_of_envoy(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("closes").await?;
    upstream.script([Reply::close()]);
    for route in [
        json!({"direct_response": {"status": 204}}),
        json!({"direct_response": {"status": 503, "body": {"inline_string": "no"}}}),
        json!({"redirect": {"path_redirect": "/elsewhere"}}),
        json!({"route": {"cluster_header": "x-nobody"}}),
        json!({"route": {"cluster": upstream.name()}}),
    ] {
        let local = json!({"tokenBucket": bucket(2)});
        let cases = vec![Case::new(local, Value::Null, (0..4).map(|_| requests()[0].clone()))];
        Judged::on(envoy, ListenerConfig::new(), route, cases).await?.same().await?;
    }
    // There is no route at all: Envoy's per-route filter is none, so it is not asked.
    let limit = json!({"local": {"tokenBucket": bucket(1)}});
    let config = ListenerConfig::new().routes([json!({"match": {"path": "/only"}, "route": {"cluster": "default"}})]);
    let listener = super::super::listener_like(envoy, config, super::super::WHOLE, json!([limit])).await?;
    assert_eq!(listener.get("/none").send().await?.status, 404);
    assert_eq!(listener.get("/only").send().await?.status, 429);
    Ok(())
}

/// The time until the next token, in whole seconds and rounded up; none while there is one.
async fn how_long_it_takes(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for (max_tokens, tokens, minutes) in [(2, 2, 60), (3, 1, 10), (1, 1, 2), (5, 10, 600), (4, 1, 1000)] {
        let interval = format!("{}s", minutes * 60);
        let bucket = json!({"maxTokens": max_tokens, "tokensPerFill": tokens, "fillInterval": interval});
        let requests = (0..max_tokens + 2).map(|_| requests()[0].clone());
        cases.push(Case::new(json!({"tokenBucket": bucket}), Value::Null, requests));
    }
    Judged::new(envoy, cases).await?.same().await
}
