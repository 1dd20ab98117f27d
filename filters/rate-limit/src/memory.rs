//! What a worker remembers of the keys that were refused, so that one that is refused all the time costs no call.
//!
//! It remembers not until when, but what the bucket was like: as buckets' times never move back, whoever would be refused
//! by the bucket as it was, is refused by the bucket as it is, for any number of tokens. So this is exact.

use crate::rate::Ticks;

/// How many keys are remembered: 4 KiB.
const SLOTS: usize = 256;

/// Keys' buckets, as they were last seen; each has one slot that it can be in.
#[derive(Debug)]
pub struct Memory {
    slots: Box<[(u64, Ticks)]>,
}

impl Memory {
    /// Nothing.
    pub fn new() -> Self {
        Self { slots: vec![(0, 0); SLOTS].into() }
    }

    /// When that key's bucket is full, at the soonest. Of one that is not remembered: any time.
    pub fn recall(&self, fingerprint: u64) -> Ticks {
        self.slots.get(slot(fingerprint)).filter(|slot| slot.0 == fingerprint).map_or(0, |slot| slot.1)
    }

    /// That key was refused by a bucket that is full then.
    pub fn remember(&mut self, fingerprint: u64, full: Ticks) {
        if let Some(slot) = self.slots.get_mut(slot(fingerprint)) {
            *slot = (fingerprint, full);
        }
    }

    /// These buckets are no more.
    pub fn clear(&mut self) {
        self.slots.fill((0, 0));
    }
}

/// Not of the bits that choose a set: a client that fills a set fills no slot.
fn slot(fingerprint: u64) -> usize {
    let [.., last] = fingerprint.to_le_bytes();
    last.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_last_of_a_slot_is_remembered() {
        let mut memory = Memory::new();
        let [a, b, c] = [1 << 56, (1 << 56) + 1, 255 << 56];
        assert_eq!([0, a, b, c].map(|key| memory.recall(key)), [0; 4]);
        memory.remember(a, 5);
        memory.remember(c, 6);
        assert_eq!([0, a, b, c].map(|key| memory.recall(key)), [0, 5, 0, 6]);
        memory.remember(b, 7);
        memory.remember(c, 8);
        assert_eq!([0, a, b, c].map(|key| memory.recall(key)), [0, 0, 7, 8]);
        memory.clear();
        assert_eq!([0, a, b, c].map(|key| memory.recall(key)), [0; 4]);
    }
}
