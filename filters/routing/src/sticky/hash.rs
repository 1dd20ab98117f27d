//! The hash of a key. It must never change: every client would be sent to another destination.

/// FNV-1a, 64 bits, and a finalizer: FNV alone leaves similar keys with similar hashes.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    mix(bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
}

/// SplitMix64's finalizer: each bit of the input turns over half of the output's.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits.wrapping_shr(30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits.wrapping_shr(27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits.wrapping_shr(31)
}

#[cfg(test)]
mod tests {
    use super::hash;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_is_what_it_was() {
        for (text, expected) in [
            ("", 0xf52a_15e9_a9b5_e89b),
            ("a", 0x02c0_bdbf_4814_20f8),
            ("b", 0x3e35_b21b_fb9b_6405),
            ("user-1", 0xc499_b5f8_a721_df58),
            ("user-2", 0x4fb3_8f41_4590_a87b),
            ("2001:db8::1", 0x6378_2f16_c6a8_6a00),
            ("reviews:9080 subset v1", 0x5f55_3d77_8fa7_98bf),
        ] {
            assert_eq!(hash(text.as_bytes()), expected, "{text}: {:#018x}", hash(text.as_bytes()));
        }
    }
}
