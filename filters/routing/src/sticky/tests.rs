use super::*;
use config::HttpCookie;
use pointsman_host::FakeHost;
use std::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    HeaderMap::parse(HeaderMap::serialize(lines)).unwrap()
}

fn by_header() -> Sticky {
    Sticky::new(&config::Sticky::Header(b"x".as_slice().into()))
}

fn by_cookie(ttl: Option<u64>) -> Sticky {
    let ttl = ttl.map(Duration::from_secs);
    Sticky::new(&config::Sticky::Cookie(HttpCookie { name: "c".into(), path: "/".into(), ttl }))
}

fn shares(weights: &[u64]) -> Vec<(u64, u64)> {
    let label = |index: usize| identity(format!("reviews:9080 subset v{index}").as_bytes());
    weights.iter().enumerate().map(|(index, weight)| (*weight, label(index))).collect()
}

/// The destination, where chance has no say.
fn chosen(sticky: &Sticky, headers: &[(&str, &str)], shares: &[(u64, u64)]) -> usize {
    let with = |random: u64| {
        let mut host = FakeHost { random: [random].into(), ..FakeHost::default() };
        let choice = sticky.choose(&map(headers), &mut host, shares);
        assert_eq!(choice.cookie, None);
        choice.index
    };
    assert_eq!(with(0), with(u64::MAX), "chance decides");
    with(0)
}

#[test]
fn it_is_what_it_was() {
    let shares = shares(&[90, 5, 5]);
    let text: String =
        (0..64).map(|user| chosen(&by_header(), &[("x", &format!("user-{user}"))], &shares).to_string()).collect();
    assert_eq!(text, "0000020010000000000000012002000200000000000000000002000000000000");
}

#[test]
fn what_is_a_key() {
    let shares = shares(&[1; 20]);
    let query = Sticky::new(&config::Sticky::QueryParameter(b"q".as_slice().into()));
    let cookie = by_cookie(None);
    let reference = chosen(&by_header(), &[("x", "key")], &shares);
    for (sticky, headers) in [
        (&query, [(":path", "/?a=b&q=key&q=other"), ("x", "")]),
        (&cookie, [("cookie", "a=b; c=key"), ("x", "")]),
        (&cookie, [("cookie", "a=b"), ("cookie", "c=\"key\"")]),
    ] {
        assert_eq!(chosen(sticky, &headers, &shares), reference, "{headers:?}");
    }
    // All lines of a header count, their order does not.
    let of = |lines: &[(&str, &str)]| chosen(&by_header(), lines, &shares);
    assert_eq!(of(&[("x", "a"), ("x", "b")]), of(&[("x", "b"), ("x", "a")]));
    let keys: Vec<usize> =
        [&[("x", "a"), ("x", "b")][..], &[("x", "a")], &[("x", "a,b")], &[("x", "ab")], &[("x", "")]].map(of).into();
    assert!(keys.iter().any(|index| *index != keys[0]), "{keys:?}");
}

#[test]
fn the_source_is_the_address_without_the_port() {
    let sticky = Sticky::new(&config::Sticky::SourceIp);
    let shares = shares(&[1; 20]);
    let of = |address: &str, random| {
        let mut host = FakeHost { random: [random].into(), ..FakeHost::default() };
        host.properties.insert("source.address".into(), address.as_bytes().into());
        sticky.choose(&HeaderMap::default(), &mut host, &shares).index
    };
    assert_eq!(of("10.0.0.1:1", 0), of("10.0.0.1:2", 1));
    assert_eq!(of("[2001:db8::1]:1", 0), of("[2001:db8::1]:2", 1));
    assert_eq!(of("10.0.0.1:1", 0), chosen(&by_header(), &[("x", "10.0.0.1")], &shares));
    assert_eq!((of("/run/socket", 3), of("/run/socket", 4)), (3, 4));
}

#[test]
fn without_a_key_chance_decides() {
    let shares = shares(&[2, 0, 3]);
    for sticky in [
        by_header(),
        by_cookie(None),
        Sticky::new(&config::Sticky::SourceIp),
        Sticky::new(&config::Sticky::QueryParameter(b"q".as_slice().into())),
    ] {
        let indices: Vec<usize> = (0..10)
            .map(|random| {
                let mut host = FakeHost { random: [random].into(), ..FakeHost::default() };
                let choice = sticky.choose(&HeaderMap::default(), &mut host, &shares);
                assert_eq!(choice.cookie, None);
                choice.index
            })
            .collect();
        assert_eq!(indices, [0, 0, 2, 2, 2, 0, 0, 2, 2, 2]);
    }
}

#[test]
fn a_client_without_a_cookie_gets_one_and_stays() {
    let shares = shares(&[1; 20]);
    let sticky = by_cookie(Some(90));
    for headers in [&[][..], &[("cookie", "c=")], &[("cookie", "other=1")]] {
        let mut host = FakeHost { random: [0xeab_ef68_7662_2919].into(), ..FakeHost::default() };
        let first = sticky.choose(&map(headers), &mut host, &shares);
        let cookie = first.cookie.unwrap();
        assert_eq!(&*cookie, b"c=\"0eabef6876622919\"; Max-Age=90; Path=/; HttpOnly");
        for brought in ["c=\"0eabef6876622919\"", "c=0eabef6876622919"] {
            assert_eq!(chosen(&sticky, &[("cookie", brought)], &shares), first.index);
        }
    }
}

#[test]
fn nothing_to_choose_from() {
    for shares in [shares(&[]), shares(&[0, 0])] {
        for headers in [&[][..], &[("x", "key")]] {
            let choice = by_header().choose(&map(headers), &mut FakeHost::default(), &shares);
            assert_eq!(choice, Choice { index: 0, cookie: None });
        }
    }
}

/// What the module claims. Where numbers are counted, they may be six standard deviations off: once in 10^9 counts.
#[cfg(not(target_arch = "wasm32"))]
#[allow(clippy::arithmetic_side_effects)] // a test that overflows has failed
mod claims {
    use super::*;
    use proptest::prelude::*;

    const KEYS: u64 = 20_000;

    fn keys(salt: u32) -> impl Iterator<Item = u64> {
        (0..KEYS).map(move |user| hash(format!("{salt}/user-{user}").as_bytes()))
    }

    fn off_by_chance(count: u64, share: f64) -> bool {
        let (count, keys) = (count as f64, KEYS as f64);
        let deviation = (keys * share * (1.0 - share)).sqrt();
        (count - keys * share).abs() <= 6.0 * deviation + 1.0
    }

    fn winner(key: u64, shares: &[(u64, u64)]) -> usize {
        rendezvous(key, shares).unwrap()
    }

    fn weights() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![0..=3u64, 0..=100u64, Just(1_000_000)], 2..6)
            .prop_filter("some weight", |weights| weights.iter().any(|weight| *weight > 0))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The shares of keys are the weights', and a weight of 0 gets none.
        #[test]
        fn the_weights_hold(weights in weights(), salt: u32) {
            let shares = shares(&weights);
            let mut counts = vec![0u64; weights.len()];
            keys(salt).for_each(|key| counts[winner(key, &shares)] += 1);
            let total: u64 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert!(off_by_chance(*count, *weight as f64 / total as f64), "{counts:?} {weights:?}");
                prop_assert!(*weight > 0 || *count == 0);
            }
        }

        /// Chance keeps to the weights, too.
        #[test]
        fn the_weights_hold_by_chance(weights in weights(), salt: u32) {
            let shares = shares(&weights);
            let mut counts = vec![0u64; weights.len()];
            keys(salt).for_each(|random| counts[by_chance(random, &shares).unwrap()] += 1);
            let total: u64 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert!(off_by_chance(*count, *weight as f64 / total as f64), "{counts:?} {weights:?}");
            }
        }

        /// Neither the order of the destinations nor their common measure counts.
        #[test]
        fn only_relations_count(weights in weights(), by in 2..1_000u64, turn: usize, salt: u32) {
            let original = shares(&weights);
            let mut turned = original.clone();
            turned.rotate_left(turn % weights.len());
            let scaled: Vec<_> = original.iter().map(|(weight, identity)| (weight * by, *identity)).collect();
            for key in keys(salt).take(2_000) {
                let expected = original[winner(key, &original)].1;
                prop_assert_eq!(turned[winner(key, &turned)].1, expected);
                prop_assert_eq!(scaled[winner(key, &scaled)].1, expected);
            }
        }

        /// When one weight changes (0: the destination comes or goes), keys move from it if it fell, to it if it rose,
        /// and no other key moves. As many move as must.
        #[test]
        fn no_key_moves_that_need_not(weights in weights(), which: usize, weight in 0..=200u64, salt: u32) {
            let which = which % weights.len();
            let mut changed = weights.clone();
            changed[which] = weight;
            prop_assume!(changed.iter().any(|weight| *weight > 0));
            let (before, after) = (shares(&weights), shares(&changed));
            let mut moved = 0;
            for key in keys(salt) {
                let (from, to) = (winner(key, &before), winner(key, &after));
                if from != to {
                    moved += 1;
                    prop_assert_eq!(if weight < weights[which] { from } else { to }, which);
                }
            }
            let share = |weights: &[u64]| weights[which] as f64 / weights.iter().sum::<u64>() as f64;
            let must = (share(&weights) - share(&changed)).abs();
            prop_assert!(off_by_chance(moved, must), "{moved} moved, expected {must}");
        }

        /// A canary's 10 % are no others than its 20 % were: to raise its share step by step moves nobody twice.
        #[test]
        fn a_canary_only_grows(steps in prop::collection::vec(0..=100u64, 2..6), salt: u32) {
            let mut steps = steps;
            steps.sort_unstable();
            for key in keys(salt).take(2_000) {
                let path: Vec<usize> = steps.iter().map(|step| winner(key, &shares(&[100 - step, *step]))).collect();
                prop_assert!(path.is_sorted(), "{path:?}");
            }
        }

        /// Keys that differ little, and two rules over the same destinations with other labels, are independent.
        #[test]
        fn labels_make_a_difference(salt: u32) {
            let one = [(1, identity(b"reviews subset v1")), (1, identity(b"reviews subset v2"))];
            let other = [(1, identity(b"ratings subset v1")), (1, identity(b"ratings subset v2"))];
            let both = keys(salt).filter(|key| winner(*key, &one) == winner(*key, &other)).count() as u64;
            prop_assert!(off_by_chance(both, 0.5), "{both}");
        }
    }
}
