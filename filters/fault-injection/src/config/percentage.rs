//! How many requests a fault is done to: in Istio's words, or in Envoy's.

use pointsman_wire::{Cursor, Decode, message};

/// So many of so many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentage {
    /// So many …
    pub numerator: u32,
    /// … of so many.
    pub denominator: u32,
    /// How many of the numerator's units one of a percentage header is.
    header_unit: u32,
}

/// One percent, of a million.
const PERCENT: u32 = 10_000;

impl Percentage {
    /// Of no requests.
    pub const NEVER: Self = Self::of_million(0);

    /// Istio's percentage. It is finer than one percent, but a header's is not: who writes `value: 50` and sends `20`
    /// means 20 %, not 20 of a million, as it would be in the Envoy that istiod configures.
    const fn of_million(numerator: u32) -> Self {
        Self { numerator, denominator: 1_000_000, header_unit: PERCENT }
    }

    /// A whole number of percents.
    pub fn of_hundred(percents: u32) -> Self {
        Self::of_million(percents.saturating_mul(PERCENT))
    }

    /// Of a million requests.
    pub fn per_million(self) -> u32 {
        let all = u64::from(self.numerator).saturating_mul(1_000_000);
        all.checked_div(self.denominator.into()).and_then(|part| part.try_into().ok()).unwrap_or_default()
    }

    /// What a percentage header makes of it: never more than is configured.
    pub fn capped(self, header: u32) -> Self {
        Self { numerator: header.saturating_mul(self.header_unit).min(self.numerator), ..self }
    }
}

message! {
    /// Istio's Percent, or Envoy's FractionalPercent: one of the two.
    pub struct PercentageFields = "FaultPercentage" {
        /// Istio's: 0, or 0.0001 to 100.
        value: Option<f64> = "value" as read_value,
        /// Envoy's: so many of the denominator.
        numerator: Option<u32> = "numerator",
        /// Envoy's: of how many, a hundred if it is left out.
        denominator: Option<Denominator> = "denominator",
    }
    check check_fields;
}

fn read_value(at: Cursor<'_>) -> Option<Option<f64>> {
    match Option::<f64>::decode_or_absent(at)? {
        value @ (None | Some(0.0 | 0.0001..=100.0)) => Some(value),
        Some(_) => at.error(format_args!("{} is not a percentage, expected 0, or 0.0001 to 100", at.value())),
    }
}

/// Envoy's DenominatorType.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Denominator {
    /// Percents.
    #[default]
    Hundred,
    /// Hundredths of percents.
    TenThousand,
    /// Ten-thousandths of percents.
    Million,
}

impl Denominator {
    fn number(self) -> u32 {
        match self {
            Self::Hundred => 100,
            Self::TenThousand => 10_000,
            Self::Million => 1_000_000,
        }
    }
}

impl Decode for Denominator {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("HUNDRED") => Some(Self::Hundred),
            Some("TEN_THOUSAND") => Some(Self::TenThousand),
            Some("MILLION") => Some(Self::Million),
            _ => {
                at.error(format_args!("{} is not a denominator, expected HUNDRED, TEN_THOUSAND or MILLION", at.value()))
            }
        }
    }
}

fn check_fields(at: Cursor<'_>, all_known: bool) {
    match (at.has("value"), at.has("numerator"), at.has("denominator")) {
        (true, false, false) | (false, true, _) => {}
        (true, ..) => drop(at.error::<()>("has both Istio's value and Envoy's numerator or denominator: keep one")),
        (false, false, true) if all_known => drop(at.error::<()>("has a denominator alone: it needs a numerator")),
        (false, false, false) if all_known => at.warning("has no effect: without a value it is 0 %"),
        _ => {}
    }
}

impl Decode for Percentage {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = PercentageFields::decode(at)?;
        let Some(numerator) = fields.numerator else {
            // Cut off, as istiod does.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            return Some(Self::of_million((fields.value.unwrap_or(0.0) * f64::from(PERCENT)) as u32));
        };
        let denominator = fields.denominator.unwrap_or_default().number();
        if numerator > denominator {
            let cure = format!("{numerator} is more than the denominator, expected 0 to {denominator}");
            return at.field("numerator", |at| at.error(cure));
        }
        Some(Self { numerator, denominator, header_unit: 1 })
    }
}
