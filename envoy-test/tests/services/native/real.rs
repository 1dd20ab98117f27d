//! With the real services.

use anyhow::Result;
use envoy_test::{Envoy, Limitador, RateLimitService, Test, tests};
use serde_json::{Value, json};

use super::{Case, Judged, grpc, request};
use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![ratelimit, limitador, nobody_answers]
}

const DOMAINS: [&str; 3] = ["theirs", "whole", "slim"];

fn generic(value: &str) -> Value {
    json!({"genericKey": {"descriptorValue": value}})
}

/// Limits of all kinds of ratelimit's configuration.
fn descriptors() -> Value {
    let of_path = json!([a_year(json!({"key": "path"}), 2)]);
    let unlimited = json!({"key": "generic_key", "value": "unlimited", "rate_limit": {"unlimited": true}});
    let shadow = with(a_year(json!({"key": "generic_key", "value": "shadow"}), 1), json!({"shadow_mode": true}));
    let named = with(a_year(json!({"key": "tenant"}), 4), json!({"rate_limit": {"name": "of a tenant"}}));
    let blocked = a_year(json!({"key": "user", "value": "blocked"}), 0);
    json!([a_year(json!({"key": "user", "descriptors": of_path}), 3), blocked, named, unlimited, shadow])
}

async fn ratelimit(envoy: &Envoy) -> Result<()> {
    let user = json!([header("user")]);
    let tenant = json!([header("tenant")]);
    let path = json!([header("user"), {"requestHeaders": {"headerName": ":path", "descriptorKey": "path"}}]);
    let plain: Vec<Case> = vec![
        Case::new([user.clone()]),
        Case::new([user.clone(), tenant.clone()]),
        Case::new([tenant.clone(), path.clone(), user.clone()]),
        Case::new([json!([generic("unlimited")]), tenant.clone()]),
        Case::new([json!([generic("shadow")]), user.clone()]),
        Case::new([json!([generic("no limit is for it")])]),
        Case::new([user.clone(), user.clone()]),
        Case::new([user.clone(), tenant]).hits(json!({"number": 2})),
        Case::new([user.clone()]).hits(json!({"requestHeader": "cost"})),
    ];
    let dressed = [
        Case::new([user.clone()]).response(json!({"rateLimitHeaders": "OFF"})),
        Case::new([user.clone()]).response(json!({"status": 403, "headers": {"x-limited": "1"}})),
        Case::new([user.clone()]).global(json!({"disableXEnvoyRatelimitedHeader": true})),
        Case::new([user]).response(json!({"rateLimitedAsResourceExhausted": true})),
    ];
    for case in plain.into_iter().chain(dressed) {
        let domains = DOMAINS.map(|domain| json!({"domain": domain, "descriptors": descriptors()}));
        let service = RateLimitService::start(domains).await?;
        let upstream = envoy.add_upstream(service.upstream("ratelimit")).await?;
        let judged = Judged::new(envoy, &case, &upstream, DOMAINS).await?;
        for http2 in [false, true] {
            let round = if http2 { "two" } else { "one" };
            let user = |user: &str| format!("{user} {round}");
            let (a, b, c) = (user("a"), user("b"), user("c"));
            let of_a = request("GET", &[("user", &a), ("tenant", round), ("cost", "1")]);
            let of_b = request("HEAD", &[("user", &b), ("tenant", &a), ("cost", "2")]);
            let of_c = grpc(&[("user", &c), ("tenant", &b), ("cost", "1")]);
            let requests = [
                (of_a, 5),
                (of_b, 4),
                (of_c, 4),
                (request("GET", &[("user", "blocked"), ("tenant", round), ("cost", "1")]), 1),
                (request("GET", &[]), 2),
                (request("GET", &[("user", ""), ("tenant", ""), ("cost", "1")]), 1),
                (request("POST", &[("tenant", &c)]).body("body"), 5),
            ];
            judged.same(&format!("{case:?}"), http2, &requests).await?;
        }
    }
    Ok(())
}

async fn limitador(envoy: &Envoy) -> Result<()> {
    let limits = DOMAINS.into_iter().flat_map(|domain| {
        let limit = |most: u32, name: Value, condition: &str, variable: &str| {
            let conditions: Vec<&str> = Some(condition).filter(|text| !text.is_empty()).into_iter().collect();
            json!({
                "namespace": domain,
                "max_value": most,
                "seconds": 86_400,
                "name": name,
                "conditions": conditions,
                "variables": [variable],
            })
        };
        [
            limit(3, Value::Null, "", "descriptors[0].user"),
            limit(2, json!("post"), "descriptors[0].method == 'POST'", "descriptors[0].user"),
        ]
    });
    let limits: Vec<Value> = limits.collect();
    let method = json!({"requestHeaders": {"headerName": ":method", "descriptorKey": "method"}});
    let both = json!([header("user"), method]);
    for case in [
        Case::new([both.clone()]),
        Case::new([both.clone()]).response(json!({"rateLimitHeaders": "OFF", "headers": {"x-limited": "1"}})),
        Case::new([both]).response(json!({"rateLimitedAsResourceExhausted": true})),
    ] {
        let service = Limitador::start(limits.clone()).await?;
        let upstream = envoy.add_upstream(service.upstream("limitador")).await?;
        let judged = Judged::new(envoy, &case, &upstream, DOMAINS).await?;
        for http2 in [false, true] {
            let user = |user: &str| format!("{user} {http2}");
            let (a, b, c) = (user("a"), user("b"), user("c"));
            let of_a = request("GET", &[("user", &a)]);
            let of_b = request("POST", &[("user", &b)]).body("body");
            let of_c = grpc(&[("user", &c)]);
            let requests = [(of_a, 5), (of_b, 4), (of_c, 4), (request("GET", &[]), 2)];
            judged.same(&format!("{case:?}"), http2, &requests).await?;
        }
    }
    Ok(())
}

/// The same without a service.
async fn nobody_answers(envoy: &Envoy) -> Result<()> {
    for fields in [
        json!({"failureModeDeny": false}),
        json!({"failureModeDeny": true}),
        json!({"failureModeDeny": true, "statusOnError": 503}),
        json!({"failureModeDeny": true, "statusOnError": 403}),
    ] {
        let (stub, upstream) = stub(envoy).await?;
        drop(stub);
        let case = Case::new([json!([header("user")])]).global(fields).response(json!({"headers": {"x-limited": "1"}}));
        let judged = Judged::new(envoy, &case, &upstream, DOMAINS).await?;
        let headers = [("user", "a")];
        let requests = [request("GET", &headers), request("HEAD", &headers), request("POST", &headers).body("body")];
        let requests: Vec<_> = requests.into_iter().chain([grpc(&headers)]).map(|request| (request, 2)).collect();
        for http2 in [false, true] {
            judged.same(&format!("{case:?}"), http2, &requests).await?;
        }
    }
    Ok(())
}
