//! A limit of N admits N, however many workers there are, and however they get in each other's way.

use std::cell::{Cell, RefCell};

use super::proxy::Proxy;
use crate::bucket::Outcome;
use crate::cell::SharedBucket;
use crate::rate::tests::rate;
use crate::table::Table;
use pointsman_host::Host;
use pointsman_host::Random;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// One worker's limit.
enum Limit {
    One(SharedBucket),
    Keyed(Table),
}

impl Limit {
    fn take(&self, key: usize, tokens: u32, host: &mut dyn Host) -> Outcome {
        match self {
            Self::One(bucket) => bucket.take(tokens, host),
            Self::Keyed(table) => table.take(&key.to_le_bytes(), tokens, host).outcome,
        }
    }
}

/// Tokens, tokens a fill, milliseconds, and how many requests there are for each token that comes.
const RATES: [(u32, u32, u64, u64); 5] =
    [(1, 10, 1_000, 500), (20, 10, 1_000, 10), (100, 1_000, 1_000, 10), (5, 3, 70, 40), (1_000, 1, 50, 20)];

struct Simulation {
    proxy: Proxy,
    workers: Vec<Limit>,
    rate: (u32, u32, u64),
    begin: u64,
    random: RefCell<Random>,
    /// So many keys are in use.
    admitted: Vec<Cell<u64>>,
    /// Up to so many tokens are wanted at once.
    most: u64,
}

impl Simulation {
    fn new(workers: usize, keys: usize, sets: u32, (max, per_fill, millis): (u32, u32, u64), most: u64) -> Self {
        let limit = |_| match keys {
            1 => Limit::One(SharedBucket::new("a", rate(max, per_fill, millis))),
            _ => Limit::Keyed(Table::new("a", rate(max, per_fill, millis), sets)),
        };
        let proxy = Proxy::new();
        Self {
            workers: (0..workers).map(limit).collect(),
            begin: proxy.now.get(),
            proxy,
            rate: (max, per_fill, millis),
            random: RefCell::new(Random::new(7)),
            admitted: vec![Cell::new(0); keys],
            most,
        }
    }

    fn below(&self, end: u64) -> u64 {
        self.random.borrow_mut().below(end)
    }

    fn any(&self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }

    /// A request at a worker. `races` are requests at other workers that come between this one's read of the cell and
    /// its change, and so much time passes at each: then it is as if the worker were stopped there.
    fn request(&self, worker: usize, key: usize, mut races: u64, stop: u64) {
        let mut host = self.proxy.raced(|| {
            if races > 0 {
                races -= 1;
                self.proxy.pass(self.below(stop + 1));
                let other = self.any(self.workers.len());
                if other != worker {
                    self.request(other, key, 0, 0);
                }
            }
        });
        let tokens = 1 + self.below(self.most);
        if self.workers[worker].take(key, tokens.try_into().unwrap(), &mut host).is_admitted() {
            self.admitted[key].set(self.admitted[key].get() + tokens);
            self.check(key);
        }
    }

    /// What was admitted, and what could have been, in parts of which so many are a token.
    fn parts(&self, key: usize) -> (u128, u128, u128) {
        let (max, per_fill, millis) = self.rate;
        let token = u128::from(millis * 1_000_000);
        let came = u128::from(self.proxy.now.get() - self.begin) * u128::from(per_fill);
        (u128::from(self.admitted[key].get()) * token, u128::from(max) * token + came, token)
    }

    fn check(&self, key: usize) {
        let (admitted, allowed, _) = self.parts(key);
        assert!(admitted <= allowed, "{admitted} of {allowed}");
    }

    /// So many tokens' time, with so many requests for each token and key. So many of a hundred are raced, and at each race
    /// up to so many hundredths of the time for a token pass.
    fn run(&self, tokens: u64, requests: u64, races: u64, stop: u64) {
        let (_, per_fill, millis) = self.rate;
        let keys = self.admitted.len();
        let interval = millis * 1_000_000 / u64::from(per_fill);
        let end = self.begin + tokens * interval;
        let step = interval * 2 / (requests * keys as u64);
        while self.proxy.now.get() < end {
            self.proxy.pass(self.below(step + 1));
            let is_raced = self.below(100) < races;
            let (races, stop) = if is_raced { (self.below(12), interval * stop / 100) } else { (0, 0) };
            self.request(self.any(self.workers.len()), self.any(keys), races, stop);
        }
    }

    /// Whether 99 % of what could have been was admitted.
    fn is_used(&self, key: usize) -> bool {
        let (admitted, allowed, token) = self.parts(key);
        admitted + token >= allowed / 100 * 99
    }
}

#[test]
fn one_bucket() {
    for workers in [1, 2, 8] {
        for (max, per_fill, millis, requests) in RATES {
            for races in [0, 50] {
                let simulation = Simulation::new(workers, 1, 0, (max, per_fill, millis), 1);
                simulation.run(500, requests, races, 1);
                let (admitted, allowed, token) = simulation.parts(0);
                let what = format!("{} of {}; {workers} workers, {max}, {races} %", admitted / token, allowed / token);
                assert!(simulation.is_used(0), "{what}");
            }
        }
    }
}

#[test]
fn keys_that_share_a_set() {
    for workers in [1, 2, 8] {
        for (max, per_fill, millis, requests) in RATES {
            for races in [0, 50] {
                let simulation = Simulation::new(workers, 8, 1, (max, per_fill, millis), 1);
                simulation.run(200, requests, races, 0);
                for key in 0..8 {
                    let (admitted, allowed, token) = simulation.parts(key);
                    let what =
                        format!("{} of {}; {workers} workers, {max}, {races} %", admitted / token, allowed / token);
                    assert!(simulation.is_used(key), "{what}");
                }
            }
        }
    }
}

/// They take each other's buckets all the time: they may have less, but not more.
#[test]
fn more_keys_than_buckets() {
    let mut most = 0;
    for workers in [1, 2, 8] {
        for (max, per_fill, millis, _) in RATES {
            let simulation = Simulation::new(workers, 30, 2, (max, per_fill, millis), 1);
            simulation.run(100, 10, 30, 10);
            most = most.max(simulation.admitted.iter().map(Cell::get).max().unwrap());
        }
    }
    assert!(most > 100);
}

#[test]
fn several_tokens_at_once() {
    for workers in [1, 2, 8] {
        for keys in [1, 8] {
            let simulation = Simulation::new(workers, keys, 4, (20, 10, 1_000), 5);
            simulation.run(500, 10, 50, 0);
            (0..keys).for_each(|key| assert!(simulation.is_used(key)));
        }
    }
}

/// For so long that buckets fill meanwhile.
#[test]
fn workers_that_are_stopped_for_long() {
    let mut most = 0;
    for workers in [2, 8] {
        for keys in [1, 8] {
            for (max, per_fill, millis, requests) in RATES {
                let simulation = Simulation::new(workers, keys, 1, (max, per_fill, millis), 1);
                simulation.run(300, requests, 80, 200);
                most = most.max(simulation.admitted[0].get());
            }
        }
    }
    assert!(most > 200);
}
