//! With the real ones, so each is ignored where they may be missing.

use serde_json::json;

use super::RateLimitService;
use crate::{EnvoyConfig, ListenerConfig};

/// `domain: "edge"`, and a descriptor of one entry, `user: "a"`.
const ASK: &[u8] = b"\x0a\x04edge\x12\x0b\x0a\x09\x0a\x04user\x12\x01a";

async fn service() -> RateLimitService {
    let limit = json!({"unit": "year", "requests_per_unit": 2});
    let domain = json!({"domain": "edge", "descriptors": [{"key": "user", "rate_limit": limit}]});
    RateLimitService::start([domain]).await.unwrap()
}

/// `overall_code`, its first field, if it is an answer.
async fn code(service: &RateLimitService) -> Option<u8> {
    match service.ask(ASK).await.unwrap() {
        (0, answer) => Some(answer[1]),
        _ => None,
    }
}

#[tokio::test]
#[ignore = "needs Go and Redis: `cargo xtask ratelimit`, and redis-server"]
async fn it_counts_and_restarts() {
    let mut service = service().await;
    assert_eq!([code(&service).await, code(&service).await, code(&service).await], [Some(1), Some(1), Some(2)]);
    assert!(service.log().contains("limit_remaining:1"), "{}", service.log());
    service.stop_service();
    assert!(service.ask(ASK).await.is_err());
    service.start_service().await.unwrap();
    assert_eq!(code(&service).await, Some(2));
    service.stop_redis();
    assert_eq!(code(&service).await, None);
    service.start_redis().await.unwrap();
    while code(&service).await.is_none() {}
    assert_eq!([code(&service).await, code(&service).await], [Some(1), Some(2)]);
}

#[tokio::test]
#[ignore = "needs Envoy, Go and Redis: `make envoy`, `cargo xtask ratelimit`, and redis-server"]
async fn envoy_asks_it() {
    let (service, envoy) = (service().await, EnvoyConfig::new().start().await.unwrap());
    let upstream = envoy.add_upstream(service.upstream("ratelimit")).await.unwrap();
    let filter = json!({
        "name": "ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
            "domain": "edge",
            "timeout": "10s",
            "failure_mode_deny": true,
            "rate_limit_service": {
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": upstream.name()}},
            },
        },
    });
    let by_user = json!({"actions": [{"request_headers": {"header_name": "user", "descriptor_key": "user"}}]});
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "default", "rate_limits": [by_user]}});
    let listener = ListenerConfig::new().filter_before(filter).routes([route]);
    let listener = envoy.add_listener(listener).await.unwrap();
    for (user, status) in [("a", 200), ("a", 200), ("a", 429), ("b", 200)] {
        let answer = listener.get("/").header("user", user).send().await.unwrap();
        assert_eq!(answer.status, status, "{user}:\n{}", service.log());
    }
}
