//! Many workers of one proxy: caps are exact, whoever asks when, and nothing is lost.

use super::*;
use pointsman_host::Random;
use pointsman_host::slots::{BEAT_NANOS, Slots};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The workers of a proxy. They share cells and metrics, and the clock is one.
struct Proxy {
    workers: Vec<Worker>,
    random: Random,
    now: u64,
    requests: u64,
}

struct Worker {
    fixture: Fixture,
    live: Vec<Live>,
}

impl Proxy {
    fn new(workers: usize, configuration: &Value, seed: u64) -> Self {
        let host = FakeHost::default();
        let worker = |vm| {
            let host = FakeHost { vm, ..host.clone() };
            Worker { fixture: Fixture { host, ..Fixture::new(configuration) }, live: Vec::new() }
        };
        let workers = (0..workers as u64).map(worker).collect();
        Self { workers, random: Random::new(seed), now: 0, requests: 0 }
    }

    fn any(&mut self) -> usize {
        usize::try_from(self.random.below(self.workers.len() as u64)).unwrap()
    }

    /// A request comes to that worker, with random numbers of its own.
    fn begin(&mut self, worker: usize) {
        self.requests += 1;
        let numbers = [(); 3].map(|()| self.random.next());
        let worker = &mut self.workers[worker];
        (worker.fixture.host.now, worker.fixture.host.random) = (self.now, numbers.into());
        let live = worker.fixture.begin("h/");
        worker.live.push(live);
    }

    /// Some request of that worker comes to its end, if it has any: after its delay and its response, or before.
    fn end(&mut self, worker: usize) {
        let [which, how, number] = [(); 3].map(|()| self.random.next());
        let worker = &mut self.workers[worker];
        if worker.live.is_empty() {
            return;
        }
        worker.fixture.host.now = self.now;
        worker.fixture.host.random = [number, number / 3].into();
        let mut live = worker.live.swap_remove(usize::try_from(which % worker.live.len() as u64).unwrap());
        if live.delay.is_some() && how % 3 > 0 {
            worker.fixture.wait(&mut live);
        }
        if how % 3 > 1 {
            worker.fixture.respond(&mut live);
        }
        worker.fixture.end(live);
    }

    /// Requests that have a fault now.
    fn active(&self) -> u64 {
        let active = |worker: &Worker| worker.live.iter().filter(|live| live.stream.active.is_some()).count() as u64;
        self.workers.iter().map(active).sum()
    }

    fn metric(&self, labels: &str, name: &str) -> i64 {
        let name = format!("rule=.=a;.;{labels}pointsman_fault_{name}");
        self.workers[0].fixture.host.metrics.borrow().get(&name).copied().unwrap_or_default()
    }

    fn injected(&self) -> u64 {
        let kinds = ["delays_injected", "aborts_injected", "response_rl_injected"];
        kinds.map(|kind| self.metric("", kind)).iter().sum::<i64>().try_into().unwrap()
    }

    fn cells(&self) -> usize {
        let host = &self.workers[0].fixture.host;
        host.cells.borrow().iter().map(|(key, cell)| key.len() + cell.value.len()).sum()
    }
}

fn configuration(fault: &Value, section: Value) -> Value {
    faults(json!([{"name": "a", "fault": fault}]), section)
}

#[test]
fn never_more_than_max_active() {
    for workers in [1, 2, 8] {
        for (most, seed) in [(1, 1), (3, 2), (10, 3), (64, 4)] {
            let fault = with(with(delay(60), &abort(503, 30)), &slow(40));
            let mut proxy = Proxy::new(workers, &configuration(&fault, json!({"maxActive": most})), seed);
            let (mut reached, mut largest) = (0, 0);
            for step in 0..4_000u64 {
                let worker = proxy.any();
                // At times more come than go, and at times the other way round.
                match proxy.random.below(10) < if step / 500 % 2 == 0 { 7 } else { 3 } {
                    true => proxy.begin(worker),
                    false => proxy.end(worker),
                }
                let active = proxy.active();
                assert!(active <= most, "{active} of {most}, {workers} workers");
                assert_eq!(proxy.metric("", "active_faults"), i64::try_from(active).unwrap());
                assert_eq!(Slots::new("fault/active/").taken(&proxy.workers[0].fixture.host), active);
                reached += u32::from(active == most);
                largest = largest.max(proxy.cells());
            }
            assert!(reached > 500, "{reached}: {most}, {workers} workers");
            assert!(proxy.metric("cap=.=maxActive;.;", "faults_overflow") > 100);
            assert!(largest <= "fault/active/".len() + 20 * workers, "{largest}");
            while proxy.workers.iter().any(|worker| !worker.live.is_empty()) {
                (0..workers).for_each(|worker| proxy.end(worker));
            }
            assert_eq!(proxy.metric("", "active_faults"), 0);
            assert_eq!(Slots::new("fault/active/").taken(&proxy.workers[0].fixture.host), 0);
        }
    }
}

/// Each draw that hits is a fault, or is counted as one that a cap did not let be.
#[test]
fn metrics_add_up() {
    for workers in [1, 2, 8] {
        for section in [
            json!({"maxActive": 3}),
            json!({"maxPercentage": {"value": 20}}),
            json!({"maxActive": 2, "maxPercentage": {"value": 10}}),
            json!({}),
        ] {
            // Of one kind, so that a request draws once: 40 of a hundred hit.
            for (fault, limit) in [(delay(40), 400_000), (abort(503, 40), 400_000), (slow(40), 400_000)] {
                let mut proxy = Proxy::new(workers, &configuration(&fault, section.clone()), 5);
                let mut hits = 0;
                for _ in 0..1_000 {
                    let worker = proxy.any();
                    // The number that the request will draw.
                    let next = proxy.random.peek();
                    hits += u64::from(next % 1_000_000 < limit);
                    proxy.begin(worker);
                    let worker = proxy.any();
                    if proxy.random.below(3) > 0 {
                        proxy.end(worker);
                    }
                }
                let caps = ["maxActive", "maxPercentage", "contended"];
                let overflows = caps.map(|cap| proxy.metric(&format!("cap=.={cap};.;"), "faults_overflow"));
                let capped: u64 = overflows.iter().sum::<i64>().try_into().unwrap();
                assert_eq!(proxy.injected() + capped, hits, "{overflows:?}, {workers} workers, {section}");
                assert_eq!(capped == 0, section == json!({}), "{section}");
                assert_eq!(overflows[2], 0);
            }
        }
    }
}

/// At no moment more than the share; and nearly all of it, where more is wanted.
#[test]
fn never_more_than_max_percentage() {
    for workers in [1, 2, 8] {
        for (share, wanted, seed) in [(1, 10, 1), (5, 20, 2), (10, 100, 3), (30, 50, 4), (100, 100, 5)] {
            let section = json!({"maxPercentage": {"value": share}});
            let mut proxy = Proxy::new(workers, &configuration(&delay(wanted), section), seed);
            for _ in 0..20_000 {
                let worker = proxy.any();
                proxy.begin(worker);
                assert!(proxy.injected() * 100 <= proxy.requests * share, "{} {share}", proxy.injected());
                let worker = proxy.any();
                proxy.end(worker);
            }
            let used = proxy.injected() * 10_000;
            assert!(used >= proxy.requests * share * 99, "{used} of {share} %, {workers} workers");
        }
    }
}

/// A cell is as large after a hundred thousand requests as after a few.
#[test]
fn cells_do_not_grow() {
    let section = json!({"maxActive": 100, "maxPercentage": {"value": 20}});
    let mut proxy = Proxy::new(8, &configuration(&with(delay(30), &abort(503, 30)), section), 7);
    let mut after = Vec::new();
    for _ in 0..100 {
        let mut largest = 0;
        for _ in 0..1_000 {
            let worker = proxy.any();
            proxy.begin(worker);
            let worker = proxy.any();
            proxy.end(worker);
            largest = largest.max(proxy.cells());
        }
        after.push(largest);
    }
    assert_eq!(proxy.workers[0].fixture.host.cells.borrow().len(), 2);
    let most = "fault/active/".len() + "fault/credit/200000/".len() + 8 * 20 + 8;
    assert!(after.iter().all(|size| *size <= most), "{after:?}");
    let names = proxy.workers[0].fixture.host.metrics.borrow().len();
    assert!(names <= 5, "{names} metrics");
}

/// A worker that dies gives nothing back; after 30 s of silence its slots are free. One that lives says so.
#[test]
fn a_dead_worker() {
    let mut proxy = Proxy::new(3, &configuration(&delay(100), json!({"maxActive": 3})), 1);
    (0..3).for_each(|worker| proxy.begin(worker));
    assert_eq!(proxy.active(), 3);
    let beat = |proxy: &mut Proxy, worker: usize| {
        let Worker { fixture, live } = &mut proxy.workers[worker];
        assert!(live.iter().any(|live| fixture.filter.needs_beat(&live.stream)));
        fixture.host.now = proxy.now;
        fixture.filter.on_beat(&mut fixture.host);
    };
    // The third is silent.
    for _ in 0..2 {
        proxy.now += BEAT_NANOS;
        (0..2).for_each(|worker| beat(&mut proxy, worker));
    }
    proxy.now = 3 * BEAT_NANOS - 1;
    proxy.begin(0);
    assert_eq!(proxy.active(), 3, "it is not dead yet");
    proxy.now = 3 * BEAT_NANOS;
    proxy.begin(0);
    proxy.begin(1);
    // Its own request counts for nobody any more; one slot was free.
    assert_eq!(proxy.active(), 4);
    assert_eq!(proxy.metric("cap=.=maxActive;.;", "faults_overflow"), 2);
    // When it is not dead after all, what it gives back is not somebody else's.
    proxy.end(2);
    assert_eq!(Slots::new("fault/active/").taken(&proxy.workers[0].fixture.host), 3);
}

/// Beats are for `maxActive` alone.
#[test]
fn who_needs_beats() {
    for (section, expected) in
        [(json!({}), false), (json!({"maxPercentage": {"value": 100}}), false), (json!({"maxActive": 1}), true)]
    {
        let mut fixture = Fixture::new(&configuration(&delay(100), section));
        let live = fixture.begin("h/");
        assert_eq!(fixture.filter.needs_beat(&live.stream), expected);
        fixture.filter.on_beat(&mut fixture.host);
        fixture.end(live);
    }
}

/// Plugins in one VM have caps of their own, and a new configuration has those of the old one.
#[test]
fn whose_caps() {
    let configuration = configuration(&delay(100), json!({"maxActive": 1, "maxPercentage": {"value": 50}}));
    let at = |plugin: &str, host: &FakeHost| {
        let node = Node { plugin: plugin.into(), ..Node::default() };
        Fixture { host: host.clone(), ..Fixture::at(&configuration, &node) }
    };
    let host = FakeHost::default();
    let mut first = at("one", &host);
    assert_eq!(first.ask("h/"), "passes");
    let live = first.begin("h/");
    assert!(live.delay.is_some());
    let mut updated = at("one", &host);
    assert_eq!(updated.ask("h/"), "passes");
    // Now the share would let it be, and keeps what is not spent.
    assert_eq!(updated.ask("h/"), "passes");
    let capped = "a maxActive faults_overflow 1, a maxPercentage faults_overflow 2";
    assert_eq!(updated.metrics(), format!("a active_faults 1, a delays_injected 1, {capped}"));
    let mut other = at("two", &host);
    assert_eq!(other.ask("h/"), "passes");
    assert_eq!(other.ask("h/"), "delay 5ms");
    // The old one's end frees the new one's slot.
    first.end(live);
    assert_eq!(updated.ask("h/"), "delay 5ms");
    assert_eq!(updated.ask("h/"), "delay 5ms");
    assert_eq!(updated.ask("h/"), "passes");
}
