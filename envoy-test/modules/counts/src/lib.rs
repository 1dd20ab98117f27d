//! A filter that counts each request in a metric, in a cell that all workers share, and in slots, and tells the request
//! what it found: it exercises the seam in a real Envoy.

use std::rc::Rc;

use pointsman_filter::{Filter, GrpcCall, Request, Step, Uses, Wake};
use pointsman_host::cells::update;
use pointsman_host::slots::{Acquired, Slots};
use pointsman_host::{Host, Metric};
use pointsman_routes::Policy;
use pointsman_wire::{Cursor, Decode, message};

pointsman_runtime::module!(Counts);

message! {
    /// What is counted.
    pub struct Config = "counts" {
        /// The metrics' label, and the cells' name.
        name: String = "name",
        /// So many requests may be under way.
        slots: u32 = "slots",
    }
}

/// See the module.
pub struct Counts {
    config: Config,
    requests: Metric,
    under_way: Metric,
    slots: Slots,
}

impl Filter for Counts {
    const NAME: &'static str = "counts";
    const SECTIONS: &'static [&'static str] = &["counts"];
    const USES: Uses = Uses { beat: true, ..Uses::NONE };
    type Rule = ();
    /// Whether it has a slot.
    type Stream = bool;

    fn configure(at: Cursor<'_>, _: Policy<()>) -> Option<Self> {
        let config = at.field("counts", Config::decode)?;
        let labels = [("counted", config.name.as_str())];
        Some(Self {
            requests: Metric::counter("test_requests", &labels),
            under_way: Metric::gauge("test_under_way", &labels),
            slots: Slots::new(&format!("{}/slots", config.name)),
            config,
        })
    }

    fn on_request(&self, has_slot: &mut bool, _: Wake, request: &mut Request, host: &mut dyn Host) -> Step {
        host.add(&self.requests, 1);
        let number = update(host, &self.config.name, |value| {
            let next = value.try_into().map_or(0, u64::from_le_bytes).wrapping_add(1);
            (Some(next.to_le_bytes().to_vec()), next)
        });
        let number = number.map_or("contended".to_owned(), |number| number.to_string());
        request.edits.set(Rc::from(&b"x-number"[..]), Rc::from(number.as_bytes()));
        *has_slot = self.slots.acquire(self.config.slots, host) == Acquired::Yes;
        if *has_slot {
            host.add(&self.under_way, 1);
        }
        request.edits.set(Rc::from(&b"x-slot"[..]), Rc::from(if *has_slot { &b"yes"[..] } else { b"no" }));
        Step::Continue
    }

    fn has_more(&self, has_slot: &bool) -> bool {
        *has_slot
    }

    fn needs_beat(&self, has_slot: &bool) -> bool {
        *has_slot
    }

    fn on_beat(&self, host: &mut dyn Host) {
        let _ = self.slots.beat(host);
    }

    fn on_end(&self, has_slot: &mut bool, host: &mut dyn Host) -> Vec<GrpcCall> {
        if std::mem::take(has_slot) {
            host.add(&self.under_way, -1);
            // It cannot be contended in a test of a few requests.
            let _ = self.slots.release(host);
        }
        Vec::new()
    }
}
