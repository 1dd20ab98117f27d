//! What was measured, as one table.

use crate::variants::{NOTHING, UNIT, Variant};

/// Many measurements of the same thing.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, sample: f64) {
        self.0.push(sample);
        self.0.sort_by(f64::total_cmp);
    }

    /// The sample that this share of all is below.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((last as f64 * share).round() as usize).copied()
    }
}

/// One row, in the order of the table.
pub struct Row {
    pub variant: Variant,
    pub cycles: Samples,
    pub nanoseconds: Samples,
    /// Why it has no result.
    pub wrong: Option<String>,
}

impl Row {
    pub fn new(variant: Variant) -> Self {
        Self { variant, cycles: Samples::default(), nanoseconds: Samples::default(), wrong: None }
    }

    /// Whether others are counted by it.
    pub fn is_a_measure(&self) -> bool {
        [NOTHING, UNIT].contains(&self.variant.name)
    }
}

/// One way to measure: which samples, and which of them stands for all.
struct Measure {
    heading: &'static str,
    of: fn(&Row) -> &Samples,
    share: f64,
}

/// Cycles hardly spread, so the middle one. Of CPU times the low ones are those that nothing else disturbed.
const MEASURES: [Measure; 2] = [
    Measure { heading: "cycles", of: |row| &row.cycles, share: 0.5 },
    Measure { heading: "CPU ns", of: |row| &row.nanoseconds, share: 0.2 },
];

impl Measure {
    fn raw(&self, row: &Row) -> Option<f64> {
        (self.of)(row).percentile(self.share)
    }

    fn above_nothing(&self, rows: &[Row], row: &Row) -> Option<f64> {
        let nothing = rows.iter().find(|row| row.variant.name == NOTHING)?;
        Some(self.raw(row)? - self.raw(nothing)?)
    }

    fn units(&self, rows: &[Row], row: &Row) -> Option<f64> {
        let unit = rows.iter().find(|row| row.variant.name == UNIT)?;
        Some(self.above_nothing(rows, row)? / self.above_nothing(rows, unit)?)
    }

    fn above_floor(&self, rows: &[Row], row: &Row) -> Option<f64> {
        let floor = rows.iter().find(|other| Some(other.variant.name) == row.variant.floor)?;
        Some(self.units(rows, row)? / self.units(rows, floor)?)
    }

    /// How far apart the samples are, in units.
    fn spread(&self, rows: &[Row], row: &Row) -> Option<f64> {
        let unit = rows.iter().find(|row| row.variant.name == UNIT)?;
        let samples = (self.of)(row);
        let (low, high) = (samples.percentile(self.share - 0.2)?, samples.percentile(self.share + 0.2)?);
        Some((high - low) / self.above_nothing(rows, unit)?)
    }
}

pub fn print(rows: &[Row]) {
    println!("Envoy's cost of one request. 1 unit: what a no-op filter of the SDK adds to an Envoy without filters.");
    println!("× floor: the ratio to the bare module that makes the same host calls.\n");
    print!("{:<50}", "");
    for measure in MEASURES {
        print!("{:>9} {:>7} {:>7} {:>7} {:>7}", measure.heading, "added", "units", "±", "× floor");
    }
    println!();
    for row in rows {
        print!("{:<50}", row.variant.name);
        match &row.wrong {
            Some(why) => println!("  WRONG: {}", why.lines().next().unwrap_or("")),
            None => {
                for measure in MEASURES {
                    let whole = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.0}"));
                    let ratio = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
                    print!(
                        "{:>9} {:>7} {:>7} {:>7} {:>7}",
                        whole(measure.raw(row)),
                        whole(measure.above_nothing(rows, row)),
                        ratio(measure.units(rows, row)),
                        ratio(measure.spread(rows, row)),
                        ratio(measure.above_floor(rows, row)),
                    );
                }
                println!();
            }
        }
    }
}
