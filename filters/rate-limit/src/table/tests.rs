use super::*;
use crate::pool::{ABANDONED, BEAT};
use crate::rate::tests::rate;
use crate::tests::proxy::{MS, Proxy, SECOND};
use pointsman_host::cells::MOST_TRIES;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// 2 at once, 10 a second.
fn table(name: &str, sets: u32) -> Table {
    Table::new(name, rate(2, 10, 1_000), sets)
}

/// How many single tokens there are at once.
fn count(table: &Table, key: &str, proxy: &Proxy) -> usize {
    let is_admitted = |_: &usize| table.take(key.as_bytes(), 1, &mut proxy.worker()).outcome.is_admitted();
    (0..1_000).take_while(is_admitted).count()
}

#[test]
fn each_key_has_a_bucket_which_all_workers_share() {
    let proxy = Proxy::new();
    let workers = [(); 2].map(|()| table("a", 4));
    assert_eq!(count(&workers[0], "x", &proxy), 2);
    assert_eq!(count(&workers[1], "x", &proxy), 0);
    assert!(workers[1].take(b"y", 1, &mut proxy.worker()).outcome.is_admitted());
    assert_eq!(count(&workers[0], "y", &proxy), 1);
    assert_eq!(count(&workers[0], "", &proxy), 2);
    proxy.pass(100 * MS);
    assert_eq!(count(&workers[1], "x", &proxy), 1);
    assert_eq!(workers[1].charge(b"y", 1, &mut proxy.worker()), Ok(false));
    assert_eq!(count(&workers[0], "y", &proxy), 0);
    assert_eq!(count(&table("b", 4), "x", &proxy), 2);
    assert_eq!(count(&table("a", 5), "x", &proxy), 2);
    assert_eq!(count(&table("a", 4), "x", &proxy), 0);
}

#[test]
fn when_a_set_is_full_the_smallest_time_is_inherited() {
    let proxy = Proxy::new();
    let table = table("a", 1);
    for key in 0..8_u8 {
        let taken = table.take(&[key], 1, &mut proxy.worker());
        assert!(taken.outcome.is_admitted() && !taken.inherited);
        proxy.pass(MS);
    }
    // Of the first one.
    let taken = table.take(b"new", 1, &mut proxy.worker());
    assert_eq!(taken, Taken { outcome: Outcome::Admitted { remaining: 0, reset_ns: 92 * MS }, inherited: true });
    assert!(!table.take(b"new", 1, &mut proxy.worker()).inherited);
    assert_eq!(count(&table, "new", &proxy), 0);
    // The first one gets that of the second one.
    let taken = table.take(&[0], 2, &mut proxy.worker());
    let until_ns = proxy.now.get() + 93 * MS;
    assert_eq!(
        taken,
        Taken { outcome: Outcome::Refused { until_ns, remaining: 1, reset_ns: 93 * MS }, inherited: true }
    );
    // When they are full, they are nobody's.
    proxy.pass(192 * MS);
    for key in 10..18_u8 {
        let taken = table.take(&[key], 2, &mut proxy.worker());
        assert!(taken.outcome.is_admitted() && !taken.inherited, "{key}");
    }
    let taken = table.take(&[18], 1, &mut proxy.worker());
    assert!(!taken.outcome.is_admitted() && taken.inherited);
    assert_eq!(table.charge(&[19], 1, &mut proxy.worker()), Ok(true));
}

#[test]
fn calls() {
    let proxy = Proxy::new();
    let workers = [(); 2].map(|()| table("a", 4));
    assert_eq!(proxy.take_calls(), (0, 0));
    for (worker, key, reads, changes) in [
        (0, "x", 3, 3), // the key of fingerprints, the place, the set
        (0, "x", 0, 1), // nobody has changed it
        (0, "x", 1, 0),
        (0, "x", 0, 0), // remembered
        (1, "x", 3, 0),
        (1, "x", 0, 0),
        (0, "y", 1, 1),
    ] {
        workers[worker].take(key.as_bytes(), 1, &mut proxy.worker());
        assert_eq!(proxy.take_calls(), (reads, changes), "{worker} {key}");
    }
    proxy.pass(15 * SECOND);
    workers[0].take(b"x", 1, &mut proxy.worker());
    assert_eq!(proxy.take_calls(), (0, 1));
    proxy.pass(15 * SECOND);
    workers[0].take(b"x", 1, &mut proxy.worker());
    assert_eq!(proxy.take_calls(), (1, 2), "it is said to be in use");
}

#[test]
fn who_is_always_too_late_is_denied() {
    let proxy = Proxy::new();
    let table = table("a", 1);
    count(&table, "x", &proxy);
    proxy.take_calls();
    let mut raced = proxy.raced(|| proxy.cells.borrow_mut().get_mut("rate-limit/table/0/0").unwrap().version += 1);
    let taken = table.take(b"y", 1, &mut raced);
    assert_eq!(taken, Taken { outcome: Outcome::Denied(Denial::Contended), inherited: false });
    assert_eq!(proxy.take_calls(), (MOST_TRIES, MOST_TRIES));
    assert_eq!(table.charge(b"y", 1, &mut raced), Err(Denial::Contended));
    drop(raced);
    assert_eq!(count(&table, "y", &proxy), 2);
}

/// Takes all places of tables.
fn fill(proxy: &Proxy) -> Vec<Table> {
    let tables: Vec<Table> = (0..32).map(|number| table(&format!("limit {number}"), 1)).collect();
    tables.iter().for_each(|table| assert_eq!(count(table, "x", proxy), 2));
    tables
}

#[test]
fn a_table_that_is_taken_over_begins_empty() {
    let proxy = Proxy::new();
    let tables = fill(&proxy);
    let late = table("late", 1);
    let no_place = Taken { outcome: Outcome::Denied(Denial::NoPlace), inherited: false };
    assert_eq!(late.take(b"x", 1, &mut proxy.worker()), no_place);
    assert_eq!(late.charge(b"x", 1, &mut proxy.worker()), Err(Denial::NoPlace));
    proxy.take_calls();
    assert_eq!(late.take(b"x", 1, &mut proxy.worker()), no_place);
    assert_eq!(proxy.take_calls(), (0, 0), "it does not ask all the time");
    proxy.pass(3 * BEAT + SECOND);
    // Those that are used stay, and so does what their buckets are like.
    for number in (0..32).filter(|number| *number != 5) {
        assert_eq!(count(&tables[number], "x", &proxy), 2);
    }
    assert_eq!(count(&late, "x", &proxy), 2);
    assert_eq!(count(&late, "y", &proxy), 2);
    // The one that had it finds out before it does any harm, and has no place.
    assert_eq!(tables[5].take(b"x", 1, &mut proxy.worker()), no_place);
    assert_eq!(count(&late, "x", &proxy), 0);
    assert_eq!(count(&tables[4], "x", &proxy), 0);
    proxy.pass(SECOND);
    assert_eq!(count(&late, "x", &proxy), 2);
}

/// Of buckets that take a day to fill.
#[test]
fn a_table_that_was_abandoned_is_forgotten() {
    let proxy = Proxy::new();
    let slow = |name: &str| Table::new(name, rate(2, 1, 43_200_000), 1);
    let old = slow("old");
    assert_eq!(count(&old, "x", &proxy), 2);
    proxy.pass(SECOND);
    let tables: Vec<_> = (0..31).map(|number| slow(&number.to_string())).collect();
    tables.iter().for_each(|table| assert_eq!(count(table, "y", &proxy), 2));
    proxy.pass(ABANDONED);
    let new = slow("new");
    assert_eq!(count(&new, "x", &proxy), 2);
    tables.iter().for_each(|table| assert_eq!(count(table, "y", &proxy), 0));
    // It gets that of another one in the end.
    assert_eq!(count(&old, "x", &proxy), 0);
    proxy.pass(ABANDONED + SECOND);
    assert_eq!(count(&old, "x", &proxy), 2);
}

/// It was stopped after it had made sure of its place, and for very long.
#[test]
fn a_worker_that_comes_too_late_does_no_harm() {
    let proxy = Proxy::new();
    let (old, new) = (table("old", 1), table("new", 1));
    assert_eq!(count(&old, "x", &proxy), 2);
    proxy.pass(BEAT - SECOND);
    let mut is_stopped = true;
    let mut raced = proxy.raced(|| {
        if std::mem::take(&mut is_stopped) {
            proxy.pass(ABANDONED);
            assert!(new.take(b"x", 1, &mut proxy.worker()).outcome.is_admitted());
        }
    });
    assert!(old.take(b"x", 1, &mut raced).outcome.is_admitted());
    drop(raced);
    assert_eq!(count(&new, "x", &proxy), 1);
    assert_eq!(proxy.len(), 4, "it has got another place");
    assert_eq!(proxy.value("rate-limit/tables").len(), 80);
}

#[test]
fn the_number_of_sets_is_bounded() {
    for (sets, expected) in [(0, 1), (1, 1), (MOST_SETS, MOST_SETS), (u32::MAX, MOST_SETS)] {
        assert_eq!(table("a", sets).sets, expected);
    }
}
