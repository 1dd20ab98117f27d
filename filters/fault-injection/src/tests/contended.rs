//! Workers that get in each other's way for too long: no fault, and nothing kept.

use super::*;
use pointsman_host::cells::{Cell, Changed, MOST_TRIES};
use pointsman_host::slots::Slots;
use pointsman_host::{Host, Metric};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A proxy where for so many tries some other worker changes a cell first: one whose key contains that.
struct Busy<'a> {
    host: &'a mut FakeHost,
    key: &'a str,
    tries: u32,
}

impl Host for Busy<'_> {
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
        self.host.cell(key)
    }

    fn set_cell(&mut self, key: &str, value: &[u8], version: u32) -> Result<Option<u32>, Changed> {
        if !key.contains(self.key) || self.tries == 0 {
            return self.host.set_cell(key, value, version);
        }
        self.tries -= 1;
        Err(Changed)
    }
}

#[test]
fn no_fault() {
    let section = json!({"maxActive": 5, "maxPercentage": {"value": 100}});
    for key in ["active", "credit"] {
        let configuration = faults(json!([{"name": "a", "fault": with(delay(100), &slow(100))}]), section.clone());
        let mut fixture = Fixture::new(&configuration);
        let (mut stream, mut request) = (Stream::default(), Request::new(map(&lines("h/"))));
        let busy = &mut Busy { host: &mut fixture.host, key, tries: MOST_TRIES };
        let step = fixture.filter.on_request(&mut stream, Wake::Arrived, &mut request, busy);
        assert!(matches!(step, Step::Continue), "{step:?}");
        assert!(!fixture.filter.has_more(&stream));
        // Of the delay, and of the throughput, which is not asked for once more.
        assert_eq!(fixture.metrics(), "a contended faults_overflow 2", "{key}");
        assert_eq!(Slots::new("fault/active/").taken(&fixture.host), 0, "{key}");
        // No credit is lost: both requests have earned a fault each.
        assert_eq!(fixture.ask("h/"), "delay 5ms; slow 64 KiB/s");
        let credit = fixture.host.cell("fault/credit/1000000/").value;
        assert_eq!(credit, 1_000_000u64.to_le_bytes(), "{key}");
    }
}

/// A slot that cannot be given back is lost until the worker has none left: fewer faults, not more.
#[test]
fn an_end() {
    let configuration = faults(json!([{"name": "a", "fault": delay(100)}]), json!({"maxActive": 2}));
    let mut fixture = Fixture::new(&configuration);
    let mut live = fixture.begin("h/");
    let busy = &mut Busy { host: &mut fixture.host, key: "active", tries: 2 * MOST_TRIES };
    fixture.filter.on_end(&mut live.stream, busy);
    // Nor can a beat be said; the next one can.
    fixture.filter.on_beat(busy);
    assert_eq!(fixture.metrics(), "a delays_injected 1");
    assert_eq!(Slots::new("fault/active/").taken(&fixture.host), 1);
    let other = fixture.begin("h/");
    assert!(other.delay.is_some());
    assert_eq!(fixture.ask("h/"), "passes");
    fixture.end(other);
    assert_eq!(Slots::new("fault/active/").taken(&fixture.host), 1);
}
