//! Chance: which numbers hit, how many are drawn, and in which order.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MISS: u64 = 999_999;

/// Delay, then abort, then throughput; a draw for each that is left.
#[test]
fn order() {
    let all = with(with(delay(50), &abort(503, 50)), &slow(50));
    let mut fixture = Fixture::new(&faults(json!([{"name": "a", "fault": all}]), json!({})));
    for (numbers, expected) in [
        (&[0, 0][..], "delay 5ms; 503 by a"),
        (&[MISS, 0], "503 by a"),
        (&[0, MISS, 0], "delay 5ms; slow 64 KiB/s"),
        (&[0, MISS, MISS], "delay 5ms"),
        (&[MISS, MISS, 0], "slow 64 KiB/s"),
        (&[MISS, MISS, MISS], "passes"),
    ] {
        assert_eq!(fixture.draw(numbers, "h/"), expected, "{numbers:?}");
    }
    assert_eq!(fixture.metrics(), "a aborts_injected 2, a delays_injected 3, a response_rl_injected 2");
}

/// The abort is drawn when the delay is over, not before.
#[test]
fn when() {
    let both = with(delay(50), &abort(503, 50));
    let mut fixture = Fixture::new(&faults(json!([{"name": "a", "fault": both}]), json!({})));
    fixture.host.random = [0].into();
    let mut live = fixture.begin("h/");
    assert!(fixture.host.random.is_empty());
    fixture.host.random = [MISS].into();
    fixture.wait(&mut live);
    assert!(fixture.host.random.is_empty());
    assert_eq!(fixture.end(live), "delay 5ms");
}

/// Over all numbers below the denominator, and over as many again, exactly the share of them hits.
#[test]
fn exact_over_a_cycle() {
    for (percentage, cycle, hits) in [
        (json!({"value": 0}), 1_000_000, 0),
        (json!({"value": 0.0001}), 1_000_000, 1),
        (json!({"value": 0.57}), 1_000_000, 5_699),
        (json!({"value": 12.5}), 1_000_000, 125_000),
        (json!({"value": 100}), 1_000_000, 1_000_000),
        (json!({"numerator": 0}), 100, 0),
        (json!({"numerator": 37}), 100, 37),
        (json!({"numerator": 100}), 100, 100),
        (json!({"numerator": 1, "denominator": "TEN_THOUSAND"}), 10_000, 1),
        (json!({"numerator": 3_333, "denominator": "TEN_THOUSAND"}), 10_000, 3_333),
        (json!({"numerator": 5, "denominator": "MILLION"}), 1_000_000, 5),
    ] {
        let fault = json!({"abort": {"httpStatus": 503, "percentage": percentage}});
        let (filter, errors, _) = configure::<true>(&faults(json!([{"fault": fault}]), json!({})), &Node::default());
        assert_eq!(errors, [""; 0]);
        let filter = filter.unwrap();
        let experiment = filter.own[0].clone();
        let headers = map(&lines("h/"));
        for start in [0, u64::MAX - (u64::MAX % cycle) - cycle] {
            let mut host = FakeHost { random: (start..start + cycle).collect(), ..FakeHost::default() };
            let drawn = (0..cycle).filter(|_| experiment.draw_abort(&headers, &mut host).is_some()).count();
            assert_eq!(drawn, hits, "{percentage} from {start}");
        }
    }
}

/// Draws are independent: of all pairs of numbers, the product of the shares.
#[test]
fn independent() {
    let fault = json!({
        "delay": {"fixedDelay": "5ms", "percentage": {"numerator": 30}},
        "abort": {"httpStatus": 503, "percentage": {"numerator": 20}},
    });
    let mut fixture = Fixture::new(&faults(json!([{"name": "a", "fault": fault}]), json!({})));
    let mut outcomes = std::collections::BTreeMap::<String, u32>::new();
    for number in 0..10_000 {
        *outcomes.entry(fixture.draw(&[number / 100, number % 100], "h/")).or_default() += 1;
    }
    let expected = [("503 by a", 1400), ("delay 5ms", 2400), ("delay 5ms; 503 by a", 600), ("passes", 5600)];
    assert_eq!(outcomes, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());
    assert_eq!(fixture.metrics(), "a aborts_injected 2000, a delays_injected 3000");
}
