//! Claims, as the proxy serializes them. (The same on a real Envoy: envoy-test/tests/envoy/claims.rs.)

use pointsman_http::HeaderMap;
use serde_json::json;

use super::{Fixture, configure, rules, yes_or_no};
use pointsman_host::Node;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A list, or an object with values.
fn pairs(members: &[(&[u8], &[u8])]) -> Vec<u8> {
    HeaderMap::serialize(members)
}

fn list(elements: &[&[u8]]) -> Vec<u8> {
    pairs(&elements.iter().map(|element| (*element, &b""[..])).collect::<Vec<_>>())
}

#[test]
fn texts_and_elements_of_lists() {
    let two = 2f64.to_le_bytes();
    for (claim, first, expected) in [
        (b"admin".to_vec(), None, "yes"),
        (b"user".to_vec(), None, "no"),
        (list(&[b"user", b"admin"]), Some(&b"user"[..]), "yes"),
        (list(&[b"user", b"others"]), Some(b"user"), "no"),
        (list(&[b"0", b"admin"]), Some(b"0"), "yes"),
        (list(&[&two, b"admin"]), Some(&two), "yes"),
        (list(&[]), None, "no"),
        // An object, the first with an empty text.
        (pairs(&[(b"admin", b"")]), None, "no"),
        (pairs(&[(b"admin", b"x")]), None, "no"),
        (pairs(&[(b"0", b""), (b"admin", b"")]), Some(b""), "no"),
    ] {
        let mut fixture =
            Fixture::new(&yes_or_no(json!({"headers": {"@request.auth.claims.role": {"exact": "admin"}}})));
        let path = "metadata.filter_metadata.envoy.filters.http.jwt_authn.payload.role";
        if let Some(first) = first {
            fixture.host.properties.insert(format!("{path}.0"), first.to_vec());
        }
        fixture.host.properties.insert(path.into(), claim.clone());
        assert_eq!(fixture.ask("b/"), expected, "{}", claim.escape_ascii());
    }
}

/// Any text matches; what is none does not, nor does a missing claim.
#[test]
fn what_is_no_text() {
    for (claim, expected) in [
        (Some(b"".to_vec()), "yes"),
        (Some(b"1".to_vec()), "yes"),
        (Some(b"operator".to_vec()), "yes"),
        (Some("12345é7".as_bytes().to_vec()), "yes"),
        (Some(1f64.to_le_bytes().to_vec()), "no"),
        (Some(0.1f64.to_le_bytes().to_vec()), "no"),
        (Some(1_700_000_000f64.to_le_bytes().to_vec()), "no"),
        (Some(vec![0]), "no"),
        (Some(vec![1]), "no"),
        (None, "no"),
    ] {
        let condition = json!({"@request.auth.claims[role]": {"regex": "(?s).*"}});
        for (field, expected) in
            [("headers", expected), ("withoutHeaders", if expected == "no" { "yes" } else { "no" })]
        {
            let mut fixture = Fixture::new(&yes_or_no(json!({field: condition})));
            if let Some(claim) = &claim {
                let path = "metadata.filter_metadata.envoy.filters.http.jwt_authn.payload.role";
                fixture.host.properties.insert(path.into(), claim.clone());
            }
            assert_eq!(fixture.ask("b/"), expected, "{field} {claim:?}");
        }
    }
}

#[test]
fn presence_is_refused() {
    for condition in [json!({}), json!({"regex": "*"})] {
        let entry = json!({"withoutHeaders": {"@request.auth.claims.role": condition}});
        let policy = rules(json!([{"match": [entry], "route": super::to("d")}]));
        let (_, errors, _) = configure(&policy, &Node::default());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("Envoy has no condition that a claim is just there"), "{errors:?}");
    }
}
