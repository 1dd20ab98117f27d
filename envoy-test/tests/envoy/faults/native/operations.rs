//! What rules do to the response's headers, CORS included, when a request is aborted or delayed: the router does the
//! operations on each answer of Envoy's own, and CORS stands behind the faults.

use anyhow::Result;
use envoy_test::{Envoy, Request, Test, tests};
use serde_json::{Value, json};

use super::{Case, Judged};

pub fn tests() -> Vec<Test> {
    tests![of_the_rule, of_the_rule_about_grpc, of_the_destination, cors]
}

/// An abort in each form, a delay, and both.
fn faults() -> [Value; 4] {
    let delay = json!({"fixedDelay": "0.02s"});
    [
        json!({"abort": {"httpStatus": 503}}),
        json!({"abort": {"grpcStatus": "UNAVAILABLE"}}),
        json!({"delay": delay}),
        json!({"delay": delay, "abort": {"httpStatus": 418}}),
    ]
}

fn requests(judged: &Judged) -> Vec<Request> {
    let grpc = judged.request("POST").header("content-type", "application/grpc").body("x");
    vec![judged.request("GET"), judged.request("HEAD"), grpc]
}

/// What istiod makes of a rule's operations on the response, or of a destination's.
fn translated(response: &Value) -> Value {
    let put = |operation: &str, action: &str| -> Vec<Value> {
        let all = response[operation].as_object().into_iter().flatten();
        all.map(|(key, value)| json!({"header": {"key": key, "value": value}, "append_action": action})).collect()
    };
    let put = [put("set", "OVERWRITE_IF_EXISTS_OR_ADD"), put("add", "APPEND_IF_EXISTS_OR_ADD")].concat();
    let removed = response["remove"].as_array().cloned().unwrap_or_default();
    json!({"response_headers_to_add": put, "response_headers_to_remove": removed})
}

/// Some of them that Envoy itself writes later, others that it leaves alone.
fn operations() -> [Value; 6] {
    [
        json!({"set": {"x-a": "1", "x-b": "2"}, "add": {"x-c": "3", "x-A": "4"}, "remove": ["x-b"]}),
        json!({"remove": ["content-type", "content-length", "server"]}),
        json!({"set": {"content-type": "text/html"}}),
        json!({"add": {"content-type": "text/html"}}),
        json!({"set": {"date": "today", "server": "ours"}}),
        json!({"set": {
            "x-case": "%REQ(case)% %PROTOCOL% %UPSTREAM_HOST%", "x-type": "%RESP(content-type)%|%RESP(x-none)%",
        }}),
    ]
}

/// A rule with these operations.
fn case(fault: &Value, response: &Value) -> Case {
    Case::new(fault.clone()).with(json!({"headers": {"response": response}}), translated(response))
}

async fn of_the_rule(envoy: &Envoy) -> Result<()> {
    let of = |fault: &Value| operations().map(|response| case(fault, &response));
    let mut cases: Vec<Case> = faults().iter().flat_map(of).collect();
    // Only where Envoy writes it anew: an upstream's answer would end too early.
    cases.push(case(&faults()[0], &json!({"set": {"content-length": "5"}})));
    let judged = Judged::new(envoy, cases).await?;
    judged.same(&requests(&judged)).await
}

/// They are as any header to what is no gRPC. In Envoy's answer to gRPC they are written after the operations: a status that
/// one has set stays, and all else is Envoy's.
async fn of_the_rule_about_grpc(envoy: &Envoy) -> Result<()> {
    let operations = [
        json!({"set": {"grpc-status": "3", "grpc-message": "ours"}}),
        json!({"remove": ["grpc-status", "grpc-message"]}),
    ];
    let of = |fault: &Value| operations.clone().map(|response| case(fault, &response));
    let judged = Judged::new(envoy, faults().iter().flat_map(of).collect()).await?;
    judged.same(&requests(&judged)).await
}

/// A single one's are added to the rule's; of several there are those of the one that was drawn, which are all the same
/// here.
async fn of_the_destination(envoy: &Envoy) -> Result<()> {
    let rule = json!({"set": {"x-both": "of all", "x-rule": "1"}, "add": {"x-added": "of all"}});
    let destination = json!({"set": {"x-both": "of one", "x-dest": "2"}, "add": {"x-added": "of one"}});
    let one = json!({"destination": {"host": "default"}, "headers": {"response": destination}});
    let headers = json!({"response": rule});
    let joined = [("x-both", "of all"), ("x-rule", "1"), ("x-both", "of one"), ("x-dest", "2")];
    let joined = joined.map(
        |(key, value)| json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}),
    );
    let added = ["of all", "of one"].map(|value| json!({"header": {"key": "x-added", "value": value}}));
    let operations: Vec<Value> = joined.into_iter().chain(added).collect();
    let cluster = json!({"name": "default", "weight": 1});
    let mut cluster_with = translated(&destination);
    super::merge(&mut cluster_with, cluster);
    let mut cases = Vec::new();
    for fault in faults() {
        let single = json!({"response_headers_to_add": operations});
        cases.push(Case::new(fault.clone()).with(json!({"route": [one], "headers": headers}), single));
        let mut half = one.clone();
        half["weight"] = json!(50);
        let mut several = translated(&rule);
        let clusters = json!({"clusters": [cluster_with, cluster_with]});
        super::merge(&mut several, json!({"route": {"cluster": null, "weighted_clusters": clusters}}));
        cases.push(Case::new(fault).with(json!({"route": [half, half], "headers": headers}), several));
    }
    let judged = Judged::new(envoy, cases).await?;
    judged.same(&requests(&judged)).await
}

/// An aborted request's answer, and an aborted preflight's, has none of its headers.
async fn cors(envoy: &Envoy) -> Result<()> {
    let origin = "http://page.com";
    let policy = json!({
        "allowOrigins": [{"exact": origin}], "allowMethods": ["GET", "PUT"], "exposeHeaders": ["x-e"],
        "allowHeaders": ["x-h"], "maxAge": "90s", "allowCredentials": true,
    });
    let native = json!({"envoy.filters.http.cors": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin}],
        "allow_methods": "GET,PUT",
        "allow_headers": "x-h",
        "expose_headers": "x-e",
        "max_age": "90",
        "allow_credentials": true,
        "forward_not_matching_preflights": true,
        "filter_enabled": {"default_value": {"numerator": 100}},
    }});
    let of = |fault: Value| {
        Case::new(fault).with(json!({"corsPolicy": policy}), json!({"typed_per_filter_config": native.clone()}))
    };
    let judged = Judged::new(envoy, faults().map(of).into()).await?;
    let mut requests = requests(&judged);
    for origin in [origin, "http://other.com"] {
        requests.push(judged.request("GET").header("origin", origin));
        let preflight = judged.request("OPTIONS").header("origin", origin);
        requests.push(preflight.header("access-control-request-method", "PUT"));
    }
    judged.same(&requests).await
}
