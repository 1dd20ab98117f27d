//! With the real one, so it is ignored where that may be missing.

use prost::Message as _;
use serde_json::json;

use super::Limitador;
use crate::rls::{HeaderValue, OK, OVER_LIMIT, RateLimitRequest, RateLimitResponse};

async fn answer(service: &Limitador, question: &RateLimitRequest) -> RateLimitResponse {
    let (status, answer) = service.ask(&question.encode_to_vec()).await.unwrap();
    assert_eq!(status, 0);
    RateLimitResponse::decode(answer).unwrap()
}

/// The code, and the headers without `x-ratelimit-reset`, which is the clock's.
async fn seen(service: &Limitador, question: &RateLimitRequest) -> (i32, Vec<HeaderValue>) {
    let mut answer = answer(service, question).await;
    assert_eq!(
        (&answer.statuses[..], &answer.request_headers_to_add[..], &*answer.raw_body),
        (&[][..], &[][..], &b""[..])
    );
    answer.response_headers_to_add.retain(|header| header.key != b"X-RateLimit-Reset");
    (answer.overall_code, answer.response_headers_to_add)
}

#[tokio::test]
#[ignore = "needs `cargo build -p limitador-server`"]
async fn it_counts_and_forgets() {
    let variables = ["descriptors[0].user"];
    let limit =
        json!({"namespace": "edge", "max_value": 2, "seconds": 86_400, "conditions": [], "variables": variables});
    let mut service = Limitador::start([limit]).await.unwrap();
    let a = RateLimitRequest::new("edge", &[("user", "a")]);
    let left = |remaining: &str| {
        let limit = HeaderValue::new("X-RateLimit-Limit", "2, 2;w=86400");
        vec![limit, HeaderValue::new("X-RateLimit-Remaining", remaining)]
    };
    for expected in [(OK, left("1")), (OK, left("0")), (OVER_LIMIT, left("0"))] {
        assert_eq!(seen(&service, &a).await, expected);
    }
    // Another user, and what no limit is for.
    let b = RateLimitRequest { hits_addend: 2, ..RateLimitRequest::new("edge", &[("user", "b")]) };
    assert_eq!(seen(&service, &b).await, (OK, left("0")));
    for question in [RateLimitRequest::new("else", &[("user", "a")]), RateLimitRequest::new("edge", &[("tier", "a")])] {
        assert_eq!(seen(&service, &question).await, (OK, vec![]));
    }
    service.stop();
    assert!(service.ask(b"").await.is_err());
    service.start_again().await.unwrap();
    assert_eq!(seen(&service, &a).await, (OK, left("1")));
}
