//! When, and for whom, there are faults.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// 2026-11-22T10:00:00Z.
const TEN: u64 = 1_795_341_600_000_000_000;
const MS: u64 = 1_000_000;

fn window() -> Value {
    json!({"startTime": "2026-11-22T10:00:00Z", "endTime": "2026-11-22T12:00:01+02:00"})
}

/// Those fields at the entry, and for all of them.
fn both(fault: &Value, fields: &Value) -> [Value; 2] {
    let entry = json!({"fault": fault});
    [faults(json!([with(entry.clone(), fields)]), json!({})), faults(json!([entry]), fields.clone())]
}

#[test]
fn windows() {
    for configuration in both(&abort(503, 100), &window()) {
        let mut fixture = Fixture::new(&configuration);
        for (wall, expected) in [
            (0, "passes"),
            (TEN - 1, "passes"),
            (TEN, "503 by faults[0]"),
            (TEN + 1000 * MS - 1, "503 by faults[0]"),
            (TEN + 1000 * MS, "passes"),
            (u64::MAX, "passes"),
        ] {
            fixture.host.wall = wall;
            assert_eq!(fixture.ask("h/"), expected, "{wall}");
        }
        assert_eq!(fixture.metrics(), "faults[0] aborts_injected 2");
    }
}

#[test]
fn half_a_window() {
    for (fields, before, after) in [
        (json!({"startTime": "2026-11-22T10:00:00Z"}), "passes", "503 by faults[0]"),
        (json!({"endTime": "2026-11-22T10:00:00Z"}), "503 by faults[0]", "passes"),
    ] {
        for configuration in both(&abort(503, 100), &fields) {
            // Without a clock nobody knows, and then there is no fault.
            for (wall, expected) in [(0, "passes"), (1, before), (TEN - 1, before), (TEN, after), (u64::MAX, after)] {
                let mut fixture = Fixture::new(&configuration);
                fixture.host.wall = wall;
                assert_eq!(fixture.ask("h/"), expected, "{wall} {fields}");
            }
        }
    }
}

/// An entry outside of its window, or for others, is as good as none: the next one is looked for.
#[test]
fn the_next_one_in_its_window() {
    let other = json!({"when": {"headers": {"x": {}}}});
    for fields in [window(), other] {
        let list = json!([
            with(json!({"fault": abort(500, 100)}), &fields),
            with(json!({"fault": abort(501, 100), "shadow": true}), &fields),
            {"fault": abort(502, 100)},
        ]);
        let mut fixture = Fixture::new(&faults(list, json!({})));
        assert_eq!(fixture.ask("h/"), "502 by faults[2]");
        assert_eq!(fixture.metrics(), "faults[2] aborts_injected 1");
    }
}

/// What is drawn after a delay is not done if the window has ended; what had begun ends.
#[test]
fn a_window_that_ends_during_the_delay() {
    let all = with(with(delay(100), &abort(503, 50)), &slow(100));
    for configuration in both(&all, &window()) {
        for (left, abort, expected) in [
            (5 * MS, 0, "delay 5ms"),
            (5 * MS, 999_999, "delay 5ms"),
            (5 * MS + 1, 0, "delay 5ms; 503 by faults[0]"),
            (5 * MS + 1, 999_999, "delay 5ms; slow 64 KiB/s"),
        ] {
            let mut fixture = Fixture::new(&configuration);
            fixture.host.wall = TEN + 1000 * MS - left;
            let mut live = fixture.begin("h/");
            fixture.host.random = [abort].into();
            fixture.wait(&mut live);
            let outcome = fixture.end(live);
            assert_eq!(outcome, expected, "{left} {abort}");
            let is_over = expected == "delay 5ms";
            assert_eq!(fixture.metrics().contains("aborts"), !is_over && abort == 0, "{left} {abort}");
            assert_eq!(fixture.metrics().contains("rl_"), !is_over && abort != 0, "{left} {abort}");
        }
    }
    // Of two, each has its own.
    let list = json!([with(json!({"fault": with(delay(100), &abort(500, 100))}), &window())]);
    let mut configuration = rules(json!([{"fault": abort(501, 100)}]));
    configuration["faults"] = list;
    let mut fixture = Fixture::new(&configuration);
    fixture.host.wall = TEN + 1000 * MS - 1;
    assert_eq!(fixture.ask("h/"), "delay 5ms; 501 by vs http[0]");
}

/// A clock may step.
#[test]
fn a_window_that_is_over_before_the_delay_is() {
    let mut fixture = Fixture::new(&both(&with(delay(100), &abort(503, 100)), &window())[0]);
    fixture.host.wall = TEN;
    let mut live = fixture.begin("h/");
    fixture.host.wall = TEN - 10 * MS;
    fixture.wait(&mut live);
    assert_eq!(fixture.end(live), "delay 5ms");
}

#[test]
fn whose_requests() {
    const YES: &str = "503 by faults[0]";
    for (when, request, expected) in [
        (json!({"headers": {"X-User": {"exact": "ann"}}}), "h/ | x-user: ann", YES),
        (json!({"headers": {"x-user": {"exact": "ann"}}}), "h/ | x-user: bob", "passes"),
        (json!({"headers": {"x-user": {"exact": "ann"}}}), "h/", "passes"),
        // Of several lines one is enough, and they are not one.
        (json!({"headers": {"x-user": {"exact": "ann"}}}), "h/ | x-user: bob | x-user: ann", YES),
        (json!({"headers": {"x-user": {"exact": "bob,ann"}}}), "h/ | x-user: bob | x-user: ann", "passes"),
        (json!({"headers": {"x-user": {"prefix": "a"}}}), "h/ | x-user: ann", YES),
        (json!({"headers": {"x-user": {"regex": "a.n"}}}), "h/ | x-user: ann", YES),
        (json!({"headers": {"x-user": {"regex": "a"}}}), "h/ | x-user: ann", "passes"),
        (json!({"headers": {"x-user": {}}}), "h/ | x-user: ", YES),
        (json!({"headers": {"x-user": {}}}), "h/", "passes"),
        (json!({"headers": {"x-user": {"exact": ""}}}), "h/", "passes"),
        (json!({"headers": {"host": {"exact": "h"}}}), "h/", YES),
        (json!({"headers": {":path": {"exact": "/a?b"}}}), "h/a?b", YES),
        (json!({"headers": {"a": {"exact": "1"}, "b": {"exact": "2"}}}), "h/ | a: 1 | b: 2", YES),
        (json!({"headers": {"a": {"exact": "1"}, "b": {"exact": "2"}}}), "h/ | a: 1 | b: 3", "passes"),
        (json!({"headers": {"a": {"exact": "1"}, "b": {"exact": "2"}}}), "h/ | b: 2", "passes"),
        (json!({"cookies": {"Team": {"exact": "dev"}}}), "h/ | cookie: a=b; Team=dev", YES),
        (json!({"cookies": {"Team": {"exact": "dev"}}}), "h/ | cookie: team=dev", "passes"),
        (json!({"cookies": {"c": {"exact": "dev"}}}), "h/ | cookie: a=b | cookie: c=dev", YES),
        // The first of its name counts.
        (json!({"cookies": {"c": {"exact": "dev"}}}), "h/ | cookie: c=ops; c=dev", "passes"),
        (json!({"cookies": {"c": {"exact": "dev"}}}), "h/ | cookie: c=ops | cookie: c=dev", "passes"),
        (json!({"cookies": {"c": {"prefix": "de"}}}), "h/ | cookie: c=dev", YES),
        (json!({"cookies": {"c": {"regex": "d.*"}}}), "h/ | cookie: c=\"dev\"", YES),
        (json!({"cookies": {"c": {}}}), "h/ | cookie: c=x", YES),
        (json!({"cookies": {"c": {}}}), "h/", "passes"),
        (json!({"cookies": {"c": {"exact": "1"}, "d": {"exact": "2"}}}), "h/ | cookie: d=2; c=1", YES),
        (json!({"cookies": {"c": {"exact": "1"}, "d": {"exact": "2"}}}), "h/ | cookie: c=1", "passes"),
        (json!({"headers": {"x": {}}, "cookies": {"c": {}}}), "h/ | x: 1 | cookie: c=1", YES),
        (json!({"headers": {"x": {}}, "cookies": {"c": {}}}), "h/ | x: 1", "passes"),
        (json!({"headers": {"x": {}}, "cookies": {"c": {}}}), "h/ | cookie: c=1", "passes"),
    ] {
        for configuration in both(&abort(503, 100), &json!({"when": when})) {
            assert_eq!(Fixture::new(&configuration).ask(request), expected, "{when} {request}");
        }
    }
}

/// The section's conditions hold for the faults of rules, too; a rule's own are its `match`.
#[test]
fn of_all_faults() {
    for (section, request, expected) in [
        (json!({"when": {"headers": {"x": {}}}}), "h/", "passes"),
        (json!({"when": {"headers": {"x": {}}}}), "h/ | x: 1", "501 by vs http[0]"),
        (window(), "h/", "passes"),
        (json!({"shadow": true}), "h/", "passes"),
        (json!({"shadow": false}), "h/", "501 by vs http[0]"),
    ] {
        let mut configuration = rules(json!([{"fault": abort(501, 100)}]));
        configuration["faultInjection"] = section.clone();
        assert_eq!(Fixture::new(&configuration).ask(request), expected, "{section}");
    }
}

/// With `shadow` for all, the counters say what would have been done, and nothing is.
#[test]
fn shadow_of_all() {
    let mut configuration = rules(json!([{"fault": with(delay(100), &slow(100))}]));
    configuration["faults"] = json!([{"name": "own", "fault": abort(503, 50)}]);
    configuration["faultInjection"] = json!({"shadow": true, "maxActive": 0, "responseHeader": "x-fault"});
    let mut fixture = Fixture::new(&configuration);
    // The rule's delay, the entry's abort, the rule's throughput.
    assert_eq!(fixture.draw(&[0, 500_000, 0], "h/"), "passes");
    assert_eq!(fixture.metrics(), "vs http[0] shadow_delays_injected 1, vs http[0] shadow_response_rl_injected 1");
    // Of each kind one would be done: the first that chance chooses.
    let configuration = with(
        rules(json!([{"fault": delay(100)}])),
        &faults(json!([{"name": "own", "fault": delay(50)}]), json!({"shadow": true})),
    );
    let mut fixture = Fixture::new(&configuration);
    assert_eq!(fixture.draw(&[0], "h/"), "passes");
    assert_eq!(fixture.draw(&[500_000, 0], "h/"), "passes");
    assert_eq!(fixture.metrics(), "own shadow_delays_injected 1, vs http[0] shadow_delays_injected 1");
}
