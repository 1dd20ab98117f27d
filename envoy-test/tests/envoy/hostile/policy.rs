//! One policy with a rule for each thing that routing reads of a request or writes to it.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Policy, module, routes};
use serde_json::{Value, json};

/// The host of the policy. Others pass untouched to `default`.
pub const HOST: &str = "hostile.example";

const SERVICES: [&str; 3] = ["hostile-alpha", "hostile-beta", "hostile-shadow"];

/// How destinations become clusters: by a header that names them, or by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Header,
    Authority,
}

/// A listener with the policy, and room for everything that is hostile by its size.
pub fn config(policy: impl Into<Policy>) -> Result<ListenerConfig> {
    Ok(wide(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)))
}

/// The same room without a module: what Envoy itself makes of a request.
pub fn wide(config: ListenerConfig) -> ListenerConfig {
    config.manager(json!({
        "max_request_headers_kb": 512,
        "common_http_protocol_options": {"max_headers_count": 6000},
        "http_protocol_options": {"enable_trailers": true, "accept_http_10": true, "default_host_for_http_10": HOST},
        "http2_protocol_options": {"allow_connect": true},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        // Envoy says nothing when it refuses a stream of HTTP/2, and closes the connection after this time.
        "delayed_close_timeout": "0.01s",
    }))
}

/// The listener of most tests here.
pub async fn listener(envoy: &Envoy) -> Result<Listener> {
    envoy.add_listener(config_of(envoy, By::Header).await?).await
}

/// The same policy where the host names the destination, and Envoy's routes know the hosts.
pub async fn listener_by_authority(envoy: &Envoy) -> Result<Listener> {
    envoy.add_listener(config_of(envoy, By::Authority).await?).await
}

/// The listener with the whole policy and its services.
pub async fn config_of(envoy: &Envoy, by: By) -> Result<ListenerConfig> {
    envoy.echoes(SERVICES).await?;
    let config = config(policy(by))?.filter_before(token());
    if by == By::Header {
        return Ok(config);
    }
    let host = |service: &str, domain: &str| json!({"name": service, "domains": [domain], "routes": [any(service)]});
    let mut hosts: Vec<Value> = SERVICES.iter().map(|service| host(service, service)).collect();
    hosts.push(host("default", "*"));
    Ok(config.manager(json!({"route_config": {"virtual_hosts": hosts}})))
}

/// The listener without a module.
pub async fn bare(envoy: &Envoy) -> Result<Listener> {
    bare_to(envoy, "default").await
}

/// The same, with another upstream than `default`.
pub async fn bare_to(envoy: &Envoy, cluster: &str) -> Result<Listener> {
    envoy.add_listener(wide(ListenerConfig::new()).routes([any(cluster)])).await
}

/// A route for every request, whatever its path.
fn any(cluster: &str) -> Value {
    let mut route = routes::catch_all(cluster);
    route["match"] = json!({"prefix": ""});
    route
}

/// What stands in for jwt_authn.
fn token() -> Value {
    let payload = json!({"group": ["dev", "admin"], "nested": {"team": "red"}, "number": 1.5, "none": []});
    json!({
        "name": "envoy.filters.http.set_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
            "metadata": [{"metadata_namespace": "envoy.filters.http.jwt_authn", "value": {"payload": payload}}],
        },
    })
}

/// The policy.
pub fn policy(by: By) -> Value {
    let mut http = rules();
    if by == By::Authority {
        http.iter_mut().for_each(without_what_only_a_header_can_say);
    }
    let mut destinations = json!({});
    if by == By::Authority {
        destinations = json!({"by": "authority"});
    }
    json!({
        "virtualServices": [{"name": "hostile", "hosts": [HOST, "*.hostile.example"], "http": http}],
        "destinations": destinations,
        "debug": {"header": "x-explain"},
    })
}

/// The policy with these rules in front of its own.
pub fn with_rules(rules: impl IntoIterator<Item = Value>) -> Value {
    let mut policy = policy(By::Header);
    if let Some(own) = policy["virtualServices"][0]["http"].as_array_mut() {
        own.splice(..0, rules);
    }
    policy
}

fn without_what_only_a_header_can_say(rule: &mut Value) {
    let Some(rule) = rule.as_object_mut() else { return };
    rule.remove("mirrors");
    rule.remove("retries");
    if let Some(rewrite) = rule.get_mut("rewrite").and_then(Value::as_object_mut) {
        rewrite.remove("authority");
    }
}

fn to(service: &str) -> Value {
    json!([{"destination": {"host": service}}])
}

fn rules() -> Vec<Value> {
    [conditions(), sticky(), answers(), changes()].concat()
}

/// Rules for each kind of condition. What they match goes to `hostile-alpha`.
fn conditions() -> Vec<Value> {
    let claim = "@request.auth.claims";
    let (group, team, none) = (format!("{claim}.group"), format!("{claim}[nested][team]"), format!("{claim}.none"));
    [
        json!({"uri": {"exact": "/Exact"}, "ignoreUriCase": true}),
        json!({"uri": {"prefix": "/Folded/"}, "ignoreUriCase": true, "withoutHeaders": {"x-not": {}}}),
        json!({"uri": {"regex": r"/re/[a-z0-9%]+(/[^/]*)*\.html"}}),
        json!({"headers": {"x-exact": {"exact": "right"}}}),
        json!({"headers": {"x-prefix": {"prefix": "right-"}}}),
        json!({"headers": {"x-regex": {"regex": r"(a|b)+c?.*[^d]\d{2,5}"}}}),
        json!({"headers": {"x-present": {}}, "withoutHeaders": {"x-not": {"regex": ".*no.*"}, "x-never": {}}}),
        json!({"headers": {"cookie": {"regex": r"^(.*?; ?)?(beta=[^;]+)(;.*)?$"}}}),
        json!({"queryParams": {"q": {"exact": "1"}, "r": {"regex": "[a-z%]+"}}}),
        json!({"queryParams": {"only": {}}}),
        json!({"method": {"regex": "P(ATCH|URGE)"}, "scheme": {"exact": "http"}}),
        json!({"authority": {"regex": r"[a-z]+\.hostile\.example(:[0-9]+)?"}}),
        json!({"uri": {"prefix": "/claims"}, "headers": {group: {"exact": "admin"}, team: {"regex": "r.d"}},
            "withoutHeaders": {none: {"exact": "x"}}}),
    ]
    .into_iter()
    .map(|entry| json!({"match": [entry], "route": to("hostile-alpha")}))
    .collect()
}

/// Rules whose destination a client chooses by its key.
fn sticky() -> Vec<Value> {
    let of = |path: &str, sticky: Value| {
        let both = json!([
            {"destination": {"host": "hostile-alpha"}, "weight": 60},
            {"destination": {"host": "hostile-beta"}, "weight": 40,
                "headers": {"request": {"set": {"x-chosen": "%REQ(x-user)%"}}}},
        ]);
        json!({"match": [{"uri": {"prefix": path}}], "route": both, "sticky": sticky})
    };
    vec![
        of("/sticky/cookie", json!({"httpCookie": {"name": "u", "ttl": "60s", "path": "/sticky"}})),
        of("/sticky/header", json!({"httpHeaderName": "x-user"})),
        of("/sticky/query", json!({"httpQueryParameterName": "u"})),
        of("/sticky/address", json!({"useSourceIp": true})),
    ]
}

/// Rules that answer.
fn answers() -> Vec<Value> {
    let headers =
        json!({"response": {"set": {"x-own": "%REQ(x-in)%%RESP(location)%%PROTOCOL%"}, "remove": ["server"]}});
    vec![
        json!({"match": [{"uri": {"prefix": "/redirect/"}}], "headers": headers,
            "redirect": {"prefixRewrite": "/there/", "derivePort": "FROM_REQUEST_PORT", "redirectCode": 308}}),
        json!({"match": [{"uri": {"regex": "/direct/.*"}, "headers": {"x-last": {"exact": "last"}}}],
            "headers": headers, "directResponse": {"status": 418, "body": {"string": "the last line is there"}}}),
        json!({"match": [{"uri": {"exact": "/direct/made"}}], "headers": headers, "directResponse": {"status": 201}}),
    ]
}

/// Rules that change the request and the response. What they match goes to `hostile-beta`.
fn changes() -> Vec<Value> {
    let address = "%DOWNSTREAM_REMOTE_ADDRESS%";
    let request = json!({
        "set": {"x-copy": "<%REQ(x-in?x-other):100%>", "x-path": "%REQ(:path)%", "x-address": address},
        "add": {"x-in": "%REQ(x-in)%", "accept": "added/%REQ(:authority)%"},
        "remove": ["x-gone", "user-agent"],
    });
    let response = json!({
        "set": {"x-copy": "<%REQ(x-in):100%|%RESP(:status)%>", "x-host": "%UPSTREAM_HOST%"},
        "add": {"x-path": "%REQ(:path)%", "set-cookie": "in=%REQ(cookie)%"},
        "remove": ["server"],
    });
    let headers = json!({"request": request, "response": response});
    let cors = json!({
        "allowOrigins": [{"regex": r"https?://([a-z]+\.)*page\.com(:\d+)?"}, {"prefix": "app:"}],
        "allowMethods": ["*"], "allowHeaders": ["*"], "exposeHeaders": ["x-copy"], "maxAge": "60s",
        "allowCredentials": true, "unmatchedPreflights": "IGNORE",
    });
    let both = json!([
        {"destination": {"host": "hostile-beta"}, "weight": 100},
        {"destination": {"host": "hostile-shadow"}, "weight": 0},
    ]);
    vec![
        json!({"match": [{"uri": {"prefix": "/prefix/"}}], "route": both, "headers": headers,
            "rewrite": {"uri": "/new/", "authority": "rewritten.example"},
            "mirrors": [{"destination": {"host": "hostile-shadow"}, "percentage": {"value": 10}}]}),
        json!({"match": [{"uri": {"prefix": "/regex/"}}], "route": to("hostile-beta"), "headers": headers,
            "rewrite": {"uriRegexRewrite": {"match": "/([^/%]*)(%..)?", "rewrite": r"/\2-\1\0"}}, "timeout": "20s"}),
        json!({"match": [{"uri": {"prefix": "/cors"}}], "route": to("hostile-beta"), "headers": headers,
            "corsPolicy": cors}),
        json!({"match": [{"uri": {"prefix": "/package.Service/"}}], "route": to("hostile-beta"), "timeout": "30s",
            "retries": {"attempts": 1, "perTryTimeout": "20s", "retryOn": "5xx,unavailable,503"}}),
        json!({"route": to("hostile-beta"), "headers": headers}),
    ]
}
