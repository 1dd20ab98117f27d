//! Eight buckets of a [table](crate::table), which share a cell: the generation of the table's [place](crate::pool), then
//! of each bucket its key's fingerprint and the time at which it is full.

use crate::rate::Ticks;

/// How many buckets are in a set.
pub const BUCKETS: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct Set {
    generation: u64,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    fingerprint: u64,
    full: Ticks,
}

/// The bucket that a key gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// When it is full.
    pub full: Ticks,
    /// Whether it was the key's already.
    pub is_own: bool,
}

impl Set {
    /// Reads a set. What is of an older generation, or of none, says nothing: all buckets are full. `None`: it is of
    /// a younger one.
    pub fn read(value: &[u8], generation: u64) -> Option<Self> {
        let mut set = Self { generation, buckets: [Bucket::default(); BUCKETS] };
        let mut numbers = value.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number));
        let of = numbers.next().unwrap_or_default();
        if of > generation {
            return None;
        }
        if of == generation {
            for bucket in &mut set.buckets {
                if let (Some(fingerprint), Some(full)) = (numbers.next(), numbers.next()) {
                    *bucket = Bucket { fingerprint, full };
                }
            }
        }
        Some(set)
    }

    /// The bucket of that key, or the one that is full the soonest, and where it is.
    pub fn find(&self, fingerprint: u64) -> (usize, Found) {
        let buckets = || self.buckets.iter().enumerate();
        // One that has never been a key's is nobody's, whatever the key's fingerprint.
        let own = buckets().find(|(_, bucket)| bucket.fingerprint == fingerprint && bucket.full > 0);
        let is_own = own.is_some();
        let found = own.or_else(|| buckets().min_by_key(|(_, bucket)| bucket.full));
        found.map_or((0, Found { full: 0, is_own }), |(slot, bucket)| (slot, Found { full: bucket.full, is_own }))
    }

    /// The set with that key's bucket in that place, as it is written.
    pub fn with(&mut self, slot: usize, fingerprint: u64, full: Ticks) -> Vec<u8> {
        if let Some(bucket) = self.buckets.get_mut(slot) {
            *bucket = Bucket { fingerprint, full };
        }
        let mut value = Vec::with_capacity(136);
        value.extend(self.generation.to_le_bytes());
        for bucket in &self.buckets {
            value.extend(bucket.fingerprint.to_le_bytes());
            value.extend(bucket.full.to_le_bytes());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_written_is_read() {
        let mut set = Set::read(&[], 3).unwrap();
        for key in 0..8 {
            let (slot, found) = set.find(key);
            assert_eq!(found, Found { full: 0, is_own: false });
            set.with(slot, key, 100 - key);
        }
        let value = set.with(0, 0, 100);
        assert_eq!(value.len(), 136);
        let set = Set::read(&value, 3).unwrap();
        for key in 0..8 {
            assert_eq!(set.find(key).1, Found { full: 100 - key, is_own: true });
        }
        assert_eq!(set.find(8).1, Found { full: 93, is_own: false });
        assert_eq!(Set::read(&value, 4).unwrap().find(0).1, Found { full: 0, is_own: false });
        assert!(Set::read(&value, 2).is_none());
    }

    #[test]
    fn what_is_no_set_is_an_empty_one() {
        let generation = 1_u64.to_le_bytes();
        let bucket = [[7; 8], [1; 8]].concat();
        for (rest, expected) in [(&[][..], 0), (&bucket[..15], 0), (&bucket, 1), (&[0; 128], 0), (&[0; 200], 0)] {
            let set = Set::read(&[&generation, rest].concat(), 1).unwrap();
            let is_own = set.find(u64::from_le_bytes([7; 8])).1.is_own;
            assert_eq!(is_own, expected == 1);
            assert!(!set.find(0).1.is_own);
        }
        for value in [&[][..], &[1; 7]] {
            assert_eq!(Set::read(value, 1).unwrap().find(0).1.full, 0);
        }
    }
}
