//! CPU time a request of Envoy's only worker, as the kernel counts it. It needs nothing and is noisy: a cross-check.
//!
//! All variants are listeners of one Envoy and take turns, many short ones, so that whatever else the machine does hits
//! all of them; of each variant's turns the low ones are those that were least disturbed.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::one_worker;
use crate::table::Row;
use crate::variants::Upstreams;

const WARM_UP: usize = 4800;
/// A worker that always has something to do: waking up costs more than a filter, and differs each time.
const CONNECTIONS: usize = 16;
const REQUESTS: usize = 96;
const ROUNDS: usize = 150;

/// Takes the samples of all rows that are not wrong.
pub async fn take(rows: &mut [Row]) -> Result<()> {
    eprintln!("taking CPU times");
    let envoy = one_worker().start().await?;
    let worker = Workers::of(envoy.pid())?;
    let _upstreams = Upstreams::start(&envoy).await?;
    let mut running = Vec::new();
    for row in rows {
        match row.variant.start(&envoy, CONNECTIONS).await {
            Ok(variant) => running.push((row, variant)),
            Err(error) => row.wrong = Some(format!("{error:#}")),
        }
    }
    for round in 0..=ROUNDS {
        for (row, variant) in &mut running {
            if row.wrong.is_some() {
                continue;
            }
            let requests = if round == 0 { WARM_UP } else { REQUESTS };
            let before = worker.nanoseconds()?;
            match variant.send(requests).await {
                Ok(()) if round == 0 => {}
                Ok(()) => row.nanoseconds.push((worker.nanoseconds()? - before) / requests as f64),
                Err(error) => row.wrong = Some(format!("{error:#}")),
            }
        }
    }
    Ok(())
}

/// The clocks of the worker threads.
pub struct Workers(Vec<PathBuf>);

impl Workers {
    /// Those of an Envoy.
    pub fn of(pid: u32) -> Result<Self> {
        let mut clocks = Vec::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?.path();
            if fs::read_to_string(thread.join("comm"))?.starts_with("wrk:worker_") {
                clocks.push(thread.join("schedstat"));
            }
        }
        if clocks.is_empty() {
            bail!("process {pid} has no thread wrk:worker_0");
        }
        Ok(Self(clocks))
    }

    /// The nanoseconds that they have run, all together.
    pub fn nanoseconds(&self) -> Result<f64> {
        Ok(self.each()?.iter().sum())
    }

    /// The nanoseconds that each has run.
    pub fn each(&self) -> Result<Vec<f64>> {
        let read = |clock: &PathBuf| {
            let text = fs::read_to_string(clock)?;
            Ok(text.split_whitespace().next().context("an empty schedstat")?.parse()?)
        };
        self.0.iter().map(read).collect()
    }
}
