//! ratelimit without the Redis that it counts in.

use anyhow::Result;
use envoy_test::{Envoy, RateLimitService, Test, tests};
use serde_json::json;

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![goes_and_comes]
}

/// The service is there, but has errors to tell. What was counted is forgotten; what this proxy knows to be over is not.
async fn goes_and_comes(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let domain = json!({"domain": DOMAIN, "descriptors": [a_year(json!({"key": "user"}), 1)]});
        let mut service = RateLimitService::start([domain]).await?;
        let upstream = envoy.add_upstream(service.upstream("ratelimit")).await?;
        let with_limit = async |deny: bool| {
            listener(envoy, module, json!([by_user("", &upstream, json!({"failureModeDeny": deny}))])).await
        };
        let (denies, allows) = (with_limit(true).await?, with_limit(false).await?);
        let mut connection = denies.connect().await?;
        let mut ask = async |user: &str| {
            Ok::<_, anyhow::Error>(connection.send(denies.get("/").header("user", user)).await?.status)
        };
        for expected in [200, 429] {
            assert_eq!(ask("a").await?, expected, "{module}");
        }
        service.stop_redis();
        assert_eq!(ask("b").await?, 500, "{module}:\n{}", service.log());
        assert_eq!(ask("a").await?, 429, "{module}");
        assert_eq!(statuses(&allows.get("/").header("user", "b"), 2).await?, [200; 2], "{module}");
        service.start_redis().await?;
        let back = async || Ok((ask("c").await? == 200).then_some(()));
        envoy.admin().until("ratelimit has found its Redis", back).await?;
        assert_eq!(ask("c").await?, 429, "{module}");
        all_is_over(envoy, &denies, &upstream).await?;
    }
    Ok(())
}
