//! Faults that a client asks for, and what becomes of the headers by which it does.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// All of Envoy's names.
const ALL: &str = "h/ | x-envoy-fault-delay-request: 7 | x-envoy-fault-delay-request-percentage: 100 \
                   | x-envoy-fault-abort-request: 404 | x-envoy-fault-abort-grpc-request: 5 \
                   | x-envoy-fault-abort-request-percentage: 100 | x-envoy-fault-throughput-response: 9 \
                   | x-envoy-fault-throughput-response-percentage: 100";

const DELAY: [&str; 2] = ["-x-envoy-fault-delay-request", "-x-envoy-fault-delay-request-percentage"];
const ABORT: [&str; 3] =
    ["-x-envoy-fault-abort-request", "-x-envoy-fault-abort-grpc-request", "-x-envoy-fault-abort-request-percentage"];
const THROUGHPUT: [&str; 2] = ["-x-envoy-fault-throughput-response", "-x-envoy-fault-throughput-response-percentage"];

fn by(kind: &str, percent: u32) -> Value {
    let [fault, field] = match kind {
        "delay" => ["delay", "headerDelay"],
        "abort" => ["abort", "headerAbort"],
        _ => ["throughput", "headerLimit"],
    };
    json!({fault: {field: {}, "percentage": {"value": percent}}})
}

fn texts(parts: &[&[&str]]) -> String {
    parts.concat().join("; ")
}

#[test]
fn each_kind() {
    let all = with(with(by("delay", 100), &by("abort", 100)), &by("throughput", 100));
    let mut fixture = Fixture::new(&faults(json!([{"fault": all}]), json!({"responseHeader": "x-fault"})));
    for (request, expected) in [
        ("h/", "passes"),
        ("h/ | x-envoy-fault-delay-request: 7", "delay 7ms; => x-fault: delay 7ms by faults[0]"),
        ("h/ | x-envoy-fault-delay-request: 0", "passes"),
        ("h/ | x-envoy-fault-delay-request: x", "passes"),
        // Of several lines the first.
        (
            "h/ | x-envoy-fault-delay-request: 7 | x-envoy-fault-delay-request: 8",
            "delay 7ms; => x-fault: delay 7ms by faults[0]",
        ),
        ("h/ | x-envoy-fault-abort-request: 404", "404 by faults[0]; => x-fault: abort 404 by faults[0]"),
        ("h/ | x-envoy-fault-abort-request: 600", "passes"),
        ("h/ | x-envoy-fault-abort-grpc-request: 5", "200 grpc 5 by faults[0]; => x-fault: abort grpc 5 by faults[0]"),
        (
            "h/ | x-envoy-fault-abort-grpc-request: 5 | x-envoy-fault-abort-request: 404",
            "404 by faults[0]; => x-fault: abort 404 by faults[0]",
        ),
        ("h/ | x-envoy-fault-throughput-response: 9", "slow 9 KiB/s; => x-fault: throughput 9 KiB/s by faults[0]"),
        (ALL, "delay 7ms; 404 by faults[0]; => x-fault: delay 7ms by faults[0], abort 404 by faults[0]"),
    ] {
        assert_eq!(fixture.ask(request), expected, "{request}");
    }
}

/// A header can make it less, and never more; it counts in percents.
#[test]
fn percentages() {
    for (configured, header, hits, misses) in [
        (50, "20", 199_999, 200_000),
        (50, "100", 499_999, 500_000),
        (50, "x", 499_999, 500_000),
        (100, "0", u64::MAX, 0),
        (0, "100", u64::MAX, 0),
    ] {
        for (kind, value, header_name, expected) in [
            ("delay", "delay-request: 7", "delay-request-percentage", "delay 7ms"),
            ("abort", "abort-request: 404", "abort-request-percentage", "404 by faults[0]"),
            ("abort", "abort-grpc-request: 5", "abort-request-percentage", "200 grpc 5 by faults[0]"),
            ("throughput", "throughput-response: 9", "throughput-response-percentage", "slow 9 KiB/s"),
        ] {
            let mut fixture = Fixture::new(&faults(json!([{"fault": by(kind, configured)}]), json!({})));
            let request = format!("h/ | x-envoy-fault-{value} | x-envoy-fault-{header_name}: {header}");
            if hits != u64::MAX {
                assert_eq!(fixture.draw(&[hits], &request), expected, "{configured} {request}");
            }
            assert_eq!(fixture.draw(&[misses], &request), "passes", "{configured} {request}");
            // What says nothing is not drawn.
            assert_eq!(fixture.draw(&[], "h/"), "passes");
        }
    }
}

/// Of a configuration that lets nobody ask, none reaches the upstream, nor anybody's conditions.
#[test]
fn where_nobody_may_ask() {
    let condition = json!([{"headers": {"x-envoy-fault-delay-request": {}}}]);
    for configuration in [
        json!({}),
        faults(json!([{"fault": slow(1)}]), json!({"startTime": "2026-11-22T10:00:00Z"})),
        faults(json!([{"match": condition, "fault": delay(100)}]), json!({})),
        rules(json!([{"match": condition, "fault": delay(100)}, {}])),
    ] {
        Fixture::new(&configuration).check(&[
            (ALL, &texts(&[&DELAY, &ABORT, &THROUGHPUT])),
            // What is none of Envoy's goes on.
            ("h/ | x-envoy-fault-abort-grpc-request-percentage: 1 | x-envoy-fault-delay: 1", "passes"),
        ]);
    }
    // Fixed faults are not changed by them.
    let fixed = with(with(delay(100), &abort(503, 50)), &slow(100));
    let mut fixture = Fixture::new(&faults(json!([{"fault": fixed}]), json!({})));
    let stripped = texts(&[&["delay 5ms", "slow 64 KiB/s"], &DELAY, &ABORT, &THROUGHPUT]);
    assert_eq!(fixture.draw(&[0, 999_999, 0], ALL), stripped);
    assert_eq!(fixture.draw(&[0, 0], &ALL.replace("percentage: 100", "percentage: 0")), "delay 5ms; 503 by faults[0]");
}

/// Those go on by which this request may ask; the others are taken out of it.
#[test]
fn what_reaches_the_upstream() {
    let on = |path: &str, fault: Value| json!({"match": [{"uri": {"prefix": path}}], "fault": fault});
    let combined = with(by("delay", 0), &by("throughput", 0));
    let late = with(on("/late", by("delay", 100)), &json!({"startTime": "2026-11-22T10:00:00Z"}));
    let shadow = with(on("/", by("abort", 100)), &json!({"shadow": true, "when": {"headers": {"shadow": {}}}}));
    let mut configuration = faults(
        json!([
            shadow,
            on("/delay", by("delay", 0)),
            on("/two", combined),
            on("/mixed", with(by("delay", 0), &abort(503, 0))),
            on("/fixed", delay(0)),
            late
        ]),
        json!({}),
    );
    configuration["virtualServices"] = json!([{"name": "vs", "hosts": ["h"], "http": [
        {"match": [{"uri": {"prefix": "/rule"}}], "fault": by("throughput", 0)},
        {"match": [{"uri": {"prefix": "/delay/rule"}}], "fault": by("throughput", 0)},
        {},
    ]}]);
    let at = |path: &str| ALL.replacen("h/", path, 1);
    for (path, expected) in [
        ("h/delay", texts(&[&ABORT, &THROUGHPUT])),
        ("h/two", texts(&[&ABORT])),
        ("h/mixed", texts(&[&ABORT, &THROUGHPUT])),
        ("h/fixed", texts(&[&DELAY, &ABORT, &THROUGHPUT])),
        ("h/late", texts(&[&DELAY, &ABORT, &THROUGHPUT])),
        ("h/none", texts(&[&DELAY, &ABORT, &THROUGHPUT])),
        ("h/rule", texts(&[&DELAY, &ABORT])),
        ("h/delay/rule", texts(&[&ABORT])),
        ("other/none", texts(&[&DELAY, &ABORT, &THROUGHPUT])),
        ("h/delay | shadow: 1", texts(&[&THROUGHPUT])),
    ] {
        assert_eq!(Fixture::new(&configuration).ask(&at(path)), expected, "{path}");
    }
    // Outside of everything's window, too.
    configuration["faultInjection"] = json!({"startTime": "2026-11-22T10:00:00Z"});
    assert_eq!(Fixture::new(&configuration).ask(&at("h/delay")), texts(&[&DELAY, &ABORT, &THROUGHPUT]));
}

/// What was taken out stays out when the request has waited.
#[test]
fn after_a_delay() {
    let fault = with(by("delay", 100), &slow(100));
    let mut fixture = Fixture::new(&faults(json!([{"fault": fault}]), json!({})));
    assert_eq!(fixture.ask(ALL), texts(&[&["delay 7ms", "slow 64 KiB/s"], &ABORT, &THROUGHPUT]));
}

/// A fixed delay, and an abort as the client says.
#[test]
fn beside_fixed_ones() {
    let fault = with(delay(100), &by("abort", 100));
    let mut fixture = Fixture::new(&faults(json!([{"fault": fault}]), json!({})));
    assert_eq!(fixture.ask("h/ | x-envoy-fault-abort-request: 404"), "delay 5ms; 404 by faults[0]");
    assert_eq!(fixture.ask("h/ | x-envoy-fault-delay-request: 70"), "delay 5ms; -x-envoy-fault-delay-request");
    // One entry's header asks nothing of another's.
    let mut configuration = rules(json!([{"fault": by("abort", 100)}]));
    configuration["faults"] = json!([{"name": "own", "fault": by("delay", 100)}]);
    let mut fixture = Fixture::new(&configuration);
    assert_eq!(fixture.ask(ALL), "delay 7ms; 404 by vs http[0]");
}
