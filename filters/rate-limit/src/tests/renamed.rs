//! A configuration that is changed for years: limits come and go, and memory does not grow.

use super::proxy::{Proxy, SECOND};
use crate::bucket::{Denial, Outcome};
use crate::cell::SharedBucket;
use crate::rate::tests::rate;
use crate::table::Table;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SETS: u32 = 4;
const KEYS: u32 = 20;

/// What came of many names.
struct Years {
    admitted: u32,
    no_place: u32,
    cells: usize,
}

/// So many names, one after the other, with that much time between them. Each is a limit of one bucket, and one with keys.
fn rename(names: u32, nanos: u64, burst_millis: u64) -> Years {
    let proxy = Proxy::new();
    let (mut admitted, mut no_place) = (0, 0);
    for number in 0..names {
        proxy.pass(nanos);
        let (name, rate) = (format!("limit {number}"), rate(1, 1, burst_millis));
        for worker in 0..2 {
            let table = Table::new(&name, rate, SETS);
            for key in 0..KEYS {
                let outcome = table.take(&key.to_le_bytes(), 1, &mut proxy.worker()).outcome;
                no_place += u32::from(outcome == Outcome::Denied(Denial::NoPlace));
                admitted += u32::from(outcome.is_admitted());
                assert!(worker == 0 || !outcome.is_admitted(), "what the other worker took is taken");
            }
            let outcome = SharedBucket::new(&name, rate).take(1, &mut proxy.worker());
            assert_eq!(outcome.is_admitted(), worker == 0);
        }
    }
    Years { admitted, no_place, cells: proxy.len() }
}

const TABLE_CELLS: usize = 32 * SETS as usize;
/// Two directories, and the key of fingerprints.
const OTHERS: usize = 3;

#[test]
fn years_of_names() {
    for (names, nanos, burst_millis, most) in [
        // One name's places are free again when the next one comes.
        (10_000, 3_600 * SECOND, 1_000, OTHERS + 1 + SETS as usize),
        // A few are in use at the same time.
        (2_000, 30 * SECOND, 1_000, OTHERS + 4 * (1 + SETS as usize)),
        // Of buckets that take a day to fill, those go that were used last the longest time ago.
        (2_000, 3_600 * SECOND, 86_400_000, OTHERS + 50 + TABLE_CELLS),
    ] {
        let years = rename(names, nanos, burst_millis);
        assert!(years.cells <= most, "{} cells", years.cells);
        assert_eq!(years.no_place, 0);
        // Some keys find their set full.
        assert!(years.admitted * 100 > names * KEYS * 95, "each begins with empty tables");
    }
}

#[test]
fn too_many_names() {
    let years = rename(2_000, SECOND / 10, 1_000);
    assert!(years.no_place > 40_000);
    assert!(years.cells <= OTHERS + TABLE_CELLS + 2048, "{} cells", years.cells);
}
