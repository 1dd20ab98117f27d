use super::*;
use crate::rate::tests::rate;
use crate::tests::proxy::Proxy;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const POOL: Pool = Pool { directory: "places", places: 3 };
const SECOND: u64 = 1_000_000_000;

fn name(name: &str) -> Identity {
    Identity::new(name, &rate(1, 1, 1_000), 0)
}

#[test]
fn a_limit_is_its_name_and_its_rate_and_its_size() {
    let identities = [
        name("a"),
        name("b"),
        name(""),
        Identity::new("a", &rate(1, 1, 1_001), 0),
        Identity::new("a", &rate(2, 1, 1_000), 0),
        Identity::new("a", &rate(1, 1, 1_000), 1),
        Identity::new("a", &rate(1, 1, 1_000), 256),
    ];
    for (number, one) in identities.iter().enumerate() {
        for (other_number, other) in identities.iter().enumerate() {
            assert_eq!(one == other, number == other_number);
        }
    }
    assert_eq!(name("a"), Identity::new("a", &rate(1, 60, 60_000), 0));
}

#[test]
fn places() {
    let proxy = Proxy::new();
    // Names, how long their buckets last, seconds, and the place and its generation.
    for (who, lasts, at, expected) in [
        ("a", 10, 0, Some((0, 1))),
        ("b", 10, 0, Some((1, 1))),
        ("a", 10, 0, Some((0, 1))),
        ("c", 10, 0, Some((2, 1))),
        ("d", 10, 0, None),
        ("a", 10, 50, Some((0, 1))),
        // 3 beats and what the buckets last.
        ("d", 10, 100, None),
        ("d", 200, 101, Some((1, 2))),
        ("b", 10, 101, Some((2, 2))),
        ("c", 10, 101, None),
        ("c", 10, 151, Some((0, 2))),
        // The place that another one does not use is one's own, as long as nobody else has it.
        ("d", 200, 400, Some((1, 2))),
        ("b", 10, 400, Some((2, 2))),
        ("e", 10, 690, Some((0, 3))),
        ("f", 10, 690, Some((2, 3))),
        ("g", 10, 690, None),
        ("g", 10, 691, Some((1, 3))),
    ] {
        let lease = POOL.claim(name(who), lasts * SECOND, at * SECOND, &mut proxy.worker());
        let place = lease.map(|lease| (lease.place, lease.generation));
        assert_eq!(place, expected.ok_or(Denial::NoPlace), "{who} {at}");
        assert_eq!(proxy.len(), usize::from(proxy.len() > 0));
    }
}

/// What takes a day to fill goes only when it has not been used for long, and nobody else has less to lose.
#[test]
fn the_one_that_was_abandoned_first_goes() {
    let proxy = Proxy::new();
    let day = 86_400 * SECOND;
    let claim = |who, at: u64| {
        let lease = POOL.claim(name(who), day, at, &mut proxy.worker());
        lease.map(|lease| (lease.place, lease.generation))
    };
    assert_eq!(claim("a", 20 * SECOND), Ok((0, 1)));
    assert_eq!(claim("b", 10 * SECOND), Ok((1, 1)));
    assert_eq!(claim("c", 30 * SECOND), Ok((2, 1)));
    assert_eq!(claim("d", 10 * SECOND + ABANDONED), Err(Denial::NoPlace));
    assert_eq!(claim("d", 11 * SECOND + ABANDONED), Ok((1, 2)));
    assert_eq!(claim("e", 11 * SECOND + ABANDONED), Err(Denial::NoPlace));
    assert_eq!(claim("c", 30 * SECOND + ABANDONED), Ok((2, 1)));
    assert_eq!(claim("e", 40 * SECOND + ABANDONED), Ok((0, 2)));
    assert_eq!(claim("a", 41 * SECOND + ABANDONED), Err(Denial::NoPlace));
}

#[test]
fn two_workers_give_a_limit_one_place() {
    let proxy = Proxy::new();
    let claim = |who, host: &mut dyn Host| POOL.claim(name(who), SECOND, SECOND, host).unwrap().place;
    for (mine, of_other, expected) in [("a", "a", (0, 0)), ("b", "c", (2, 1))] {
        let mut other = None;
        let place = claim(
            mine,
            &mut proxy.raced(|| {
                other = other.or_else(|| Some(claim(of_other, &mut proxy.worker())));
            }),
        );
        assert_eq!((place, other.unwrap()), expected);
    }
}

#[test]
fn what_is_no_entry_is_none() {
    let proxy = Proxy::new();
    proxy.put("places", &[7; 39]);
    assert_eq!(POOL.claim(name("a"), 0, 5, &mut proxy.worker()), Ok(Lease { place: 0, generation: 1, beat: 5 }));
    assert_eq!(proxy.value("places").len(), 40);
}
