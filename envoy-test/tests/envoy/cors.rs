//! `corsPolicy`, as Envoy's own filter does it for Istio.

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Reply, Request, Test, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        preflights_are_answered,
        other_preflights,
        wildcards_tell_what_was_asked,
        actual_requests,
        no_effect_on_answers
    ]
}

const ORIGIN: &str = "http://page.com";

async fn listener(envoy: &Envoy, http: Value) -> Result<Listener> {
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": http}]});
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

fn rule(host: &str, policy: Value) -> Value {
    json!([{
        "route": [{"destination": {"host": host}}], "corsPolicy": policy,
        "headers": {"response": {"set": {"x-rule": "1"}}},
    }])
}

fn preflight(listener: &Listener, origin: &str) -> Request {
    listener.request("OPTIONS", "/").header("origin", origin).header("access-control-request-method", "PUT")
}

async fn both(request: Request) -> Result<[Answer; 2]> {
    Ok([request.clone().send().await?, request.http2().send().await?])
}

/// The CORS headers of an answer, by what follows their common prefix.
fn told(answer: &Answer) -> String {
    let name = |name: &str| name.strip_prefix("access-control-").map(str::to_owned);
    let lines = answer.headers.iter().filter_map(|(key, value)| Some((name(key.as_str())?, value.to_str().ok()?)));
    let mut lines: Vec<String> = lines.map(|(name, value)| format!("{name}={value}")).collect();
    lines.sort();
    lines.join(" ")
}

async fn preflights_are_answered(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("api").await?;
    let policy = json!({
        "allowOrigins": [{"exact": ORIGIN}, {"regex": "https://.*\\.page\\.com"}], "allowMethods": ["GET", "PUT"],
        "allowHeaders": ["x-a", "x-b"], "exposeHeaders": ["x-c"], "maxAge": "1m30s", "allowCredentials": true,
    });
    let listener = listener(envoy, rule(upstream.name(), policy)).await?;
    for origin in [ORIGIN, "https://a.page.com"] {
        for answer in both(preflight(&listener, origin)).await? {
            assert_eq!((answer.status, answer.text().as_str(), answer.header("x-rule")), (200, "", None));
            assert_eq!(
                told(&answer),
                format!(
                    "allow-credentials=true allow-headers=x-a,x-b allow-methods=GET,PUT allow-origin={origin} \
                     expose-headers=x-c max-age=90"
                )
            );
        }
    }
    assert_eq!(upstream.requests(), 0);
    Ok(())
}

async fn other_preflights(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("api").await?;
    for (unmatched, forwarded) in [(Value::Null, true), (json!("FORWARD"), true), (json!("IGNORE"), false)] {
        let policy = json!({"allowOrigins": [{"exact": ORIGIN}], "unmatchedPreflights": unmatched});
        let listener = listener(envoy, rule(upstream.name(), policy)).await?;
        let before = upstream.requests();
        for answer in both(preflight(&listener, "http://other.com")).await? {
            assert_eq!((answer.status, told(&answer).as_str()), (200, ""), "{unmatched}");
            assert_eq!(answer.header("x-rule").is_some(), forwarded, "{unmatched}");
        }
        // Without the method it asks for, a request is no preflight.
        let plain = listener.request("OPTIONS", "/").header("origin", ORIGIN).send().await?;
        assert_eq!((plain.service().as_str(), told(&plain)), (upstream.name(), format!("allow-origin={ORIGIN}")));
        assert_eq!(upstream.requests() - before, if forwarded { 3 } else { 1 }, "{unmatched}");
    }
    Ok(())
}

async fn wildcards_tell_what_was_asked(envoy: &Envoy) -> Result<()> {
    let policy = json!({"allowOrigins": [{"exact": "*"}], "allowMethods": ["*"], "allowHeaders": ["*"]});
    let listener = listener(envoy, rule("default", policy)).await?;
    for (asked, expected) in [(Some("x-a,x-b"), "x-a,x-b"), (None, "")] {
        let mut request = preflight(&listener, "null");
        if let Some(asked) = asked {
            request = request.header("access-control-request-headers", asked);
        }
        for answer in both(request).await? {
            assert_eq!(told(&answer), format!("allow-headers={expected} allow-methods=PUT allow-origin=null"));
        }
    }
    Ok(())
}

/// The upstream's own words stand, unless the origin matches; the proxy's own answers are told as well.
async fn actual_requests(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("api").await?;
    let name = |name: &str| format!("access-control-{name}");
    let own = ["allow-origin", "allow-credentials", "expose-headers", "max-age"];
    upstream.script([own.iter().fold(Reply::status(200), |reply, header| reply.header(&name(header), "up"))]);
    let policy = json!({"allowOrigins": [{"exact": ORIGIN}], "exposeHeaders": ["x-c"], "allowCredentials": true});
    let known = listener(envoy, rule(upstream.name(), policy.clone())).await?;
    let unknown = listener(envoy, rule("nobody", policy)).await?;
    let ours = format!("allow-credentials=true allow-origin={ORIGIN} expose-headers=x-c");
    let theirs = "allow-credentials=up allow-origin=up expose-headers=up max-age=up";
    for (listener, origin, status, expected) in [
        (&known, ORIGIN, 200, format!("{ours} max-age=up")),
        (&known, "http://PAGE.com", 200, theirs.to_owned()),
        (&unknown, ORIGIN, 503, ours.clone()),
        (&unknown, "http://other.com", 503, String::new()),
    ] {
        for answer in both(listener.get("/").header("origin", origin)).await? {
            assert_eq!((answer.status, told(&answer)), (status, expected.clone()), "{origin}");
            assert_eq!(answer.header("x-rule").as_deref(), Some("1"));
        }
    }
    Ok(())
}

async fn no_effect_on_answers(envoy: &Envoy) -> Result<()> {
    for action in [json!({"redirect": {"uri": "/n"}}), json!({"directResponse": {"status": 301}})] {
        let mut rule = action;
        rule["corsPolicy"] = json!({"allowOrigins": [{"exact": ORIGIN}]});
        let listener = listener(envoy, json!([rule])).await?;
        for answer in both(preflight(&listener, ORIGIN)).await? {
            assert_eq!((answer.status, told(&answer).as_str()), (301, ""), "{rule}");
        }
    }
    Ok(())
}
