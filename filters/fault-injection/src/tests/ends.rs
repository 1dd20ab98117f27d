//! Each way in which a request with a fault ends: it is active until then, and no longer.

use super::*;
use pointsman_host::slots::Slots;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// One entry, with those caps.
fn fixture(fault: &Value, section: Value) -> Fixture {
    Fixture::new(&faults(json!([{"name": "a", "fault": fault}]), section))
}

/// How many requests are active: by the gauge, and by the slots.
fn active(fixture: &Fixture) -> (i64, u64) {
    let gauge = fixture.host.metrics.borrow().get("rule=.=a;.;pointsman_fault_active_faults").copied();
    (gauge.unwrap_or_default(), Slots::new("fault/active/").taken(&fixture.host))
}

#[test]
fn active_until_the_end() {
    let all = with(with(delay(50), &abort(503, 50)), &slow(50));
    const MISS: u64 = 999_999;
    // A delay is over when the request goes on; all else with the request.
    for (numbers, delays, lasts) in [
        ([0, MISS, MISS], true, false),
        ([0, 0, 0], true, true),
        ([0, MISS, 0], true, true),
        ([MISS, 0, 0], false, true),
        ([MISS, MISS, 0], false, true),
    ] {
        let later = if lasts { (1, 1) } else { (0, 0) };
        // How far it comes: its client is gone in the delay; before the response; before the response's end.
        for reached in 0..3 {
            let mut fixture = fixture(&all, json!({"maxActive": 5}));
            fixture.host.random = numbers.into();
            let mut live = fixture.begin("h/");
            assert_eq!(live.delay.is_some(), delays);
            assert_eq!(active(&fixture), (1, 1), "{numbers:?}");
            assert!(fixture.filter.has_more(&live.stream) && fixture.filter.needs_beat(&live.stream));
            if reached > 0 && delays {
                fixture.wait(&mut live);
            }
            if reached > 0 {
                assert_eq!(active(&fixture), later, "{numbers:?}");
                assert_eq!(fixture.filter.has_more(&live.stream), lasts);
                assert_eq!(fixture.filter.needs_beat(&live.stream), lasts);
            }
            if reached > 1 {
                fixture.respond(&mut live);
                assert_eq!(active(&fixture), later, "{numbers:?}");
                assert_eq!(fixture.filter.has_more(&live.stream), lasts, "its end is still to come");
            }
            fixture.filter.on_end(&mut live.stream, &mut fixture.host);
            assert_eq!(active(&fixture), (0, 0), "{numbers:?} {reached}");
            // However often it ends.
            assert!(!fixture.filter.has_more(&live.stream) && !fixture.filter.needs_beat(&live.stream));
            fixture.filter.on_end(&mut live.stream, &mut fixture.host);
            assert_eq!(active(&fixture), (0, 0), "{numbers:?} {reached}");
        }
    }
}

/// Nothing is kept about a request without a fault.
#[test]
fn without_a_fault() {
    let all = with(with(delay(50), &abort(503, 50)), &slow(50));
    let mut fixture = fixture(&all, json!({"maxActive": 5, "maxPercentage": {"value": 100}}));
    fixture.host.random = [999_999; 3].into();
    let live = fixture.begin("h/");
    assert!(!fixture.filter.has_more(&live.stream));
    assert_eq!(active(&fixture), (0, 0));
    assert!(fixture.host.cells.borrow().is_empty());
}

#[test]
fn no_more_than_max_active() {
    let mut fixture = fixture(&with(delay(100), &slow(100)), json!({"maxActive": 2}));
    let first = fixture.begin("h/");
    let second = fixture.begin("h/");
    assert_eq!(active(&fixture), (2, 2));
    // Each fault that it would have got is counted, and it goes on.
    assert_eq!(fixture.draw(&[0, 0], "h/"), "passes");
    assert_eq!(fixture.metrics(), "a active_faults 2, a delays_injected 2, a maxActive faults_overflow 2");
    // Whoever has one is not asked again.
    let mut first = first;
    fixture.wait(&mut first);
    assert_eq!(fixture.end(first), "delay 5ms; slow 64 KiB/s");
    assert_eq!(active(&fixture), (1, 1));
    assert_eq!(fixture.ask("h/"), "delay 5ms; slow 64 KiB/s");
    assert_eq!(fixture.end(second), "delay 5ms");
    assert_eq!(active(&fixture), (0, 0));
}

/// Who was refused once is refused all: a slot that comes free meanwhile is not for it, nor is another's fault.
#[test]
fn refused_once() {
    let mut configuration = rules(json!([{"fault": with(delay(100), &abort(501, 100))}]));
    configuration["faults"] = json!([{"name": "own", "fault": delay(100)}]);
    configuration["faultInjection"] = json!({"maxActive": 1});
    let mut fixture = Fixture::new(&configuration);
    let first = fixture.begin("h/");
    // Its own delay would be the first; then the rule's is not drawn for it, but the rule's abort is.
    assert_eq!(fixture.draw(&[0, 0], "h/"), "passes");
    let capped = "own maxActive faults_overflow 1, vs http[0] maxActive faults_overflow 1";
    assert_eq!(fixture.metrics(), format!("own active_faults 1, own delays_injected 1, {capped}"));
    fixture.end(first);
}

#[test]
fn none_at_all() {
    for section in [json!({"maxActive": 0}), json!({"maxPercentage": {"value": 0}})] {
        let cap = section.as_object().unwrap().keys().next().unwrap().clone();
        let mut fixture = fixture(&abort(503, 50), section);
        assert_eq!(fixture.draw(&[0], "h/"), "passes");
        assert_eq!(fixture.draw(&[999_999], "h/"), "passes");
        assert_eq!(fixture.metrics(), format!("a {cap} faults_overflow 1"));
    }
}

/// Of the requests seen so far, those without a fault count, too; a slot is given back if the share is used up.
#[test]
fn no_more_than_the_share() {
    let configuration = faults(
        json!([{"name": "a", "match": [{"uri": {"prefix": "/a"}}], "fault": delay(100)}]),
        json!({"maxPercentage": {"value": 25}, "maxActive": 5}),
    );
    let mut fixture = Fixture::new(&configuration);
    for (request, expected) in [
        ("h/a", "passes"),
        ("h/b", "passes"),
        ("h/a", "passes"),
        ("h/a", "delay 5ms"),
        ("h/a", "passes"),
        ("h/b", "passes"),
        ("h/b", "passes"),
        ("h/b", "passes"),
        ("h/a", "delay 5ms"),
        ("h/a", "passes"),
    ] {
        assert_eq!(fixture.ask(request), expected);
        assert_eq!(active(&fixture), (0, 0));
    }
    assert_eq!(fixture.metrics(), "a delays_injected 2, a maxPercentage faults_overflow 4");
}
