//! The routes that go with our filters, as every example has them.

use serde_json::{Value, json};

use crate::merge::merge;

/// A cluster that the filter names, with Istio's default retries: the route of a request that a rule has matched.
pub fn routed() -> Value {
    let mirrors = ["x-pointsman-mirror", "x-pointsman-mirror-2", "x-pointsman-mirror-3"]
        .map(|header| json!({"cluster_header": header, "disable_shadow_host_suffix_append": true}));
    json!({
        "name": "pointsman",
        "match": {"prefix": "/", "headers": [{"name": "x-pointsman-cluster", "present_match": true}]},
        "request_headers_to_remove": ["x-pointsman-cluster", "x-pointsman-policy"],
        "route": {
            "cluster_header": "x-pointsman-cluster",
            "timeout": "0s",
            "max_grpc_timeout": "0s",
            "request_mirror_policies": mirrors,
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
    let headers =
        ["x-pointsman-cluster", "x-pointsman-policy"].map(|name| json!({"name": name, "present_match": true}));
    merge(
        &mut route,
        json!({"name": "pointsman-policy", "match": {"headers": headers}, "route": {"retry_policy": {"retry_on": null}}}),
    );
    route
}

/// The user's own route: everything else goes to this cluster.
pub fn catch_all(cluster: &str) -> Value {
    json!({"name": "user", "match": {"prefix": "/"}, "route": {"cluster": cluster}})
}
