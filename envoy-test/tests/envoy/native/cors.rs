//! `corsPolicy`, and Envoy's own filter for it.

use anyhow::Result;
use envoy_test::{Envoy, Reply, Request, Test, tests};
use serde_json::{Value, json};

use super::{Case, Pair, add};

pub fn tests() -> Vec<Test> {
    tests![policies, whatever_the_action]
}

/// What istiod makes of a CorsPolicy.
fn translated(policy: &Value) -> Value {
    let list = |field: &str| -> Option<String> {
        let values = policy[field].as_array()?.iter().filter_map(Value::as_str);
        Some(values.collect::<Vec<_>>().join(","))
    };
    let origins =
        policy["allowOrigins"].as_array().into_iter().flatten().map(|origin| match origin["regex"].as_str() {
            Some(regex) => json!({"safe_regex": {"regex": regex}}),
            None => origin.clone(),
        });
    json!({"envoy.filters.http.cors": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": origins.collect::<Value>(),
        "allow_methods": list("allowMethods"),
        "allow_headers": list("allowHeaders"),
        "expose_headers": list("exposeHeaders"),
        "max_age": policy["maxAge"].as_str().map(|age| age.trim_end_matches('s')),
        "allow_credentials": policy["allowCredentials"],
        "forward_not_matching_preflights": policy["unmatchedPreflights"] != "IGNORE",
        "filter_enabled": {"default_value": {"numerator": 100}},
    }})
}

fn case(mut rule: Value, mut route: Value, policy: &Value) -> Case {
    rule["corsPolicy"] = policy.clone();
    route["typed_per_filter_config"] = translated(policy);
    // What CORS says stands, whatever the operations on the response say.
    let set = json!({"x": "1", "access-control-max-age": "ours", "access-control-allow-origin": "ours"});
    Case::new(rule, route).with_headers(&json!({"response": {"set": set, "remove": ["access-control-allow-headers"]}}))
}

fn to(cluster: &str, policy: &Value) -> Case {
    let route = json!({"route": {"cluster": cluster, "timeout": "0s"}});
    case(json!({"route": [{"destination": {"host": cluster}}]}), route, policy)
}

/// Everything that makes a preflight, or nearly.
fn requests(pair: &Pair) -> Vec<Request> {
    let options = || pair.ours.request("OPTIONS", "/");
    let mut requests = vec![pair.get("/"), options(), options().header("access-control-request-method", "PUT")];
    for origin in ["http://page.com", "http://PAGE.com", "https://a.page.com", "http://other.com", "null", ""] {
        let asks = options().header("origin", origin).header("access-control-request-method", "PUT");
        requests.push(asks.clone().header("access-control-request-headers", "x-a, x-b"));
        requests.push(options().header("origin", origin).header("access-control-request-method", ""));
        requests.extend([asks, options().header("origin", origin), pair.get("/").header("origin", origin)]);
    }
    let one = pair.get("/").header("origin", "http://page.com").header("access-control-request-method", "PUT");
    requests.push(one.header("origin", "http://other.com"));
    requests
}

async fn policies(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("api").await?;
    let own = ["allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age"];
    let header = |reply: Reply, name: &&str| reply.header(&format!("access-control-{name}"), "up");
    upstream.script([own.iter().fold(Reply::status(200), header)]);
    let full = json!({
        "allowMethods": ["GET", "PUT"], "allowHeaders": ["x-a", "x-b"], "exposeHeaders": ["x-c", "x-d"],
        "maxAge": "90s", "allowCredentials": true,
    });
    let any = json!({"allowMethods": ["*"], "allowHeaders": ["*"], "exposeHeaders": ["*"], "allowCredentials": false});
    let mut cases = Vec::new();
    for origins in [
        json!([{"exact": "http://page.com"}]),
        json!([{"exact": "*"}]),
        json!([{"prefix": "http://"}, {"regex": "https://.*\\.page\\.com"}]),
        json!([{"regex": ".*"}]),
        json!([]),
    ] {
        for (rest, unmatched) in
            [(json!({}), "FORWARD"), (full.clone(), "FORWARD"), (full.clone(), "IGNORE"), (any.clone(), "IGNORE")]
        {
            let mut policy = rest;
            add(&mut policy, json!({"allowOrigins": origins, "unmatchedPreflights": unmatched}));
            cases.push(to(upstream.name(), &policy));
        }
    }
    let pair = Pair::new(envoy, cases).await?;
    pair.same(&requests(&pair)).await
}

/// A redirect and a direct response know nothing of CORS; what Envoy answers itself in place of an upstream does.
async fn whatever_the_action(envoy: &Envoy) -> Result<()> {
    let broken = envoy.upstream("broken").await?;
    broken.script([Reply::close()]);
    let policy =
        json!({"allowOrigins": [{"exact": "http://page.com"}], "allowMethods": ["PUT"], "exposeHeaders": ["x-c"]});
    let direct = json!({"status": 200, "body": {"string": "x"}});
    let native = json!({"direct_response": {"status": 200, "body": {"inline_string": "x"}}});
    let pair = Pair::new(
        envoy,
        vec![
            to("nobody", &policy),
            to(broken.name(), &policy),
            case(json!({"redirect": {"uri": "/n"}}), json!({"redirect": {"path_redirect": "/n"}}), &policy),
            case(json!({"directResponse": direct}), native, &policy),
        ],
    )
    .await?;
    pair.same(&requests(&pair)).await
}
