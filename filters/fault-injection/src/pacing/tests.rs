use pointsman_filter::Body::{Hold, Pass};

use super::*;
use pointsman_host::Random;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MS: u64 = 1_000_000;

/// A response that began at 1 s, of a byte a microsecond.
fn pacing() -> Pacing {
    Pacing::new(NonZeroU64::new(1_000_000).unwrap(), 1_000 * MS)
}

#[test]
fn what_arrives_waits_until_the_limit_lets_it_through() {
    let mut pacing = pacing();
    assert_eq!(pacing.on_data(50_000, 1_000 * MS), Pass, "it may save up 50 ms");
    assert_eq!(pacing.on_data(10_000, 1_000 * MS), Hold(1_010 * MS));
    // More is held, so it takes longer.
    assert_eq!(pacing.on_data(5_000, 1_005 * MS), Hold(1_015 * MS));
    assert_eq!(pacing.on_due(1_010 * MS), Hold(1_015 * MS));
    // The end is held, too.
    assert_eq!(pacing.on_data(0, 1_011 * MS), Hold(1_015 * MS));
    assert_eq!(pacing.on_due(1_017 * MS), Pass);
    // What the tick came late is not lost.
    assert_eq!(pacing.on_data(1_000, 1_017 * MS), Pass);
    assert_eq!(pacing.on_data(1_001, 1_017 * MS), Hold(1_017 * MS + 1_000));
}

#[test]
fn an_empty_part_is_not_held_alone() {
    let mut pacing = pacing();
    assert_eq!(pacing.on_data(0, 1_000 * MS), Pass);
    assert_eq!(pacing.on_data(50_000, 1_000 * MS), Pass);
    assert_eq!(pacing.on_data(0, 1_000 * MS), Pass);
}

#[test]
fn a_pause_saves_up_50_ms_and_no_more() {
    let mut pacing = pacing();
    assert_eq!(pacing.on_data(50_000, 9_000 * MS), Pass);
    assert_eq!(pacing.on_data(1_000, 9_000 * MS), Hold(9_001 * MS));
    assert_eq!(pacing.on_due(9_001 * MS), Pass);
    assert_eq!(pacing.on_data(50_001, 20_000 * MS), Hold(20_000 * MS + 1_000));
}

#[test]
fn nothing_overflows() {
    for limit in [1, 1_000, u64::MAX] {
        for start in [0, MS, u64::MAX] {
            let mut pacing = Pacing::new(NonZeroU64::new(limit).unwrap(), start);
            for bytes in [usize::MAX, usize::MAX, 0, 1] {
                pacing.on_data(bytes, start);
                pacing.on_data(bytes, u64::MAX);
                pacing.on_due(u64::MAX);
            }
        }
    }
    let mut slow = Pacing::new(NonZeroU64::MIN, 0);
    assert!(matches!(slow.on_data(usize::MAX, 0), Hold(4_000_000_000_000_000_000..)));
}

/// A response of parts that arrive as the random numbers say, of a proxy that ticks late and whose buffers have a limit.
/// At every moment, what has passed is what the limit allows; at the end, the whole has taken no longer than it must.
fn run(seed: u64, most_pause: u64) {
    let mut random = Random::new(seed);
    let magnitude = 1 << (1 + random.below(30));
    let limit = 1 + random.below(magnitude);
    let (start, most_late) = (random.below(1 << 60) + MOST_SAVED, random.below(100) * MS);
    let buffer = 1 + random.below(limit);
    let mut pacing = Pacing::new(NonZeroU64::new(limit).unwrap(), start);
    let (mut now, mut passed, mut held) = (start, 0u64, 0u64);
    // What a response that is never late and never waits for its upstream has after that time, and what it saved up.
    let allowed = |now: u64| (u128::from(now - start) + u128::from(MOST_SAVED)) * u128::from(limit) / NANOS;
    let check = |passed: u64, now: u64| assert!(u128::from(passed) <= allowed(now), "seed {seed}: {passed} at {now}");
    let mut late_in_all = 0;
    for _ in 0..1 + random.below(60) {
        now += random.below(most_pause + 1);
        let size = random.below(1 + limit / 4);
        let mut body = pacing.on_data(size.try_into().unwrap(), now);
        held += size;
        // The proxy reads no more while its buffers are full.
        while let Hold(until) = body {
            assert!(until > now, "seed {seed}: it is asked to wait for what has been");
            if held < buffer && random.below(2) == 0 {
                break;
            }
            let late = random.below(most_late + 1);
            (now, late_in_all) = (until + late, late_in_all.max(late));
            body = pacing.on_due(now);
        }
        if body == Pass {
            passed += std::mem::take(&mut held);
            check(passed, now);
        }
    }
    if let Hold(until) = pacing.on_data(0, now) {
        now = until;
        assert_eq!(pacing.on_due(now), Pass);
        passed += held;
        check(passed, now);
        if most_pause == 0 && late_in_all <= MOST_SAVED {
            // Each time is a nanosecond late at most.
            let lost = 61 * (u128::from(limit) / NANOS + 1);
            assert!(allowed(now) - u128::from(passed) <= lost, "seed {seed}: {passed} of {} at {now}", allowed(now));
        }
    }
}

#[test]
fn no_response_is_faster_than_its_limit() {
    (0..3_000).for_each(|seed| run(seed, 400 * MS));
}

#[test]
fn a_response_is_as_fast_as_its_limit() {
    (0..3_000).for_each(|seed| run(seed, 0));
}
