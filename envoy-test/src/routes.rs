//! The routes that go with our filters.

use serde_json::{Value, json};

use crate::merge::merge;

/// What a listener has without routes of its own: those of every example, then the user's own to `cluster`.
pub fn usual(cluster: &str) -> Vec<Value> {
    vec![mirrored(routed()), routed(), catch_all(cluster)]
}

/// A cluster that the filter names, with Istio's default retries: the route of a request that a rule has matched.
pub fn routed() -> Value {
    json!({
        "name": "pointsman",
        "match": {"prefix": "/", "headers": [present("x-pointsman-cluster")]},
        "request_headers_to_remove": ["x-pointsman-cluster", "x-pointsman-policy"],
        "route": {
            "cluster_header": "x-pointsman-cluster",
            "timeout": "0s",
            "max_grpc_timeout": "0s",
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
                "num_retries": 2,
                "retry_host_predicate": [{
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                    },
                }],
                "host_selection_retry_max_attempts": 5,
            },
        },
    })
}

/// The same without retries of its own, for rules whose retries are not the default: it comes before [`routed`].
pub fn routed_with_own_retries() -> Value {
    let mut route = routed();
    route["name"] = json!("pointsman-policy");
    merge(&mut route, json!({"route": {"retry_policy": {"retry_on": null}}}));
    and_present(&mut route, "x-pointsman-policy");
    route
}

/// One of these two for requests with a mirror: it comes before the one without. (A route that may mirror copies the
/// headers of every request, which costs half as much as a filter.)
pub fn mirrored(mut route: Value) -> Value {
    let mirrors = ["x-pointsman-mirror", "x-pointsman-mirror-2", "x-pointsman-mirror-3"]
        .map(|header| json!({"cluster_header": header, "disable_shadow_host_suffix_append": true}));
    merge(&mut route, json!({"route": {"request_mirror_policies": mirrors}}));
    and_present(&mut route, "x-pointsman-mirror");
    route
}

/// The user's own route: everything else goes to this cluster.
pub fn catch_all(cluster: &str) -> Value {
    json!({"name": "user", "match": {"prefix": "/"}, "route": {"cluster": cluster}})
}

fn present(header: &str) -> Value {
    json!({"name": header, "present_match": true})
}

fn and_present(route: &mut Value, header: &str) {
    if let Some(headers) = route["match"]["headers"].as_array_mut() {
        headers.push(present(header));
    }
}
