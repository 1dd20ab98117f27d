//! What requests and responses look like with a fault.

use super::*;
use pointsman_filter::{Body, LocalReply};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn reply(fault: &Value, request: &str) -> LocalReply {
    let fixture = &mut Fixture::new(&faults(json!([{"name": "a b", "fault": fault}]), json!({})));
    let mut request = Request::new(map(&lines(request)));
    let step = fixture.filter.on_request(&mut Stream::default(), Wake::Arrived, &mut request, &mut fixture.host);
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    reply
}

/// As Envoy's own filter answers, and with the label.
#[test]
fn replies() {
    let expected = LocalReply {
        status: 599,
        headers: Vec::new(),
        body: b"fault filter abort".into(),
        grpc_status: None,
        details: "pointsman_fault_abort{a b}".into(),
    };
    assert_eq!(reply(&abort(599, 100), "h/"), expected);
    for (name, number) in [("OK", 0), ("UNAVAILABLE", 14), ("UNAUTHENTICATED", 16)] {
        let fault = json!({"abort": {"grpcStatus": name, "percentage": {"value": 100}}});
        assert_eq!(reply(&fault, "h/"), LocalReply { status: 200, grpc_status: Some(number), ..expected.clone() });
    }
}

/// A gRPC status that nobody has defined stands there as a header, too, where the client reads one.
#[test]
fn replies_of_unknown_statuses() {
    let fault = json!({"abort": {"headerAbort": {}, "percentage": {"value": 100}}});
    for (status, kind, expected) in [
        ("16", "application/grpc", None),
        ("17", "application/grpc", Some("17")),
        ("4294967295", "application/grpc+proto", Some("4294967295")),
        ("17", "application/grpc-web", None),
        ("17", "text/plain", None),
    ] {
        let request = format!("h/ | content-type: {kind} | x-envoy-fault-abort-grpc-request: {status}");
        let reply = reply(&fault, &request);
        assert_eq!((reply.status, reply.grpc_status), (200, status.parse().ok()), "{request}");
        let expected = expected.map(|status| (b"grpc-status".to_vec(), status.as_bytes().to_vec()));
        assert_eq!(reply.headers, expected.into_iter().collect::<Vec<_>>(), "{request}");
    }
}

/// What may have no body has none. To gRPC the text is its message, and the status another one.
#[test]
fn replies_without_a_body() {
    for (status, kind, expected) in [
        (204, "text/plain", ""),
        (304, "", ""),
        (304, "application/grpc-web", ""),
        (204, "application/grpcx", ""),
        (204, "application/grpc", "fault filter abort"),
        (304, "application/grpc+proto", "fault filter abort"),
        (200, "text/plain", "fault filter abort"),
        (205, "text/plain", "fault filter abort"),
    ] {
        let reply = reply(&abort(status, 100), &format!("h/ | content-type: {kind}"));
        assert_eq!((reply.status, str::from_utf8(&reply.body)), (status, Ok(expected)), "{status} {kind}");
    }
}

#[test]
fn what_the_response_says() {
    let all = with(with(delay(50), &abort(503, 50)), &slow(50));
    let grpc = json!({"abort": {"grpcStatus": "INTERNAL", "percentage": {"value": 50}}});
    let list = json!([
        {"name": "shadow", "fault": all, "shadow": true},
        {"name": "own", "match": [{"uri": {"prefix": "/a"}}], "fault": all},
        {"match": [{"uri": {"prefix": "/g"}}], "fault": grpc},
    ]);
    let mut configuration = rules(json!([{"fault": all}]));
    configuration["faults"] = list;
    configuration["faultInjection"] = json!({"responseHeader": "x-fault"});
    let mut fixture = Fixture::new(&configuration);
    const MISS: u64 = 500_000;
    for (numbers, request, expected) in [
        (&[0, 0, 0, 0][..], "h/a", "delay 5ms by own, abort 503 by own"),
        (&[0, MISS, 0, 0, MISS, 0, 0, 0], "h/a", "delay 5ms by vs http[0], abort 503 by vs http[0]"),
        (&[0, 0, 0, MISS, MISS, 0, 0], "h/a", "delay 5ms by own, throughput 64 KiB/s by own"),
        (&[0, MISS, MISS, 0, MISS, MISS, 0, MISS, 0], "h/a", "throughput 64 KiB/s by vs http[0]"),
        (&[0, MISS, 0, 0], "h/g", "abort grpc 13 by faults[2]"),
        // Of shadows nothing is said.
        (&[0, MISS, 0, MISS, 0, MISS], "h/b", ""),
    ] {
        fixture.host.random = numbers.iter().copied().chain([MISS; 9]).collect();
        let outcome = fixture.ask(request);
        let said = outcome.split_once("=> x-fault: ").map(|(_, said)| said).unwrap_or_default();
        assert_eq!(said, expected, "{numbers:?}");
    }
    // Nor of anything, if no header was asked for.
    configuration["faultInjection"] = json!({});
    let outcome = Fixture::new(&configuration).ask("h/b");
    assert_eq!(outcome, "delay 5ms; 503 by vs http[0]");
}

/// The body is let through in time: the pacing begins with the response.
#[test]
fn a_slow_response() {
    let mut fixture = Fixture::new(&faults(json!([{"fault": slow(100)}]), json!({})));
    let mut live = fixture.begin("h/");
    assert!(!fixture.filter.wants_body(&live.stream));
    fixture.host.now = 7_000_000_000;
    fixture.respond(&mut live);
    let (filter, host) = (&fixture.filter, &mut fixture.host);
    // 64 KiB/s: 50 ms are saved up at the beginning.
    assert_eq!(filter.on_response_body(&mut live.stream, 65_536, host), Body::Hold(7_950_000_000));
    host.now = 7_949_999_999;
    assert_eq!(filter.on_held(&mut live.stream, host), Body::Hold(7_950_000_000));
    host.now = 7_950_000_000;
    assert_eq!(filter.on_held(&mut live.stream, host), Body::Pass);
    assert_eq!(filter.on_response_body(&mut live.stream, 0, host), Body::Pass);
    fixture.end(live);
    // Of one that is not slow nothing is held.
    let mut fixture = Fixture::new(&faults(json!([{"fault": delay(100)}]), json!({})));
    let mut live = fixture.begin("h/");
    fixture.wait(&mut live);
    fixture.respond(&mut live);
    assert_eq!(fixture.filter.on_response_body(&mut live.stream, 65_536, &mut fixture.host), Body::Pass);
    assert_eq!(fixture.filter.on_held(&mut live.stream, &mut fixture.host), Body::Pass);
    fixture.end(live);
}

/// The module that is not called for responses does all the rest.
#[test]
fn without_responses() {
    let [all, less] = [FaultInjection::<true>::USES, FaultInjection::<false>::USES];
    assert_eq!(
        [all, less].map(|uses| (uses.response, uses.response_body, uses.delay)),
        [(true, true, true), (false, false, true)]
    );
    let list = json!([{"name": "a", "fault": with(delay(100), &abort(503, 50))}]);
    let (filter, errors, _) = configure::<false>(&faults(list, json!({"maxActive": 1})), &Node::default());
    assert_eq!(errors, [""; 0]);
    let filter = filter.unwrap();
    let mut host = FakeHost::default();
    for (number, is_aborted) in [(499_999, true), (500_000, false)] {
        let (mut stream, mut request) = (Stream::default(), Request::new(map(&lines("h/"))));
        let step = filter.on_request(&mut stream, Wake::Arrived, &mut request, &mut host);
        assert!(matches!(step, Step::Delay(delay) if delay == Duration::from_millis(5)), "{step:?}");
        host.random = [number].into();
        let step = filter.on_request(&mut stream, Wake::Delayed, &mut request, &mut host);
        assert_eq!(matches!(step, Step::Reply(_)), is_aborted, "{step:?}");
        // Its end comes without a response.
        assert_eq!(filter.has_more(&stream), is_aborted);
        filter.on_end(&mut stream, &mut host);
    }
    let metrics = host.metrics.borrow();
    assert_eq!(metrics["rule=.=a;.;pointsman_fault_active_faults"], 0);
    assert_eq!(metrics["rule=.=a;.;pointsman_fault_delays_injected"], 2);
}

/// Nothing is asked of the proxy, and nothing kept.
#[test]
fn a_configuration_without_anything() {
    for configuration in [
        json!({}),
        json!({"faults": null, "faultInjection": null}),
        json!({"faults": [], "virtualServices": []}),
        faults(
            json!([]),
            json!({"maxActive": 1, "maxPercentage": {"value": 1}, "shadow": true, "when": {"headers": {"x": {}}}}),
        ),
    ] {
        let mut fixture = Fixture::new(&configuration);
        assert_eq!(fixture.draw(&[], "h/"), "passes", "{configuration}");
        assert_eq!(*fixture.host.asked.borrow(), [""; 0]);
        assert!(fixture.host.metrics.borrow().is_empty() && fixture.host.cells.borrow().is_empty());
    }
}
