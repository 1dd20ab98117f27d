//! The routes that go with our filters: those of examples/front-proxy/envoy.yaml, where each has its reasons.

use serde_json::{Value, json};

use crate::merge::merge;

/// What a listener has without routes of its own: those of every example, then the user's own to `cluster`.
pub fn usual(cluster: &str) -> Vec<Value> {
    vec![
        mirrored(routed_with_own_retries()),
        routed_with_own_retries(),
        mirrored(routed()),
        routed(),
        catch_all(cluster),
    ]
}

/// A cluster that the filter names, with Istio's default retries: the route of a request that a rule has matched.
pub fn routed() -> Value {
    json!({
        "name": "pointsman",
        "match": {"prefix": "", "headers": [present("x-pointsman-cluster")]},
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

/// The same for rules whose retries are not the default, and retries nothing by itself: it comes before [`routed`].
pub fn routed_with_own_retries() -> Value {
    let nothing = json!({"retry_on": null, "num_retries": null});
    let mut route = routed();
    merge(&mut route, json!({"route": {"retry_policy": nothing}}));
    only_with(route, "x-pointsman-policy", "policy")
}

/// One of these two for requests with a mirror: it comes before the one without.
pub fn mirrored(mut route: Value) -> Value {
    let mirrors = ["x-pointsman-mirror", "x-pointsman-mirror-2", "x-pointsman-mirror-3"]
        .map(|header| json!({"cluster_header": header, "disable_shadow_host_suffix_append": true}));
    merge(&mut route, json!({"route": {"request_mirror_policies": mirrors}}));
    only_with(route, "x-pointsman-mirror", "mirror")
}

/// The user's own route: everything else goes to this cluster.
pub fn catch_all(cluster: &str) -> Value {
    json!({"name": "user", "match": {"prefix": "/"}, "route": {"cluster": cluster}})
}

fn present(header: &str) -> Value {
    json!({"name": header, "present_match": true})
}

/// The route for requests with one more header, and with that in its name.
fn only_with(mut route: Value, header: &str, what: &str) -> Value {
    if let Some(headers) = route["match"]["headers"].as_array_mut() {
        headers.push(present(header));
    }
    if let Some(name) = route["name"].as_str() {
        route["name"] = format!("{name}-{what}").into();
    }
    route
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    /// What the tests of the filters hold for these routes holds for the example's.
    #[test]
    fn they_are_the_examples() {
        let text = include_str!("../../examples/front-proxy/envoy.yaml");
        let config: Value = serde_yaml_ng::from_str(text).unwrap();
        let routes =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
        let mut example = config.pointer(routes).unwrap().clone();
        // What the user's own is called is the user's business.
        example[4]["name"] = json!("user");
        assert_eq!(example, Value::from(super::usual("catalog")));
    }
}
