use super::*;
use crate::rate::tests::rate;
use pointsman_host::Random;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MS: u64 = 1_000_000;

fn admitted(remaining: u32, reset_ns: u64) -> Outcome {
    Outcome::Admitted { remaining, reset_ns }
}

fn refused(until_ns: u64, remaining: u32, reset_ns: u64) -> Outcome {
    Outcome::Refused { until_ns, remaining, reset_ns }
}

#[test]
fn a_bucket_through_its_life() {
    let rate = rate(3, 10, 1_000); // one each 100 ms
    let mut full = 0;
    for (now, tokens, expected) in [
        (1_000, 0, admitted(3, 0)),
        (1_000, 1, admitted(2, 100 * MS)),
        (1_030, 1, admitted(1, 70 * MS)),
        (1_030, 2, refused(1_100 * MS, 1, 70 * MS)),
        (1_030, 4, refused(NEVER, 1, 70 * MS)),
        (1_030, u32::MAX, refused(NEVER, 1, 70 * MS)),
        (1_099, 1, admitted(0, MS)),
        (1_099, 1, refused(1_100 * MS, 0, MS)),
        (1_099, 0, admitted(0, MS)),
        (1_099, 3, refused(1_300 * MS, 0, MS)),
        (1_100, 1, admitted(0, 100 * MS)),
        // A worker whose clock was read before.
        (1_050, 1, refused(1_200 * MS, 0, 150 * MS)),
        (1_050, 0, refused(1_100 * MS, 0, 150 * MS)),
        (9_000, 3, admitted(0, 100 * MS)),
        (9_050, 1, refused(9_100 * MS, 0, 50 * MS)),
    ] {
        let decision = decide(full, now * MS, tokens, &rate);
        assert_eq!(decision.outcome, expected, "{now} {tokens}");
        let changes = decision.outcome.is_admitted() && tokens > 0;
        assert_eq!(decision.full != full, changes, "{now} {tokens}");
        full = decision.full;
    }
}

#[test]
fn charges_are_taken_in_any_case() {
    let rate = rate(3, 10, 1_000);
    let mut full = 0;
    for (now, tokens, until_1) in [
        (1_000, 0, 1_000),
        (1_000, 2, 1_000),
        (1_000, 1, 1_100),
        (1_000, 1, 1_200),
        (1_000, 3, 1_400), // one was too many
        (1_000, 1_000, 1_400),
        (1_050, u32::MAX, 1_450),
        // A worker whose clock was read before makes it no better.
        (1_000, 1, 1_450),
        (1_450, 1, 1_550),
        (5_000, u32::MAX, 5_400),
    ] {
        let after = charge(full, now * MS, tokens, &rate);
        assert!(after >= full);
        full = after;
        let expected = (until_1 > now).then(|| refused(until_1 * MS, 0, (until_1 - now) * MS));
        let outcome = decide(full, now * MS, 1, &rate).outcome;
        assert_eq!(Some(outcome).filter(|outcome| !outcome.is_admitted()), expected, "{now} {tokens}");
    }
}

/// After years, when no time can be counted any more: nobody gets in, instead of everybody.
#[test]
fn at_the_end_of_time_all_is_refused() {
    let rate = rate(3, 10, 1_000);
    for now in [u64::MAX / 64, u64::MAX] {
        for tokens in [1, 3, u32::MAX] {
            assert!(!decide(0, now, tokens, &rate).outcome.is_admitted());
        }
        assert_eq!(charge(7, now, 1, &rate), u64::MAX);
    }
}

/// A bucket of tokens that is refilled, reckoned with fractions: what it is all about.
struct Tokens {
    /// In parts of which `fill_interval` nanoseconds' worth make a token.
    parts: u128,
    at: u64,
}

#[test]
fn it_is_a_token_bucket() {
    let mut random = Random::new(1);
    let mut outcomes = [0; 2];
    for (max, per_fill, millis) in
        [(1, 1, 50), (3, 1, 1_000), (20, 10, 1_000), (100, 1_000, 1_000), (7, 3, 70), (1_000, 7, 60_000)]
    {
        let rate = rate(max, per_fill, millis);
        let fill = u128::from(millis) * u128::from(MS);
        let full_parts = u128::from(max) * fill;
        let (mut tokens, mut full) = (Tokens { parts: full_parts, at: 0 }, 0);
        let mut now = 0;
        for _ in 0..3_000 {
            now += random.below(u64::try_from(fill).unwrap() * 3 / u64::from(per_fill));
            let wanted = 1 + u32::try_from(random.below(u64::from(max.min(4)))).unwrap();
            let came = u128::from(now - tokens.at) * u128::from(per_fill);
            tokens = Tokens { parts: (tokens.parts + came).min(full_parts), at: now };
            let decision = decide(full, now, wanted, &rate);
            let rest = tokens.parts.checked_sub(u128::from(wanted) * fill);
            match decision.outcome {
                Outcome::Admitted { remaining, .. } => {
                    tokens.parts = rest.expect("never more than there are");
                    let expected = u32::try_from(tokens.parts / fill).unwrap();
                    // Rounded up, an interval takes a little longer; so there may be one that is not quite there yet.
                    assert!(remaining == expected || remaining + 1 == expected, "{remaining} {expected}");
                    assert!(decision.full >= full);
                }
                Outcome::Refused { until_ns, .. } => {
                    assert!(rest.is_none_or(|rest| rest < fill / 1_000), "refused although there are enough");
                    assert!(decide(full, until_ns, wanted, &rate).outcome.is_admitted());
                    assert!(!decide(full, until_ns - 1, wanted, &rate).outcome.is_admitted());
                }
                Outcome::Denied(_) => panic!(),
            }
            outcomes[usize::from(decision.outcome.is_admitted())] += 1;
            full = decision.full;
        }
    }
    assert!(outcomes.iter().all(|outcome| *outcome > 2_000), "{outcomes:?}");
}
