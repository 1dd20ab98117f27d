//! Which entry of `faults` is for a request.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Entries with these fields besides; each aborts with 500 and its place, and is called by its letter.
fn entries(list: &[Value]) -> Value {
    let entry = |(place, fields): (usize, &Value)| {
        let name = char::from(b'a' + u8::try_from(place).unwrap()).to_string();
        with(json!({"name": name, "fault": abort(500 + u32::try_from(place).unwrap(), 100)}), fields)
    };
    faults(list.iter().enumerate().map(entry).collect(), json!({}))
}

fn path(prefix: &str) -> Value {
    json!({"match": [{"uri": {"prefix": prefix}}]})
}

#[test]
fn the_first_that_matches() {
    Fixture::new(&entries(&[path("/a/b"), path("/a"), path("/a/b/c"), json!({})])).check(&[
        ("h/a/b/c", "500 by a"),
        ("h/a/c", "501 by b"),
        ("h/c", "503 by d"),
    ]);
    Fixture::new(&entries(&[path("/a"), path("/b")])).check(&[("h/b", "501 by b"), ("h/c", "passes")]);
}

/// More than are tried one after the other: then there is an index.
#[test]
fn the_first_of_many() {
    let mut list: Vec<_> = (0..9).map(|place| path(&format!("/{}", place / 2))).collect();
    list.push(json!({"match": [{"headers": {"x": {"regex": "[ab]"}}}, {"uri": {"prefix": "/9"}}]}));
    Fixture::new(&entries(&list)).check(&[
        ("h/0", "500 by a"),
        ("h/1", "502 by c"),
        ("h/4 | x: a", "508 by i"),
        ("h/5 | x: b", "509 by j"),
        ("h/9", "509 by j"),
        ("h/5 | x: c", "passes"),
    ]);
}

#[test]
fn what_match_may_say() {
    let mut sidecar = Node::from_id("sidecar~10.0.0.1~web.shop~shop.svc.cluster.local");
    sidecar.labels.insert("app".into(), "web".into());
    for (entry, expected) in [
        (json!({}), "500 by a"),
        (json!({"port": 80}), "500 by a"),
        (json!({"port": 81}), "passes"),
        (json!({"gateways": ["mesh"]}), "500 by a"),
        (json!({"gateways": ["edge"]}), "passes"),
        (json!({"gateways": ["edge", "mesh"]}), "500 by a"),
        (json!({"sourceLabels": {"app": "web"}}), "500 by a"),
        (json!({"sourceLabels": {"app": "web", "version": "1"}}), "passes"),
        (json!({"sourceNamespace": "shop"}), "500 by a"),
        (json!({"sourceNamespace": "other"}), "passes"),
        // As in Istio, one that names gateways is not asked for labels.
        (json!({"gateways": ["mesh"], "sourceLabels": {"app": "other"}}), "500 by a"),
        (json!({"headers": {"x": {"exact": "2"}}}), "500 by a"),
        (json!({"headers": {"x": {"exact": "3"}}}), "passes"),
        (json!({"withoutHeaders": {"x": {}}}), "passes"),
        (json!({"queryParams": {"q": {"exact": "1"}}, "method": {"exact": "GET"}}), "500 by a"),
        (json!({"headers": {"@request.auth.claims.group": {"exact": "dev"}}}), "500 by a"),
        (json!({"headers": {"@request.auth.claims.group": {"exact": "ops"}}}), "passes"),
    ] {
        for matches in [json!([entry]), json!([{"uri": {"exact": "/never"}}, entry])] {
            let mut configuration = entries(&[json!({"match": matches})]);
            configuration["gateway"] = json!("mesh");
            let mut fixture = Fixture::at(&configuration, &sidecar);
            fixture.host.properties.insert("destination.port".into(), 80i64.to_le_bytes().into());
            let claim = "metadata.filter_metadata.envoy.filters.http.jwt_authn.payload.group";
            fixture.host.properties.insert(claim.into(), b"dev".into());
            assert_eq!(fixture.ask("h/a?q=1 | x: 1 | x: 2"), expected, "{matches}");
        }
    }
}

/// An empty list is no list; one whose entries are all for others is for nobody.
#[test]
fn a_match_of_no_entry() {
    let elsewhere = json!({"match": [{"gateways": ["edge"]}, {"gateways": ["mesh"], "uri": {"prefix": "/x"}}]});
    for (fields, expected) in [(json!({"match": []}), "500 by a"), (json!({}), "500 by a"), (elsewhere, "501 by b")] {
        let mut configuration = entries(&[fields, json!({})]);
        configuration["gateway"] = json!("mesh");
        Fixture::new(&configuration).check(&[("h/a", expected)]);
    }
}

/// They count, and the next one is looked for. What stands behind the one that is done does not count.
#[test]
fn shadows() {
    let shadow = |fields: &Value| with(json!({"shadow": true}), fields);
    // It has two match entries that hold, and stands under different parts of the request.
    let twice = json!({"match": [{"uri": {"prefix": "/a"}}, {"headers": {"x": {"exact": "1"}}}]});
    let far = json!({"match": [{"uri": {"prefix": "/far"}}]});
    let list = [shadow(&twice), far.clone(), shadow(&json!({})), path("/a"), shadow(&path("/a")), json!({})];
    let mut fixture = Fixture::new(&entries(&list));
    assert_eq!(fixture.ask("h/a | x: 1"), "503 by d");
    assert_eq!(fixture.metrics(), "a shadow_aborts_injected 1, c shadow_aborts_injected 1, d aborts_injected 1");
    assert_eq!(fixture.ask("h/b"), "505 by f");
    let sum = "a shadow_aborts_injected 1, c shadow_aborts_injected 2, d aborts_injected 1, f aborts_injected 1";
    assert_eq!(fixture.metrics(), sum);
    // Of many the later one can be come upon first.
    let regex = json!({"match": [{"headers": {"x": {"regex": "[ab]"}}}]});
    let list = [far.clone(), far.clone(), shadow(&path("/b")), regex, shadow(&path("/a")), json!({})];
    let mut fixture = Fixture::new(&entries(&list));
    assert_eq!(fixture.ask("h/a | x: a"), "503 by d");
    assert_eq!(fixture.metrics(), "d aborts_injected 1");
    // Alone, and last.
    let mut fixture = Fixture::new(&entries(&[far, shadow(&twice)]));
    assert_eq!(fixture.ask("h/a | x: 1"), "passes");
    assert_eq!(fixture.metrics(), "b shadow_aborts_injected 1");
    // They draw before the one that is done, in the order in which they stand.
    let list = [shadow(&json!({"fault": abort(500, 50)})), shadow(&json!({"fault": abort(500, 10)})), json!({})];
    let mut fixture = Fixture::new(&entries(&list));
    assert_eq!(fixture.draw(&[499_999, 100_000, 7], "h/"), "502 by c");
    assert_eq!(fixture.draw(&[500_000, 99_999, 7], "h/"), "502 by c");
    assert_eq!(fixture.draw(&[500_000, 500_000, 7], "h/"), "502 by c");
    assert_eq!(fixture.metrics(), "a shadow_aborts_injected 1, b shadow_aborts_injected 1, c aborts_injected 3");
}

/// A shadow delays nobody, so its abort is drawn at once; and it counts as active nowhere.
#[test]
fn a_shadow_of_all_kinds() {
    let all = with(with(delay(100), &abort(503, 100)), &slow(100));
    let mut fixture = Fixture::new(&faults(json!([{"fault": all, "shadow": true}]), json!({"maxActive": 0})));
    assert_eq!(fixture.draw(&[0, 0, 0], "h/"), "passes");
    let counted = ["aborts", "delays", "response_rl"].map(|kind| format!("faults[0] shadow_{kind}_injected 1"));
    assert_eq!(fixture.metrics(), counted.join(", "));
    assert!(fixture.host.cells.borrow().is_empty());
}

#[test]
fn what_they_are_called() {
    let list = json!([
        {"name": "", "match": [{"uri": {"exact": "/0"}}], "fault": abort(500, 100)},
        {"name": "é b, c\"", "match": [{"uri": {"exact": "/1"}}], "fault": abort(501, 100)},
        {"fault": abort(502, 100)},
    ]);
    let mut fixture = Fixture::new(&faults(list, json!({"responseHeader": "X-Fault"})));
    assert_eq!(fixture.ask("h/0"), "500 by faults[0]; => x-fault: abort 500 by faults[0]");
    assert_eq!(fixture.ask("h/1"), "501 by é b, c\"; => x-fault: abort 501 by é b, c\"");
    assert_eq!(fixture.ask("h/2"), "502 by faults[2]; => x-fault: abort 502 by faults[2]");
    let metrics = "faults[0] aborts_injected 1, faults[2] aborts_injected 1, é b, c\" aborts_injected 1";
    assert_eq!(fixture.metrics(), metrics);
}
