//! The faults of VirtualServices, beside those of `faults`.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn the_rule_that_a_request_meets() {
    let entry = |path: &str| json!({"uri": {"prefix": path}});
    Fixture::new(&rules(json!([
        {"name": "named", "match": [entry("/a"), entry("/b")], "fault": abort(500, 100)},
        {"match": [entry("/c")]},
        {"match": [entry("/d")], "fault": {"delay": {"fixedDelay": "1s", "percentage": {"value": 100}}}},
        {"fault": abort(503, 100)},
        {"fault": abort(504, 100)},
    ])))
    .check(&[
        ("h/a", "500 by vs http[0]"),
        // Whichever of its match entries holds, it is one rule.
        ("h/b", "500 by vs http[0]"),
        ("h/c", "passes"),
        ("h/d", "delay 1000ms"),
        ("h/e", "503 by vs http[3]"),
    ]);
}

#[test]
fn the_virtual_service_of_the_host() {
    let service = |namespace: &str, host: &str, status: u32| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "catalog", "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"hosts": [host], "http": [
                {"match": [{"uri": {"exact": "/x"}}]}, {"fault": abort(status, 100)},
            ]},
        })
    };
    let mut configuration = json!({"virtualServices": [service("shop", "a.com", 500), service("lab", "*.b.com", 501)]});
    configuration["virtualServices"].as_array_mut().unwrap().push(json!(
        {"hosts": ["c.com"], "http": [{"fault": abort(502, 100)}]}
    ));
    let (filter, errors, warnings) = configure::<true>(&configuration, &Node::default());
    assert_eq!(errors, [""; 0]);
    let note = "no effect here: apiVersion (networking.istio.io/v1: all versions mean the same)";
    assert_eq!(warnings, [format!("virtualServices[0]: {note}"), format!("virtualServices[1]: {note}")]);
    Fixture { filter: filter.unwrap(), host: FakeHost::default() }.check(&[
        ("a.com/", "500 by shop/catalog http[1]"),
        ("a.com/x", "passes"),
        ("y.b.com:80/", "501 by lab/catalog http[1]"),
        // Without a name it is called by its place.
        ("c.com/", "502 by virtualServices[2] http[0]"),
        ("b.com/", "passes"),
    ]);
}

/// Of each kind a request gets the first that chance chooses: the entry's draws come first.
#[test]
fn beside_an_entry() {
    let mut configuration = rules(json!([{"fault": with(with(delay(50), &abort(501, 50)), &slow(50))}]));
    configuration["faults"] = json!([{"name": "own", "fault": {
        "delay": {"fixedDelay": "1ms", "percentage": {"value": 50}},
        "abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 50}},
        "throughput": {"limitKbps": 9, "percentage": {"value": 50}},
    }}]);
    const MISS: u64 = 500_000;
    for (numbers, expected) in [
        (&[0, 0][..], "delay 1ms; 200 grpc 14 by own"),
        (&[0, MISS, 0], "delay 1ms; 501 by vs http[0]"),
        (&[MISS, 0, 0], "delay 5ms; 200 grpc 14 by own"),
        (&[MISS, MISS, 0], "200 grpc 14 by own"),
        (&[MISS, MISS, MISS, 0], "501 by vs http[0]"),
        (&[MISS, MISS, MISS, MISS, 0], "slow 9 KiB/s"),
        (&[MISS, MISS, MISS, MISS, MISS, 0], "slow 64 KiB/s"),
        (&[MISS; 6], "passes"),
        (&[0, MISS, MISS, MISS, 0], "delay 1ms; slow 64 KiB/s"),
    ] {
        let mut fixture = Fixture::new(&configuration);
        assert_eq!(fixture.draw(numbers, "h/"), expected, "{numbers:?}");
    }
}

/// A request with faults of both is active once: for the one whose fault came first.
#[test]
fn active_once() {
    let mut configuration = rules(json!([{"fault": with(delay(100), &abort(501, 100))}]));
    configuration["faults"] =
        json!([{"name": "own", "fault": slow(100)}, {"name": "second", "fault": abort(500, 100)}]);
    configuration["faultInjection"] = json!({"maxActive": 1, "responseHeader": "x-fault"});
    let mut fixture = Fixture::new(&configuration);
    let mut live = fixture.begin("h/");
    assert_eq!(fixture.metrics(), "vs http[0] active_faults 1, vs http[0] delays_injected 1");
    fixture.wait(&mut live);
    let both = "vs http[0] aborts_injected 1, vs http[0] active_faults 1, vs http[0] delays_injected 1";
    assert_eq!(fixture.metrics(), both);
    fixture.respond(&mut live);
    let header = "=> x-fault: delay 5ms by vs http[0], abort 501 by vs http[0]";
    assert_eq!(fixture.end(live), format!("delay 5ms; 501 by vs http[0]; {header}"));
    assert_eq!(fixture.metrics(), "vs http[0] aborts_injected 1, vs http[0] delays_injected 1");
}

#[test]
fn at_a_port_and_a_gateway() {
    let rule = |entry: Value, status: u32| json!({"match": [entry], "fault": abort(status, 100)});
    let http = json!([
        rule(json!({"port": 81}), 500),
        rule(json!({"gateways": ["other"]}), 501),
        rule(json!({"sourceLabels": {"app": "other"}}), 502),
        rule(json!({"gateways": ["edge"]}), 503),
    ]);
    let mut configuration = json!({"gateway": "edge"});
    configuration["virtualServices"] = json!([{"name": "vs", "hosts": ["*"], "gateways": ["edge"], "http": http}]);
    for (port, expected) in [(80, "503 by vs http[3]"), (81i64, "500 by vs http[0]")] {
        let mut fixture = Fixture::new(&configuration);
        fixture.host.properties.insert("destination.port".into(), port.to_le_bytes().into());
        assert_eq!(fixture.ask("h/"), expected);
    }
}

/// Without a fault in any rule none is looked for.
#[test]
fn rules_without_faults() {
    let mut fixture = Fixture::new(&rules(json!([{"match": [{"port": 80}]}, {}])));
    assert_eq!(fixture.ask("h/"), "passes");
    assert_eq!(*fixture.host.asked.borrow(), [""; 0]);
    let mut configuration = rules(json!([{"match": [{"port": 80}]}, {}]));
    configuration["faults"] = json!([{"fault": delay(1)}]);
    let mut fixture = Fixture::new(&configuration);
    assert_eq!(fixture.draw(&[999_999], "h/"), "passes");
    assert_eq!(*fixture.host.asked.borrow(), [""; 0]);
    let mut fixture = Fixture::new(&rules(json!([{"match": [{"port": 80}]}, {"fault": delay(1)}])));
    assert_eq!(fixture.draw(&[999_999], "h/"), "passes");
    assert_eq!(*fixture.host.asked.borrow(), ["destination.port"]);
}
