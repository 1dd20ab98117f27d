//! Slots: how many of something all workers together may have at once, such as requests that wait.
//!
//! They stand in one cell, an entry a worker's VM. A VM that dies cannot give its slots back, so each one says now and
//! then that it lives ([`beat`](Slots::beat)), and the entry of one that has been silent for long is taken out.

use crate::Host;
use crate::cells::{Contended, update};

/// How often a VM that has slots is to say that it lives.
pub const BEAT_NANOS: u64 = 10_000_000_000;

/// After so much silence a VM counts as dead.
const DEAD_NANOS: u64 = 30_000_000_000;

/// More VMs than this have no slots: nobody has that many workers.
const MOST_VMS: usize = 1024;

/// The slots of one limit.
#[derive(Debug)]
pub struct Slots {
    key: Box<str>,
}

/// What became of a wish for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours, until it is given back.
    Yes,
    /// All are taken.
    Full,
    /// The other workers changed the cell all the time. It counts as full.
    Contended,
}

/// One VM's entry.
#[derive(Clone, Copy)]
struct Entry {
    vm: u64,
    beat: u64,
    taken: u32,
}

const ENTRY: usize = 20;

impl Slots {
    /// The slots in the cell of that key, which must be one of few.
    pub fn new(key: &str) -> Self {
        Self { key: key.into() }
    }

    /// Takes a slot, if fewer than `limit` are taken.
    pub fn acquire(&self, limit: u32, host: &mut dyn Host) -> Acquired {
        let (vm, now) = (host.vm(), host.monotonic());
        let result = update(host, &self.key, |value| {
            let mut entries = living(value, vm, now);
            if taken(&entries) >= u64::from(limit) {
                return (None, Acquired::Full);
            }
            let is_full = entries.len() >= MOST_VMS;
            match entries.iter_mut().find(|entry| entry.vm == vm) {
                Some(own) => *own = Entry { vm, beat: now, taken: own.taken.saturating_add(1) },
                None if is_full => return (None, Acquired::Full),
                None => entries.push(Entry { vm, beat: now, taken: 1 }),
            }
            (Some(write(&entries)), Acquired::Yes)
        });
        result.unwrap_or(Acquired::Contended)
    }

    /// Gives a slot back.
    pub fn release(&self, host: &mut dyn Host) -> Result<(), Contended> {
        self.change_own(host, |own| own.taken = own.taken.saturating_sub(1))
    }

    /// Says that this VM lives, if it has slots.
    pub fn beat(&self, host: &mut dyn Host) -> Result<(), Contended> {
        self.change_own(host, |_| {})
    }

    /// How many are taken.
    pub fn taken(&self, host: &dyn Host) -> u64 {
        taken(&living(&host.cell(&self.key).value, host.vm(), host.monotonic()))
    }

    fn change_own(&self, host: &mut dyn Host, change: impl Fn(&mut Entry)) -> Result<(), Contended> {
        let (vm, now) = (host.vm(), host.monotonic());
        update(host, &self.key, |value| {
            let mut entries = living(value, vm, now);
            let Some(own) = entries.iter_mut().find(|entry| entry.vm == vm) else { return (None, ()) };
            own.beat = now;
            change(own);
            entries.retain(|entry| entry.taken > 0);
            (Some(write(&entries)), ())
        })
    }
}

fn taken(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| u64::from(entry.taken)).sum()
}

/// The entries of those that live; of the VM itself at any rate.
fn living(value: &[u8], vm: u64, now: u64) -> Vec<Entry> {
    let entries = value.chunks_exact(ENTRY).filter_map(|bytes| {
        let (vm, rest) = bytes.split_first_chunk()?;
        let (beat, rest) = rest.split_first_chunk()?;
        let taken = rest.first_chunk()?;
        let (vm, beat) = (u64::from_le_bytes(*vm), u64::from_le_bytes(*beat));
        Some(Entry { vm, beat, taken: u32::from_le_bytes(*taken) })
    });
    entries.filter(|entry| entry.vm == vm || now.saturating_sub(entry.beat) < DEAD_NANOS).collect()
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut value = Vec::with_capacity(entries.len().saturating_mul(ENTRY));
    for entry in entries {
        value.extend(entry.vm.to_le_bytes());
        value.extend(entry.beat.to_le_bytes());
        value.extend(entry.taken.to_le_bytes());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Workers of one proxy.
    fn workers<const N: usize>() -> [FakeHost; N] {
        let first = FakeHost::default();
        let mut vm = 0;
        [(); N].map(|()| {
            vm += 1;
            FakeHost { vm, ..first.clone() }
        })
    }

    #[test]
    fn all_workers_together_have_no_more_than_the_limit() {
        let slots = Slots::new("s");
        let [mut a, mut b] = workers();
        assert_eq!(slots.acquire(3, &mut a), Acquired::Yes);
        assert_eq!(slots.acquire(3, &mut b), Acquired::Yes);
        assert_eq!(slots.acquire(3, &mut b), Acquired::Yes);
        assert_eq!(slots.acquire(3, &mut a), Acquired::Full);
        slots.release(&mut b).unwrap();
        assert_eq!(slots.acquire(3, &mut a), Acquired::Yes);
        assert_eq!(slots.taken(&a), 3);
        for host in [&mut a, &mut b] {
            (0..3).for_each(|_| slots.release(host).unwrap()); // more often than was taken
        }
        assert_eq!(slots.taken(&a), 0);
        assert!(a.cell("s").value.is_empty(), "who has none leaves nothing");
        assert_eq!(slots.acquire(0, &mut a), Acquired::Full);
    }

    #[test]
    fn a_dead_worker_does_not_hold_slots_for_ever() {
        let slots = Slots::new("s");
        let [mut living, mut dead] = workers();
        assert_eq!(slots.acquire(2, &mut living), Acquired::Yes);
        assert_eq!(slots.acquire(2, &mut dead), Acquired::Yes);
        for _ in 0..3 {
            living.now += BEAT_NANOS;
            assert_eq!(slots.taken(&living), if living.now < DEAD_NANOS { 2 } else { 1 });
            slots.beat(&mut living).unwrap();
        }
        assert_eq!(slots.acquire(2, &mut living), Acquired::Yes);
        assert_eq!(slots.acquire(2, &mut living), Acquired::Full);
        // It comes too late to give back what it had.
        dead.now = living.now;
        slots.release(&mut dead).unwrap();
        assert_eq!(slots.taken(&living), 2);
    }
}
