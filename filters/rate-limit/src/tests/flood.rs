//! A client that comes with a new key each time takes no memory, and nobody's bucket.

use super::proxy::{Proxy, SECOND};
use crate::bucket::decide;
use crate::rate::tests::rate;
use crate::table::{SETS, Table};
use pointsman_host::Random;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Of each key: 10 a second, 20 at once.
fn tables(workers: usize, sets: u32) -> Vec<Table> {
    (0..workers).map(|_| Table::new("a", rate(20, 10, 1_000), sets)).collect()
}

/// Cells of the default table × rate.
const CAPACITY: u64 = SETS as u64 * 8 * 10;

/// So many new keys a second, and a key that wants more than its limit all the time: how many of its requests were
/// admitted, and how many its limit is.
fn hot_key(keys: u64, keys_per_second: u64) -> (u64, u64) {
    let (proxy, tables) = (Proxy::new(), tables(8, SETS));
    let mut host = proxy.worker();
    let (begin, mut hot, mut last) = (proxy.now.get(), 0, 0);
    let mut cells = [0; 2];
    for number in 0..keys {
        let elapsed = number * SECOND / keys_per_second;
        proxy.now.set(begin + elapsed);
        let table = |number: u64| &tables[usize::try_from(number % 8).unwrap()];
        table(number).take(format!("client {number}").as_bytes(), 1, &mut host);
        if number % 50 == 0 {
            last = elapsed;
            let is_admitted = table(number / 50).take(b"hot", 1, &mut host).outcome.is_admitted();
            hot += u64::from(is_admitted);
            assert!(hot <= 20 + last / (SECOND / 10));
        }
        cells[usize::from(number > keys / 2)] = proxy.len();
    }
    let sets = usize::try_from(SETS).unwrap();
    assert_eq!(cells, [sets + 2; 2], "the sets, the directory and the key of fingerprints");
    assert!(proxy.bytes() < sets * 170);
    (hot, 20 + last / (SECOND / 10))
}

#[test]
fn a_million_keys() {
    let (hot, limit) = hot_key(1_000_000, CAPACITY * 6 / 10);
    assert_eq!(hot, limit);
    assert!(limit > 100);
}

/// More of them than there is room for: the limit is kept, if not used.
#[test]
fn too_many_keys() {
    let (hot, limit) = hot_key(150_000, CAPACITY * 2);
    println!("hot key: {hot} of {limit}");
    assert!(hot >= 20);
}

#[derive(Debug, Default)]
struct Measured {
    good: u64,
    good_refused: u64,
    new: u64,
    new_refused: u64,
    inherited: u64,
}

/// 2,000 keys that stay within their limit, with half of it each, and so many new keys a second.
fn measure(max_tokens: u32, sets: u32, keys_per_second: u64, seconds: u64) -> Measured {
    let (proxy, rate) = (Proxy::new(), rate(max_tokens, 10, 1_000));
    let tables: Vec<_> = (0..8).map(|_| Table::new("a", rate, sets)).collect();
    let mut host = proxy.worker();
    let mut random = Random::new(3);
    let mut own = vec![0; 2_000]; // buckets that nobody can take
    let mut measured = Measured::default();
    let per_second = keys_per_second + 5 * 2_000;
    for number in 0..per_second * seconds {
        proxy.pass(random.below(2 * SECOND / per_second + 1));
        let table = &tables[usize::try_from(random.below(8)).unwrap()];
        let which = usize::try_from(random.below(per_second)).unwrap();
        let inherited = if let Some(full) = own.get_mut(which / 5) {
            let decision = decide(*full, proxy.now.get(), 1, &rate);
            *full = decision.full;
            let taken = table.take(format!("good {}", which / 5).as_bytes(), 1, &mut host);
            measured.good += 1;
            measured.good_refused += u64::from(decision.outcome.is_admitted() && !taken.outcome.is_admitted());
            taken.inherited
        } else {
            let taken = table.take(&number.to_le_bytes(), 1, &mut host);
            measured.new += 1;
            measured.new_refused += u64::from(!taken.outcome.is_admitted());
            taken.inherited
        };
        measured.inherited += u64::from(inherited);
    }
    measured
}

/// The smaller the bucket, the less there is to share.
#[test]
fn false_refusals() {
    for (max_tokens, percent, seconds) in [(20, 60, 4), (5, 60, 3), (3, 40, 2), (2, 30, 2), (1, 20, 2)] {
        let measured = measure(max_tokens, SETS, CAPACITY * percent / 100, seconds);
        println!("bucket of {max_tokens}, {percent} % of cells × rate: {measured:?}");
        assert!(measured.good > 19_000);
        assert!(measured.good_refused * 1_000 <= measured.good);
        assert!(measured.new_refused * 1_000 <= measured.new);
    }
}

/// With a table of an eighth of that size it is seen that there are too many.
#[test]
fn a_table_that_is_too_small() {
    let measured = measure(20, SETS / 8, CAPACITY * 6 / 10, 1);
    println!("480 % of cells × rate: {measured:?}");
    assert!(measured.good_refused * 10 > measured.good);
    assert!(measured.inherited * 2 > measured.good + measured.new);
}
