//! Actions that Envoy has not: a path by its template, and a claim of a token. And limits that nobody but us keeps so.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Test, tests};
use serde_json::{Value, json};

use super::{SLIM, WHOLE, bucket, descriptor, header, listener, listener_like, statuses, then_refused, with};

pub fn tests() -> Vec<Test> {
    tests![
        by_template,
        by_a_segment_of_a_path,
        by_a_claim,
        by_client_and_path,
        a_share_of_a_limit,
        sixteen_limits_by_value,
        overrides_for_some,
    ]
}

fn path(template: &str, variable: Option<&str>) -> Value {
    json!({"path": {"template": template, "variable": variable, "descriptorKey": "path"}})
}

/// A bucket for each value of what that action makes.
fn by(action: Value, size: u32) -> Value {
    json!({"actions": [action], "local": {"descriptors": [descriptor("path", "", &bucket(size))]}})
}

/// All requests of these take from one bucket of that size.
async fn share(listener: &Listener, paths: &[&str], size: usize) -> Result<()> {
    let mut statuses = Vec::new();
    for number in 0..size + 2 {
        statuses.push(listener.get(paths[number % paths.len()]).send().await?.status);
    }
    assert_eq!(statuses, then_refused(size, 2), "{paths:?}");
    Ok(())
}

/// All paths of a form together.
async fn by_template(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let limits = json!([
            by(path("/users/{id}/orders", None), 3),
            by(path("/files/{**}", None), 4),
            by(path("/exact", None), 2),
        ]);
        let listener = listener(envoy, module, limits).await?;
        share(&listener, &["/users/1/orders", "/users/2/orders?q=1", "/users/%C3%A4/orders"], 3).await?;
        share(&listener, &["/files/a", "/files/a/b/c", "/files/x?y"], 4).await?;
        share(&listener, &["/exact", "/exact?a=b"], 2).await?;
        for other in ["/users/1", "/users/1/orders/2", "/users//orders", "/users/1/2/orders", "/file/a", "/", "/exact/"]
        {
            assert_eq!(statuses(&listener.get(other), 6).await?, [200; 6], "{other}");
        }
    }
    Ok(())
}

/// Whatever stands in its place has a bucket of its own.
async fn by_a_segment_of_a_path(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let listener = listener(envoy, module, json!([by(path("/t/{tenant}/{**}", Some("tenant")), 3)])).await?;
        share(&listener, &["/t/a/x", "/t/a/y/z", "/t/a/?q"], 3).await?;
        share(&listener, &["/t/b/x"], 3).await?;
        share(&listener, &["/t/A/x"], 3).await?;
        assert_eq!(statuses(&listener.get("/t//x"), 5).await?, [200; 5]);
    }
    Ok(())
}

async fn by_a_claim(envoy: &Envoy) -> Result<()> {
    // What stands in for jwt_authn, which would have checked a signature. A header says which token it is.
    let tokens = [
        ("alice", json!({"sub": "alice", "org": {"team": "red"}, "level": 5})),
        ("bob", json!({"sub": "bob", "org": {"team": "red"}, "level": "5"})),
        ("none", json!({"org": {}})),
    ];
    let limits = json!([
        {
            "name": "by subject", "match": [{"uri": {"exact": "/sub"}}],
            "actions": [{"jwtClaim": {"claim": "sub", "descriptorKey": "sub"}}],
            "local": {"descriptors": [descriptor("sub", "", &bucket(2))]},
        },
        {
            "name": "by team", "match": [{"uri": {"exact": "/team"}}],
            "actions": [{"jwtClaim": {"claim": "org.team", "descriptorKey": "team"}}],
            "local": {"descriptors": [descriptor("team", "red", &bucket(3))]},
        },
        {
            "name": "by level", "match": [{"uri": {"exact": "/level"}}],
            "actions": [
                {"jwtClaim": {"claim": "level", "descriptorKey": "level", "skipIfAbsent": true}},
                {"genericKey": {"descriptorValue": "any"}},
            ],
            "local": {"descriptors": [{
                "entries": [{"key": "level"}, {"key": "generic_key", "value": "any"}], "tokenBucket": bucket(1),
            }]},
        },
    ]);
    for (name, payload) in tokens {
        let token = json!({
            "name": "envoy.filters.http.set_metadata",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
                "metadata": [{"metadata_namespace": "envoy.filters.http.jwt_authn", "value": {"payload": payload}}],
            },
        });
        let config = ListenerConfig::new().filter_before(token);
        let listener = listener_like(envoy, config, WHOLE, limits.clone()).await?;
        for (path, passed) in match name {
            "alice" => [("/sub", 2), ("/team", 3), ("/level", 5)],
            "bob" => [("/sub", 2), ("/team", 3), ("/level", 1)],
            _ => [("/sub", 5), ("/team", 5), ("/level", 5)],
        } {
            let expected = then_refused(passed, 5 - passed);
            assert_eq!(statuses(&listener.get(path), 5).await?, expected, "{name} {path}");
        }
    }
    Ok(())
}

/// Each pair has a bucket, and each client has one beside it.
async fn by_client_and_path(envoy: &Envoy) -> Result<()> {
    let client = json!({"remoteAddress": {}});
    let pair = json!({
        "name": "pairs", "actions": [client, path("/api/{what}", Some("what"))],
        "local": {"descriptors": [{
            "entries": [{"key": "remote_address"}, {"key": "path"}], "tokenBucket": bucket(2),
        }]},
    });
    let each = json!({
        "name": "clients", "actions": [client],
        "local": {"descriptors": [descriptor("remote_address", "", &bucket(5))]},
    });
    let listener = listener(envoy, WHOLE, json!([pair, each])).await?;
    let from = async |address: &str, path: &str, times: usize| {
        statuses(&listener.get(path).header("x-forwarded-for", address), times).await
    };
    assert_eq!(from("10.0.0.1", "/api/a", 3).await?, then_refused(2, 1));
    assert_eq!(from("10.0.0.1", "/api/b", 3).await?, then_refused(2, 1));
    assert_eq!(from("10.0.0.2", "/api/a", 3).await?, then_refused(2, 1));
    assert_eq!(from("10.0.0.1", "/other", 2).await?, then_refused(1, 1));
    assert_eq!(from("10.0.0.2", "/other", 4).await?, then_refused(3, 1));
    Ok(())
}

/// Every proxy has an equal part.
async fn a_share_of_a_limit(envoy: &Envoy) -> Result<()> {
    let descriptors = json!([descriptor("k", "", &bucket(9)), descriptor("k", "v", &bucket(3))]);
    let limit = json!({
        "actions": [header("k")], "local": {"tokenBucket": bucket(30), "descriptors": descriptors},
        "shareAcross": {"replicas": 3},
    });
    let listener = listener(envoy, SLIM, json!([limit])).await?;
    for (value, size) in [("a", 3), ("b", 3), ("v", 1)] {
        assert_eq!(statuses(&listener.get("/").header("k", value), size + 1).await?, then_refused(size, 1));
    }
    assert_eq!(statuses(&listener.get("/"), 4).await?, then_refused(3, 1));
    Ok(())
}

/// As many as there may be, each with its own table.
async fn sixteen_limits_by_value(envoy: &Envoy) -> Result<()> {
    let name = |number: u32| format!("k{number}");
    let limits = (0..16).map(|number| {
        let one = super::by_header(&name(number), &bucket(number % 4 + 1));
        with(one, json!({"name": format!("table {number}"), "local": {"sets": 64}}))
    });
    let listener = listener(envoy, WHOLE, limits.collect()).await?;
    for number in 0..16 {
        let size = number as usize % 4 + 1;
        for value in ["a", "b"] {
            let request = listener.get("/").header(&name(number), value);
            assert_eq!(statuses(&request, size + 1).await?, then_refused(size, 1), "{number} {value}");
        }
    }
    // And one request that has to do with all of them passes as long as each lets it.
    let request = (0..16).fold(listener.get("/"), |request, number| request.header(&name(number), "c"));
    assert_eq!(statuses(&request, 2).await?, [200, 429]);
    Ok(())
}

/// A bucket for each value, and others for some.
async fn overrides_for_some(envoy: &Envoy) -> Result<()> {
    let descriptors = json!([
        descriptor("plan", "", &bucket(1)),
        descriptor("plan", "gold", &bucket(4)),
        descriptor("plan", "silver", &bucket(2)),
    ]);
    let local = json!({
        "tokenBucket": bucket(9), "descriptors": descriptors, "alwaysConsumeDefaultTokenBucket": false,
    });
    for module in [WHOLE, SLIM] {
        let listener = listener(envoy, module, json!([{"actions": [header("plan")], "local": local}])).await?;
        for (plan, size) in [("gold", 4), ("silver", 2), ("none", 1), ("other", 1), ("gold ", 0)] {
            let request = listener.get("/").header("plan", plan);
            assert_eq!(statuses(&request, size + 1).await?, then_refused(size, 1), "{plan}");
        }
        assert_eq!(statuses(&listener.get("/"), 10).await?, then_refused(9, 1));
    }
    Ok(())
}
