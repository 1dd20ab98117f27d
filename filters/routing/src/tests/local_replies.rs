//! Header operations on answers that no upstream gave: Envoy makes them before it knows of a body, and on an answer to
//! a request that it could not send, before those on the request.

use serde_json::{Value, json};

use super::{Fixture, rules};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TEXT: &[(&str, &str)] = &[(":status", "503"), ("content-length", "5"), ("content-type", "text/plain")];
const EMPTY: &[(&str, &str)] = &[(":status", "503")];
const GRPC: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "14")];

fn ask(details: &str, response: &[(&str, &str)], operations: Value) -> String {
    let policy = rules(json!([{
        "route": super::to("d"), "headers": {"request": {"set": {"a": "1"}}, "response": operations},
    }]));
    let mut fixture = Fixture::new(&policy);
    fixture.host.properties.insert("response.code_details".into(), details.into());
    fixture.host.response = response.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let outcome = fixture.ask("b/ | a: 0");
    outcome.split_once(" =>").map_or_else(String::new, |(_, response)| response.trim().into())
}

#[test]
fn content_is_envoys() {
    for (response, operations, local, upstream) in [
        (TEXT, json!({"set": {"content-type": "a/b"}}), "content-type: a/b", "content-type: a/b"),
        (TEXT, json!({"remove": ["content-type"]}), "", ""),
        (TEXT, json!({"set": {"content-length": "1"}}), "", "content-length: 1"),
        (EMPTY, json!({"set": {"content-type": "a/b"}}), "", "content-type: a/b"),
        (GRPC, json!({"set": {"content-type": "a/b"}}), "", "content-type: a/b"),
        (TEXT, json!({"set": {"x": "%RESP(content-type)%."}}), "x: .", "x: text/plain."),
        (GRPC, json!({"set": {"x": "%RESP(grpc-status)%."}}), "x: .", "x: 14."),
        (TEXT, json!({"set": {"x": "%RESP(:status)%"}}), "x: 503", "x: 503"),
    ] {
        assert_eq!(ask("upstream_response_timeout", response, operations.clone()), local, "{operations}");
        assert_eq!(ask("via_upstream", response, operations.clone()), upstream, "{operations}");
    }
}

#[test]
fn a_request_that_was_never_ready() {
    for (details, seen) in [
        ("via_upstream", "1"),
        ("upstream_response_timeout", "1"),
        ("cluster_not_found", "0"),
        ("no_healthy_upstream", "0"),
    ] {
        assert_eq!(ask(details, EMPTY, json!({"set": {"x": "%REQ(a)%"}})), format!("x: {seen}"), "{details}");
    }
}

/// Envoy's router gives its own answers of these kinds a location.
#[test]
fn direct_responses_with_a_location() {
    for (status, location) in [(200, ""), (201, "http://b:80/p?q"), (301, "http://b:80/p?q"), (404, "")] {
        let rule = json!({
            "directResponse": {"status": status}, "headers": {"response": {"set": {"x": "%RESP(location)%"}}},
        });
        let outcome = Fixture::new(&rules(json!([rule]))).ask("b:80/p?q");
        let seen = if location.is_empty() { String::new() } else { format!(" => x: {location}") };
        assert_eq!(outcome, format!("{status} pointsman_direct_response{{vs http[0]}}{seen}"));
    }
}
