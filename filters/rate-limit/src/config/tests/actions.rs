use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ACTION: &str = "actions[0]";

fn limit(action: Value) -> Value {
    json!({"actions": [action], "global": {"domain": "d", "cluster": "c"}})
}

#[test]
fn keys() {
    for (action, key) in [
        (json!({"requestHeaders": {"headerName": "x", "descriptorKey": "k"}}), "k"),
        (json!({"remoteAddress": {}}), "remote_address"),
        (json!({"maskedRemoteAddress": {}}), "masked_remote_address"),
        (json!({"genericKey": {"descriptorValue": "v"}}), "generic_key"),
        (json!({"genericKey": {"descriptorValue": "v", "descriptorKey": "k"}}), "k"),
        (json!({"headerValueMatch": {"descriptorValue": "v", "headers": [{"name": "x"}]}}), "header_match"),
        (json!({"queryParameters": {"queryParameterName": "x", "descriptorKey": "k"}}), "k"),
        (
            json!({"queryParameterValueMatch": {"descriptorValue": "v", "queryParameters": [{"name": "x"}]}}),
            "query_match",
        ),
        (json!({"destinationCluster": {}}), "destination_cluster"),
        (json!({"sourceCluster": {}}), "source_cluster"),
        (json!({"metadata": {"descriptorKey": "k", "metadataKey": {"key": "a", "path": [{"key": "b"}]}}}), "k"),
        (json!({"path": {"template": "/", "descriptorKey": "k"}}), "k"),
        (json!({"jwtClaim": {"claim": "sub", "descriptorKey": "k"}}), "k"),
    ] {
        assert_eq!(right(&limit(action)).actions[0].key(), key.as_bytes());
    }
}

#[test]
fn what_is_no_action() {
    const ALL: &str = "requestHeaders, remoteAddress, maskedRemoteAddress, genericKey, headerValueMatch, \
                       queryParameters, queryParameterValueMatch, destinationCluster, sourceCluster, metadata, path, \
                       jwtClaim";
    let long = "x".repeat(1025);
    for (action, expected) in [
        (json!({}), &[&*format!(": needs exactly one of {ALL}")][..]),
        (json!({"remoteAddress": null}), &[&format!(": needs exactly one of {ALL}")]),
        (json!({"remoteAddress": {}, "sourceCluster": {}}), &[&format!(": has more than one of {ALL}: keep one")]),
        (json!({"remoteAddress": {"a": 1}}), &[".remoteAddress: has fields, expected {}"]),
        (json!({"remoteAddress": 5}), &[".remoteAddress: 5 is a number, expected {}"]),
        (json!({"remoteAdress": {}}), &[".remoteAdress: unknown field; did you mean `remoteAddress`?"]),
        (json!({"extension": {}}), &[".extension: is refused: a filter cannot run Envoy's extensions"]),
        (json!({"dynamicMetadata": {}}), &[".dynamicMetadata: is refused: Envoy has given it up: use metadata"]),
        (
            json!({"requestHeaders": {}}),
            &[".requestHeaders.headerName: is missing", ".requestHeaders.descriptorKey: is missing"],
        ),
        (
            json!({"requestHeaders": {"headerName": "a b", "descriptorKey": ""}}),
            &[".requestHeaders.headerName: `a b` is not a header's name", ".requestHeaders.descriptorKey: is empty"],
        ),
        (
            json!({"genericKey": {"descriptorValue": long, "descriptorKey": long}}),
            &[
                ".genericKey.descriptorValue: has 1025 bytes, expected at most 1024",
                ".genericKey.descriptorKey: has 1025 bytes, expected at most 1024",
            ],
        ),
        (
            json!({"maskedRemoteAddress": {"v4PrefixMaskLen": 33, "v6PrefixMaskLen": -1}}),
            &[
                ".maskedRemoteAddress.v4PrefixMaskLen: 33 is no length of a prefix, expected 0 to 32",
                ".maskedRemoteAddress.v6PrefixMaskLen: -1 is no length of a prefix, expected 0 to 128",
            ],
        ),
        (
            json!({"headerValueMatch": {"headers": []}}),
            &[
                ".headerValueMatch.descriptorValue: is missing",
                ".headerValueMatch.headers: needs at least one condition",
            ],
        ),
        (
            json!({"metadata": {"descriptorKey": "k", "metadataKey": {"key": "a"}, "source": "X"}}),
            &[
                ".metadata.metadataKey.path: needs at least one step: the whole of it is no text",
                ".metadata.source: \"X\" is no source, expected DYNAMIC or ROUTE_ENTRY",
            ],
        ),
        (json!({"metadata": {"descriptorKey": "k"}}), &[".metadata.metadataKey: is missing"]),
        (
            json!({"metadata": {"metadataKey": {"key": "a", "path": [{"key": "7"}, {"key": "\0"}]}}}),
            &[
                ".metadata.descriptorKey: is missing",
                ".metadata.metadataKey.path[0].key: `7` can be a place in a list, and lists are not gone into",
                ".metadata.metadataKey.path[1].key: has a NUL in it, with which the proxy ends a name",
            ],
        ),
        (
            json!({"path": {"template": "users", "descriptorKey": "k"}}),
            &[".path.template: is no path: it begins with `/`"],
        ),
        (
            json!({"path": {"template": "/{id}", "variable": "di", "descriptorKey": "k"}}),
            &[".path.variable: `di` is no segment of the template"],
        ),
        (
            json!({"jwtClaim": {"claim": "a..b", "descriptorKey": "k"}}),
            &[".jwtClaim.claim: is no claim, expected `NAME`, `NAME.NAME` or `NAME[NAME]`"],
        ),
        (
            json!({"jwtClaim": {"claim": "a[b", "descriptorKey": "k"}}),
            &[".jwtClaim.claim: is no claim, expected `NAME`, `NAME.NAME` or `NAME[NAME]`"],
        ),
        (
            json!({"jwtClaim": {"claim": "roles[0]", "descriptorKey": "k"}}),
            &[".jwtClaim.claim: `0` can be a place in a list, and lists are not gone into"],
        ),
    ] {
        let expected: Vec<String> = expected.iter().map(|said| format!("{ACTION}{said}")).collect();
        wrong(&limit(action), &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
