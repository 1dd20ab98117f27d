use super::*;
use std::cell::RefCell;

use pointsman_host::Random;
use pointsman_host::cells::{Cell, Changed, MOST_TRIES};
use pointsman_host::{FakeHost, Metric};
use pointsman_http::HeaderMap;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KEY: &str = "pointsman/credit";

/// So many requests come, then a fault is wanted.
fn after(credit: &Credit, requests: u64, host: &mut FakeHost) -> Taken {
    credit.requests.set(credit.requests.get() + requests);
    credit.take(host)
}

/// How many faults there are at once.
fn storm(credit: &Credit, host: &mut FakeHost) -> usize {
    (0..).take_while(|_| credit.take(host) == Taken::Yes).count()
}

#[test]
fn a_fault_is_earned_by_requests() {
    let mut host = FakeHost::default();
    let credit = Credit::new(KEY, 100_000);
    assert_eq!(after(&credit, 0, &mut host), Taken::Capped);
    assert_eq!(host.cell(KEY), Cell::default(), "nothing is written for nothing");
    assert_eq!(after(&credit, 9, &mut host), Taken::Capped);
    assert_eq!(after(&credit, 1, &mut host), Taken::Yes);
    assert_eq!(after(&credit, 0, &mut host), Taken::Capped);
    assert_eq!(after(&credit, 25, &mut host), Taken::Yes);
    assert_eq!(after(&credit, 0, &mut host), Taken::Yes);
    assert_eq!(after(&credit, 4, &mut host), Taken::Capped);
    assert_eq!(after(&credit, 1, &mut host), Taken::Yes);
}

/// Even where no more than one fault is kept.
#[test]
fn what_is_earned_beyond_a_fault_is_kept() {
    let mut host = FakeHost::default();
    let credit = Credit::new(KEY, 1_000);
    assert_eq!(after(&credit, 990, &mut host), Taken::Capped);
    assert_eq!(after(&credit, 30, &mut host), Taken::Yes);
    assert_eq!(after(&credit, 979, &mut host), Taken::Capped);
    assert_eq!(after(&credit, 1, &mut host), Taken::Yes);
}

#[test]
fn workers_share_what_they_earn() {
    let mut host = FakeHost::default();
    let workers = [Credit::new(KEY, 100_000), Credit::new(KEY, 100_000)];
    assert_eq!(after(&workers[0], 6, &mut host), Taken::Capped);
    assert_eq!(after(&workers[1], 6, &mut host.clone()), Taken::Yes);
    assert_eq!(after(&workers[0], 7, &mut host), Taken::Capped);
    assert_eq!(after(&workers[0], 1, &mut host), Taken::Yes);
    let other = Credit::new("pointsman/other", 100_000);
    assert_eq!(after(&other, 9, &mut host), Taken::Capped);
}

#[test]
fn a_quiet_time_is_no_licence_for_a_storm() {
    for (parts_per_million, expected) in [
        (0, 0),
        (1, 1),
        (500, 1),
        (1_000, 1),
        (1_500, 1),
        (10_000, 10),
        (500_000, 500),
        (1_000_000, 1_000),
        (u32::MAX, 1_000),
    ] {
        let credit = Credit::new(KEY, parts_per_million);
        for requests in [100_000_000, u64::MAX] {
            credit.requests.set(requests);
            assert_eq!(storm(&credit, &mut FakeHost::default()), expected, "{parts_per_million}");
        }
        // Nor does a cell hold more, whatever is in it.
        let mut host = FakeHost::default();
        host.set_cell(KEY, &u64::MAX.to_le_bytes(), 0).unwrap();
        assert_eq!(storm(&credit, &mut host), expected, "{parts_per_million}");
    }
}

#[test]
fn what_is_no_credit_is_none() {
    for value in [&[][..], &[255], &[255; 7], &[255; 9], &[255; 16]] {
        let mut host = FakeHost::default();
        host.set_cell(KEY, value, 0).unwrap();
        let credit = Credit::new(KEY, 100_000);
        assert_eq!(after(&credit, 9, &mut host), Taken::Capped, "{value:?}");
        assert_eq!(after(&credit, 1, &mut host), Taken::Yes, "{value:?}");
    }
}

/// A proxy where something happens between a read of a cell and its change: another worker is faster.
struct Raced<'a> {
    host: FakeHost,
    happens: RefCell<Box<dyn FnMut() + 'a>>,
}

impl<'a> Raced<'a> {
    fn new(host: &FakeHost, happens: impl FnMut() + 'a) -> Self {
        Self { host: host.clone(), happens: RefCell::new(Box::new(happens)) }
    }
}

impl Host for Raced<'_> {
    fn monotonic(&self) -> u64 {
        self.host.monotonic()
    }

    fn wall(&self) -> u64 {
        self.host.wall()
    }

    fn vm(&self) -> u64 {
        self.host.vm()
    }

    fn random(&mut self) -> u64 {
        self.host.random()
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.host.property(path)
    }

    fn response_headers(&mut self) -> Option<HeaderMap> {
        self.host.response_headers()
    }

    fn add(&mut self, metric: &Metric, amount: i64) {
        self.host.add(metric, amount);
    }

    fn cell(&self, key: &str) -> Cell {
        let cell = self.host.cell(key);
        self.happens.borrow_mut()();
        cell
    }

    fn set_cell(&mut self, key: &str, value: &[u8], version: u32) -> Result<Option<u32>, Changed> {
        self.host.set_cell(key, value, version)
    }
}

#[test]
fn whoever_is_always_too_late_gets_no_fault_and_loses_nothing() {
    let host = FakeHost::default();
    let credit = Credit::new(KEY, 100_000);
    credit.requests.set(10);
    let mut tries = 0;
    let others = host.clone();
    let mut raced = Raced::new(&host, || {
        tries += 1;
        let cell = others.cell(KEY);
        others.clone().set_cell(KEY, &0u64.to_le_bytes(), cell.version).unwrap();
    });
    assert_eq!(credit.take(&mut raced), Taken::Contended);
    drop(raced);
    assert_eq!(tries, MOST_TRIES);
    assert_eq!(credit.take(&mut host.clone()), Taken::Yes);
    assert_eq!(credit.take(&mut host.clone()), Taken::Capped);
}

/// All workers of a proxy, and what is to hold of them at every moment.
struct Proxy {
    host: FakeHost,
    workers: Vec<Credit>,
    parts_per_million: u64,
    requests: cell::Cell<u64>,
    faults: cell::Cell<u64>,
}

impl Proxy {
    fn new(workers: usize, parts_per_million: u32) -> Self {
        Self {
            host: FakeHost::default(),
            workers: (0..workers).map(|_| Credit::new(KEY, parts_per_million)).collect(),
            parts_per_million: parts_per_million.into(),
            requests: cell::Cell::default(),
            faults: cell::Cell::default(),
        }
    }

    /// A request at a worker that may want a fault. `races` are requests at other workers, each of which wants a fault,
    /// too, and comes between this worker's read of the cell and its change.
    fn request(&self, worker: usize, wants: bool, mut races: Vec<usize>) {
        self.requests.set(self.requests.get() + 1);
        self.workers[worker].count();
        if !wants {
            return;
        }
        let host = FakeHost { vm: worker as u64, ..self.host.clone() };
        let mut raced = Raced::new(&host, || {
            if let Some(other) = races.pop().filter(|other| *other != worker) {
                self.request(other, true, Vec::new());
            }
        });
        if self.workers[worker].take(&mut raced) == Taken::Yes {
            self.faults.set(self.faults.get() + 1);
        }
        assert!(self.faults.get() * FAULT <= self.requests.get() * self.parts_per_million);
    }

    /// So many requests, of which so many of a hundred want a fault, and so many of a hundred of those are raced.
    fn run(&self, random: &mut Random, requests: u64, wishes: u64, races: u64) {
        let workers = self.workers.len() as u64;
        let any = |random: &mut Random| usize::try_from(random.below(workers)).unwrap();
        while self.requests.get() < requests {
            let races = if random.below(100) < races { random.below(6) } else { 0 };
            let races = (0..races).map(|_| any(random)).collect();
            let wants = random.below(100) < wishes;
            self.request(any(random), wants, races);
        }
    }
}

#[test]
fn never_is_the_share_exceeded_and_nearly_all_of_it_is_used() {
    for workers in [1, 2, 8] {
        for (parts_per_million, wishes) in
            [(1_000, 10), (10_000, 5), (50_000, 20), (100_000, 50), (300_000, 100), (900_000, 100), (1_000_000, 100)]
        {
            for races in [0, 50] {
                let requests = (200 * FAULT / u64::from(parts_per_million)).max(20_000);
                let proxy = Proxy::new(workers, parts_per_million);
                proxy.run(&mut Random::new(u64::from(parts_per_million) + races), requests, wishes, races);
                let share = proxy.requests.get() * u64::from(parts_per_million) / FAULT;
                let faults = proxy.faults.get();
                let what =
                    format!("{faults} of {share}; {workers} workers, {parts_per_million}, {wishes} %, {races} %");
                assert!(faults * 100 >= share * 99, "{what}");
            }
        }
    }
}

/// Where few faults are wanted, all of them are had.
#[test]
fn what_is_wanted_below_the_share_is_had() {
    let proxy = Proxy::new(8, 200_000);
    let mut random = Random::new(1);
    proxy.run(&mut random, 10_000, 0, 0);
    let before = proxy.requests.get();
    proxy.run(&mut random, before + 100_000, 10, 20);
    let wanted = (proxy.requests.get() - before) / 10;
    assert!(proxy.faults.get() * 100 >= wanted * 97, "{} of {wanted}", proxy.faults.get());
}
