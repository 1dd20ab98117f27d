//! With a service that says whatever there is to say.

use anyhow::Result;
use envoy_test::rls::{DescriptorStatus, Duration, HeaderValue, OK, OVER_LIMIT, RateLimit, RateLimitResponse};
use envoy_test::{Envoy, RateLimitStub, Reply, Test, tests};
use serde_json::json;

use super::{Case, Judged, grpc, request};
use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![answers, errors, questions]
}

const DOMAINS: [&str; 3] = ["theirs", "whole", "slim"];

fn status(code: i32, most: u32, unit: i32, name: &str, remaining: u32, seconds: i64) -> DescriptorStatus {
    DescriptorStatus {
        code,
        current_limit: Some(RateLimit { requests_per_unit: most, unit, name: name.into() }),
        limit_remaining: remaining,
        duration_until_reset: Some(Duration { seconds, nanos: 999_999_999 }),
    }
}

fn lines() -> Vec<HeaderValue> {
    let line = HeaderValue::new;
    vec![line("X-Tier", "gold"), line("x-two", "1"), line("x-two", "2"), line("user", "another"), line("x-empty", "")]
}

/// The requests of the cases, none of whose keys another has, so that nothing is known of them.
async fn same(judged: &Judged, stub: &RateLimitStub, what: &str, reply: Reply) -> Result<()> {
    for http2 in [false, true] {
        let key = stub.asked();
        let [get, head, post, call] = ["get", "head", "post", "call"].map(|kind| format!("{key} {kind}"));
        let requests = [
            request("GET", &[("user", &get)]),
            request("HEAD", &[("user", &head), ("x-two", "0")]),
            request("POST", &[("user", &post)]).body("body"),
            grpc(&[("user", &call)]),
        ];
        let requests = requests.map(|request| (request, 1));
        stub.script([reply.clone()]);
        judged.same(what, http2, &requests).await?;
    }
    Ok(())
}

async fn answers(envoy: &Envoy) -> Result<()> {
    let (stub, upstream) = stub(envoy).await?;
    let units = (0..=8).map(|unit| RateLimitResponse {
        statuses: vec![status(OK, 5, unit, "", 4, 10), status(OK, 5, unit, "of a day", 7, 20)],
        ..RateLimitResponse::code(OK)
    });
    let mut answers: Vec<RateLimitResponse> = units.collect();
    for code in [0, OK, OVER_LIMIT, 3] {
        let plain = RateLimitResponse::code(code);
        let statuses = vec![status(OVER_LIMIT, 5, 2, "", 0, 30), status(OK, 7, 3, "of an hour", 3, 300)];
        answers.extend([
            plain.clone(),
            RateLimitResponse { response_headers_to_add: lines(), ..plain.clone() },
            RateLimitResponse { request_headers_to_add: lines(), ..plain.clone() },
            RateLimitResponse { raw_body: b"{\"slow\": \"down\"}".to_vec(), ..plain.clone() },
            RateLimitResponse { statuses: statuses.clone(), ..plain.clone() },
            RateLimitResponse { statuses: vec![DescriptorStatus::default(); 2], ..plain.clone() },
            RateLimitResponse {
                statuses,
                response_headers_to_add: lines(),
                request_headers_to_add: lines(),
                raw_body: b"slow down".to_vec(),
                ..plain
            },
        ]);
    }
    let user = json!([header("user")]);
    let method = json!([{"requestHeaders": {"headerName": ":method", "descriptorKey": "method"}}]);
    for case in [
        Case::new([user.clone(), method.clone()]),
        Case::new([user, method]).response(json!({
            "rateLimitHeaders": "OFF",
            "status": 503,
            "headers": {"x-limited": "1", "x-tier": "ours"},
            "rateLimitedAsResourceExhausted": true,
        })),
    ] {
        let judged = Judged::new(envoy, &case, &upstream, DOMAINS).await?;
        for answer in &answers {
            same(&judged, &stub, &format!("{answer:?} {case:?}"), Reply::rate_limits(answer)).await?;
        }
    }
    Ok(())
}

async fn errors(envoy: &Envoy) -> Result<()> {
    let (stub, upstream) = stub(envoy).await?;
    for deny in [false, true] {
        let case = Case::new([json!([header("user")])]).global(json!({"failureModeDeny": deny}));
        let judged = Judged::new(envoy, &case, &upstream, DOMAINS).await?;
        for (what, reply) in [
            ("an error", Reply::grpc_error(13)),
            ("an error with a message", Reply::grpc(8).body(&b"\x08\x02"[..])),
            ("garbage", Reply::grpc(0).body(&b"\xff\xff"[..])),
            ("a page", Reply::status(403).body("no")),
            ("no answer", Reply::close()),
        ] {
            same(&judged, &stub, what, reply).await?;
        }
    }
    Ok(())
}

/// The service is asked the same, too; what is not UTF-8 Envoy cannot ask.
async fn questions(envoy: &Envoy) -> Result<()> {
    let (stub, upstream) = stub(envoy).await?;
    let optional = json!({"requestHeaders": {"headerName": "maybe", "descriptorKey": "maybe", "skipIfAbsent": true}});
    let all = json!([
        {"genericKey": {"descriptorValue": "v", "descriptorKey": "k"}},
        {"destinationCluster": {}},
        {"sourceCluster": {}},
        {"maskedRemoteAddress": {"v4PrefixMaskLen": 8}},
        {"queryParameters": {"queryParameterName": "query", "descriptorKey": "q", "skipIfAbsent": true}},
        {"headerValueMatch": {"descriptorValue": "m", "headers": [{"name": "user", "stringMatch": {"prefix": "a"}}]}},
        optional.clone(),
    ]);
    let user = json!([header("user"), optional]);
    for case in [
        Case::new([all.clone(), user.clone()]),
        Case::new([user.clone()]).hits(json!({"number": 7})),
        Case::new([user.clone(), all]).hits(json!({"requestHeader": "cost"})),
    ] {
        let judged = Judged::new(envoy, &case, &upstream, DOMAINS).await?;
        for headers in [
            &[("user", "a"), ("cost", "3")][..],
            &[("user", "b"), ("maybe", "yes"), ("cost", "1")],
            &[("user", ""), ("cost", "0")],
            &[("maybe", "yes"), ("cost", "5")],
            &[],
        ] {
            let before = stub.asked();
            judged.same(&format!("{case:?}"), false, &[(request("GET", headers), 1)]).await?;
            let mut asked = stub.questions().split_off(before);
            for (question, domain) in asked.iter_mut().zip(DOMAINS) {
                assert_eq!(question.domain, domain);
                question.domain.clear();
                // One number for all, or each its own, is the same to the service; 1 need not be said.
                let common = u64::from(question.hits_addend.max(1));
                question.hits_addend = 0;
                for descriptor in &mut question.descriptors {
                    descriptor.hits_addend = Some(descriptor.hits_addend.unwrap_or(common));
                }
            }
            let [theirs, ours, slim] = &asked[..] else {
                assert!(asked.is_empty(), "{case:?} {headers:?}: {asked:#?}");
                continue;
            };
            assert!(theirs == ours && theirs == slim, "{case:?} {headers:?}: {asked:#?}");
        }
    }
    Ok(())
}
