//! Which requests chance chooses.

use pointsman_host::Host;

use crate::config::Percentage;

/// Whether this request is one of them. Each fault of a request is drawn by itself.
pub fn draw(percentage: Percentage, host: &mut dyn Host) -> bool {
    let drawn = host.random().checked_rem(percentage.denominator.into());
    drawn.is_some_and(|drawn| drawn < percentage.numerator.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_host::FakeHost;
    use pointsman_wire::decode;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_percentage_is_drawn() {
        let hundred = json!({"numerator": 30});
        let ten_thousand = json!({"numerator": 30, "denominator": "TEN_THOUSAND"});
        let million = json!({"value": 0.003});
        for (percentage, random, expected) in [
            (&hundred, 0, true),
            (&hundred, 29, true),
            (&hundred, 30, false),
            (&hundred, 99, false),
            (&hundred, 100, true),
            (&ten_thousand, 29, true),
            (&ten_thousand, 30, false),
            (&ten_thousand, 9_999, false),
            (&ten_thousand, 10_029, true),
            (&million, 29, true),
            (&million, 30, false),
            (&million, 1_000_029, true),
            (&json!({"value": 0}), 0, false),
            (&json!({"value": 100}), u64::MAX, true),
            (&json!({"value": 100}), 999_999, true),
            (&json!({"numerator": 0}), 0, false),
            (&json!({"numerator": 100}), 99, true),
        ] {
            let mut host = FakeHost { random: [random].into(), ..FakeHost::default() };
            let (read, report) = decode::<Percentage>(percentage);
            let read = read.unwrap_or_else(|| panic!("{:?}", report.errors()));
            assert_eq!(draw(read, &mut host), expected, "{percentage} {random}");
            assert!(host.random.is_empty(), "{percentage}");
        }
    }
}
