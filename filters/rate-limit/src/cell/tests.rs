use super::*;
use crate::bucket::NEVER;
use crate::pool::{ABANDONED, BEAT};
use crate::rate::tests::rate;
use crate::tests::proxy::{MS, Proxy, SECOND};
use pointsman_host::cells::MOST_TRIES;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CELL: &str = "rate-limit/bucket/0";

/// How many single tokens there are at once.
fn count(bucket: &SharedBucket, proxy: &Proxy) -> usize {
    (0..1_000).take_while(|_| bucket.take(1, &mut proxy.worker()).is_admitted()).count()
}

#[test]
fn all_workers_share_it() {
    let proxy = Proxy::new();
    let workers = [(); 2].map(|()| SharedBucket::new("a", rate(3, 10, 1_000)));
    assert_eq!(workers[0].take(1, &mut proxy.worker()), Outcome::Admitted { remaining: 2, reset_ns: 100 * MS });
    assert_eq!(count(&workers[1], &proxy), 2);
    assert_eq!(count(&workers[0], &proxy), 0);
    proxy.pass(200 * MS);
    assert_eq!(count(&workers[0], &proxy), 2);
    assert_eq!(count(&workers[1], &proxy), 0);
    let until_ns = proxy.now.get() + 100 * MS;
    assert_eq!(
        workers[1].take(1, &mut proxy.worker()),
        Outcome::Refused { until_ns, remaining: 0, reset_ns: 100 * MS }
    );
    assert_eq!(
        workers[1].take(4, &mut proxy.worker()),
        Outcome::Refused { until_ns: NEVER, remaining: 0, reset_ns: 100 * MS }
    );
}

#[test]
fn calls() {
    let proxy = Proxy::new();
    let workers = [(); 2].map(|()| SharedBucket::new("a", rate(2, 10, 1_000)));
    assert_eq!(proxy.take_calls(), (0, 0));
    for (worker, millis, tokens, reads, changes) in [
        (0, 0, 1, 2, 2), // and a place
        (0, 0, 1, 0, 1), // nobody has changed it, so it need not be read
        (0, 0, 1, 0, 0), // it knows by itself
        (0, 99, 1, 0, 0),
        (1, 0, 1, 2, 0), // the place is there, the bucket is empty
        (1, 0, 1, 0, 0),
        (1, 1, 2, 0, 0),
        (1, 0, 1, 1, 1),
        (0, 0, 1, 1, 1), // it knows only what it saw
        (0, 0, 1, 0, 0),
        (0, 14_900, 1, 1, 1),
        (0, 15_000, 1, 2, 2), // half the time is over
        (1, 0, 1, 2, 2), // and for this one all of it, but the other one's word is enough; who has changed the bucket
        (1, 0, 1, 0, 0),
    ] {
        proxy.pass(millis * MS);
        workers[worker].take(tokens, &mut proxy.worker());
        assert_eq!(proxy.take_calls(), (reads, changes), "{worker} {millis} {tokens}");
    }
}

#[test]
fn what_a_worker_remembers_is_never_too_strict() {
    let proxy = Proxy::new();
    let bucket = SharedBucket::new("a", rate(3, 10, 1_000));
    assert!(bucket.take(2, &mut proxy.worker()).is_admitted());
    assert!(!bucket.take(2, &mut proxy.worker()).is_admitted());
    assert!(bucket.take(1, &mut proxy.worker()).is_admitted());
    // A change that is raced is not one, whatever it would have been.
    proxy.pass(SECOND);
    let other = SharedBucket::new("a", rate(3, 10, 1_000));
    let mut races = 1;
    let mut raced = proxy.raced(|| {
        if races > 0 {
            races -= 1;
            assert!(other.take(1, &mut proxy.worker()).is_admitted());
        }
    });
    assert!(bucket.take(2, &mut raced).is_admitted());
    assert!(!bucket.take(1, &mut raced).is_admitted());
}

#[test]
fn charges_count() {
    let proxy = Proxy::new();
    let workers = [(); 2].map(|()| SharedBucket::new("a", rate(3, 10, 1_000)));
    assert_eq!(workers[0].charge(5, &mut proxy.worker()), Ok(()));
    assert_eq!(workers[0].charge(0, &mut proxy.worker()), Ok(()));
    proxy.pass(299 * MS);
    assert_eq!(count(&workers[1], &proxy), 0);
    proxy.pass(MS);
    assert_eq!(count(&workers[1], &proxy), 1);
    assert_eq!(workers[1].charge(u32::MAX, &mut proxy.worker()), Ok(()));
    proxy.pass(399 * MS);
    assert_eq!(count(&workers[0], &proxy), 0);
    proxy.pass(MS);
    assert_eq!(count(&workers[0], &proxy), 1);
}

#[test]
fn who_is_always_too_late_is_denied() {
    let proxy = Proxy::new();
    let bucket = SharedBucket::new("a", rate(3, 10, 1_000));
    assert!(bucket.take(2, &mut proxy.worker()).is_admitted());
    proxy.take_calls();
    let value = proxy.value(CELL);
    let mut raced = proxy.raced(|| proxy.cells.borrow_mut().get_mut(CELL).unwrap().version += 1);
    assert_eq!(bucket.take(1, &mut raced), Outcome::Denied(Denial::Contended));
    assert_eq!(bucket.charge(1, &mut raced), Err(Denial::Contended));
    assert_eq!(proxy.take_calls(), (2 * MOST_TRIES, 2 * MOST_TRIES + 1), "the first without reading");
    assert_eq!(proxy.value(CELL), value);
    drop(raced);
    assert_eq!(count(&bucket, &proxy), 1, "nothing was taken, nor is anything remembered");
}

#[test]
fn a_configuration_that_does_not_change_it_leaves_it_as_it_is() {
    let proxy = Proxy::new();
    let bucket = |name, max, per_fill, millis| SharedBucket::new(name, rate(max, per_fill, millis));
    assert_eq!(count(&bucket("a", 3, 1, 60_000), &proxy), 3);
    for (name, max, per_fill, millis, expected) in [
        ("a", 3, 1, 60_000, 0),
        ("a", 3, 2, 120_000, 0), // the same rate
        ("b", 3, 1, 60_000, 3),
        ("a", 4, 1, 60_000, 4),
        ("a", 3, 1, 60_001, 3),
        ("a", 3, 2, 60_000, 3),
        ("a", 3, 1, 60_000, 0),
    ] {
        assert_eq!(count(&bucket(name, max, per_fill, millis), &proxy), expected, "{name} {max} {per_fill} {millis}");
    }
    proxy.pass(20 * BEAT); // nobody used it
    assert_eq!(count(&bucket("a", 3, 1, 60_000), &proxy), 3);
}

#[test]
fn a_place_that_is_taken_over_begins_full() {
    let proxy = Proxy::new();
    let [old, new] = ["old", "new"].map(|name| SharedBucket::new(name, rate(3, 1, 86_400_000)));
    assert_eq!(count(&old, &proxy), 3);
    proxy.pass(ABANDONED);
    let no_place = Outcome::Denied(Denial::NoPlace);
    for number in 0..2047 {
        let identity = Identity::new(&number.to_string(), &rate(1, 1, 1_000), 0);
        BUCKETS.claim(identity, u64::MAX, proxy.now.get(), &mut proxy.worker()).unwrap();
    }
    assert_eq!(new.take(1, &mut proxy.worker()), no_place);
    proxy.pass(SECOND);
    assert_eq!(count(&new, &proxy), 3);
    assert_eq!(old.take(1, &mut proxy.worker()), no_place);
    assert_eq!(old.charge(1, &mut proxy.worker()), Err(Denial::NoPlace));
    proxy.take_calls();
    assert_eq!(old.take(1, &mut proxy.worker()), no_place);
    assert_eq!(proxy.take_calls(), (0, 0), "it does not ask all the time");
    // It gets that of another one in the end, and has forgotten what it was like.
    proxy.pass(ABANDONED);
    assert_eq!(count(&old, &proxy), 3);
    assert_eq!(count(&old, &proxy), 0);
    assert_eq!(proxy.len(), 3);
}

/// It was stopped after it had made sure of its place, and for very long.
#[test]
fn a_worker_that_comes_too_late_does_no_harm() {
    let proxy = Proxy::new();
    let [old, new] = ["old", "new"].map(|name| SharedBucket::new(name, rate(3, 10, 1_000)));
    assert_eq!(count(&old, &proxy), 3);
    proxy.pass(BEAT - SECOND);
    let mut is_stopped = true;
    let mut raced = proxy.raced(|| {
        if std::mem::take(&mut is_stopped) {
            proxy.pass(ABANDONED);
            assert!(new.take(1, &mut proxy.worker()).is_admitted());
        }
    });
    assert!(old.take(1, &mut raced).is_admitted());
    drop(raced);
    assert_eq!(count(&new, &proxy), 2);
    assert_eq!(proxy.value("rate-limit/buckets").len(), 80, "it has got another place");
}

#[test]
fn what_is_no_time_is_none() {
    for value in [&[][..], &[255; 7], &[0; 8], &[0; 16], &[0; 17]] {
        let proxy = Proxy::new();
        proxy.put(CELL, value);
        assert_eq!(count(&SharedBucket::new("a", rate(3, 1, 1_000)), &proxy), 3, "{value:?}");
    }
    for rest in [&[][..], &[255; 7], &[255; 9]] {
        let proxy = Proxy::new();
        proxy.put(CELL, &[&1_u64.to_le_bytes(), rest].concat());
        assert_eq!(count(&SharedBucket::new("a", rate(3, 1, 1_000)), &proxy), 3, "{rest:?}");
    }
}
