//! Response flags: Envoy's `response.flags` as text, as its access logs have it.

use std::fmt::Write as _;

/// By the bit's place, from 0 on.
const FLAGS: [&str; 30] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI", "IH",
    "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
];

/// Such as `UF,URX`; without a flag `-`. Envoy's own log has them in the order in which they were set, which is not known here.
pub fn text(mask: u64) -> String {
    let mut text = String::new();
    for (bit, flag) in FLAGS.iter().enumerate() {
        if mask & (1 << bit) != 0 {
            let comma = if text.is_empty() { "" } else { "," };
            // It cannot fail: a String takes everything.
            let _ = write!(text, "{comma}{flag}");
        }
    }
    if text.is_empty() { "-".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// As an Envoy was seen to have them.
    #[test]
    fn as_envoy_names_them() {
        for (mask, expected) in [
            (0, "-"),
            (1 << 1, "UH"),
            (16_384, "DC"),
            (268_435_456, "DR"),
            (262_144, "DPE"),
            ((1 << 5) | (1 << 15), "UF,URX"),
            ((1 << 9) | (1 << 10), "DI,FI"),
            (1 << 29, "UDO"),
            (1 << 40, "-"),
        ] {
            assert_eq!(text(mask), expected, "{mask}");
        }
    }
}
