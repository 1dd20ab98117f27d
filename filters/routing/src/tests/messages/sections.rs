//! Of the sections beside the resources.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn sections_beside_the_resources() {
    let missing = "is missing";
    for (section, value, expected) in [
        ("gateway", json!(1), "gateway: 1 is a number, expected a string: put it in quotes"),
        ("gateway", json!(""), "gateway: is no gateway's name; leave it out if the rules of every gateway are ours"),
        (
            "trustClientRouterHeaders",
            json!("always"),
            "trustClientRouterHeaders: \"always\" is a string, expected `never` or `internal`",
        ),
        (
            "trustClientRouterHeaders",
            json!(true),
            "trustClientRouterHeaders: true is a boolean, expected `never` or `internal`",
        ),
        ("debug", json!(true), "debug: true is a boolean, expected an object such as {header: …}"),
        ("debug", json!({}), &format!("debug.header: {missing}")),
        ("debug", json!({"header": "a b"}), "debug.header: `a b` is not a header's name"),
        ("debug", json!({"headers": "x", "header": "y"}), "debug.headers: unknown field; did you mean `header`?"),
        ("destinations", json!([]), "destinations: a list, expected an object such as {header: …}"),
        ("destinations", json!({"by": "header"}), "destinations.by: \"header\" is a string, expected `authority`"),
        ("destinations", json!({"header": ""}), "destinations.header: a header's name is empty"),
        ("destinations", json!({"defaultPort": 0}), "destinations.defaultPort: 0 is not a port, expected 1 to 65535"),
        ("destinations", json!({"clusterName": "{host"}), "destinations.clusterName: `{host` has no closing brace"),
        (
            "destinations",
            json!({"clusterName": "{service}"}),
            "destinations.clusterName: `{service}` is unknown; known here: {host}, {subset}, {port}",
        ),
        (
            "destinations",
            json!({"clusterName": "one"}),
            "destinations.clusterName: needs {host} or {subset}: otherwise all destinations would be one cluster",
        ),
        (
            "destinations",
            json!({"clusterName": "c-{port}"}),
            "destinations.clusterName: needs {host} or {subset}: otherwise all destinations would be one cluster",
        ),
        (
            "destinations",
            json!({"clusterName": "{host}\r\nx: y"}),
            "destinations.clusterName: '\\r' cannot stand in a header's value",
        ),
        (
            "destinations",
            json!({"clusters": [{"host": "a", "cluster": "c\r\nx-injected: 1"}]}),
            "destinations.clusters[0].cluster: '\\r' cannot stand in a header's value",
        ),
        (
            "virtualServices",
            json!([{"name": "a\nb", "hosts": ["a"], "http": [{"route": to("a")}]}]),
            "virtualServices[0].name: '\\n' cannot stand in a name",
        ),
        ("destinations", json!({"clusters": [{"host": "a"}]}), &format!("destinations.clusters[0].cluster: {missing}")),
        ("destinations", json!({"clusters": [{"cluster": "a"}]}), &format!("destinations.clusters[0].host: {missing}")),
        (
            "destinations",
            json!({"clusters": [{"host": "a", "cluster": "b", "port": {"number": 1}}]}),
            "destinations.clusters[0].port: an object, expected a whole number",
        ),
        (
            "destinations",
            json!({"by": "authority", "clusterName": "{host}"}),
            "destinations.clusterName: names clusters, and `by: authority` uses none: keep one of the two",
        ),
    ] {
        let mut configuration = rules(json!([{"route": to("a")}]));
        configuration[section] = value;
        says(&configuration, &[expected]);
    }
}

#[test]
fn what_authority_cannot_tell() {
    let mut policy = rules(json!([
        {"route": [{"destination": {"host": "a", "subset": "v1"}}]},
        {"route": [{"destination": {"host": "a"}, "headers": {"request": {"set": {"host": "x"}}}}]},
    ]));
    policy["destinations"] = json!({"by": "authority"});
    let cure = "use `destinations.header` instead of `by: authority`";
    says(
        &policy,
        &[
            &format!("virtualServices[0].http[0].route[0].destination: has a subset, which no host can tell: {cure}"),
            &format!(
                "virtualServices[0].http[1].route[0].destination: rewrites the host, by which Envoy is to choose: {cure}"
            ),
        ],
    );
}

/// What is no longer reported is no error.
#[test]
fn more_warnings_than_are_kept() {
    let service = |number: usize| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": number.to_string()},
            "spec": {"hosts": [format!("h{number}")], "http": [{"route": to("a")}]},
        })
    };
    let services: Vec<Value> = (0..150).map(service).collect();
    let (routing, errors, warnings) = configure(&json!({"virtualServices": services}), &Node::default());
    assert!(routing.is_some());
    assert_eq!((errors.len(), warnings.len()), (0, 100));
}
