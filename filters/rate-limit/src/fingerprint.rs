//! 64 bits that stand for a key in a [table](crate::table).
//!
//! They must come out the same on all workers, and in all versions of the module, so the hash has a name: SipHash-1-3.
//! And they must not be foreseen: a client that chooses its keys could fill the set of somebody else, or share a bucket
//! with it. So the hash is a keyed one that is made for this, and its key is random, in a cell: the first worker that
//! needs it makes it. (In Wasm it is also smaller than those that are faster at long inputs: 0.6 kB; 3 kB and more for
//! rapidhash, XXH3 and foldhash.)

use pointsman_host::Host;
use pointsman_host::cells::{Contended, update};
use siphasher::sip::SipHasher13;

/// The cell of the key.
const CELL: &str = "rate-limit/key";

/// What fingerprints are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64, u64);

impl Key {
    /// One of this worker alone.
    pub fn own(host: &mut dyn Host) -> Self {
        Self(host.random(), host.random())
    }

    /// That of all workers.
    pub fn shared(host: &mut dyn Host) -> Result<Self, Contended> {
        let own = Self::own(host);
        update(host, CELL, |value| match Self::read(value) {
            Some(key) => (None, key),
            None => (Some([own.0.to_le_bytes(), own.1.to_le_bytes()].concat()), own),
        })
    }

    fn read(value: &[u8]) -> Option<Self> {
        let (first, second) = value.split_first_chunk()?;
        Some(Self(u64::from_le_bytes(*first), u64::from_le_bytes(second.try_into().ok()?)))
    }

    /// The fingerprint of those bytes.
    pub fn fingerprint(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(bytes)
    }
}

/// 128 bits that stand for what an operator wrote: nobody wants those to collide, so their keys are fixed.
pub fn identity(bytes: &[u8]) -> [u8; 16] {
    let [first, second] = [1, 2].map(|half| Key(half, 0).fingerprint(bytes));
    ((u128::from(first) << 64) | u128::from(second)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_host::FakeHost;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Other versions of this module are to find what this one left.
    #[test]
    fn fingerprints_are_for_ever() {
        let key = Key(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        for (bytes, fingerprint) in
            [(&b""[..], 0xabac_0158_050f_c4dc_u64), (&[0, 1, 2, 3, 4, 5, 6], 0xd392_7d98_9bb1_1140)]
        {
            assert_eq!(key.fingerprint(bytes), fingerprint);
        }
    }

    #[test]
    fn identities_have_128_bits() {
        let (first, second) = (identity(b"a"), identity(b"b"));
        assert!(first[..8] != first[8..] && first[..8] != second[..8] && first[8..] != second[8..]);
    }

    #[test]
    fn all_workers_have_the_key_of_the_first() {
        let mut first = FakeHost { random: [1, 2].into(), ..FakeHost::default() };
        let mut second = FakeHost { random: [3, 4].into(), ..first.clone() };
        assert_eq!(Key::shared(&mut first), Ok(Key(1, 2)));
        assert_eq!(Key::shared(&mut second), Ok(Key(1, 2)));
        assert_ne!(Key(1, 2).fingerprint(b"a"), Key(1, 3).fingerprint(b"a"));
        assert_ne!(Key(1, 2).fingerprint(b"a"), Key(1, 2).fingerprint(b"b"));
    }

    #[test]
    fn what_is_no_key_is_none() {
        for value in [&[][..], &[1; 15], &[1; 17]] {
            let mut host = FakeHost { random: [1, 2].into(), ..FakeHost::default() };
            host.set_cell(CELL, value, 0).unwrap();
            assert_eq!(Key::shared(&mut host), Ok(Key(1, 2)));
        }
    }
}
