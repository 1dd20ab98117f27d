//! CPU time a request of Envoy's only worker, as the kernel counts it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The clock of one worker thread.
pub struct Worker(PathBuf);

impl Worker {
    /// The only worker of an Envoy with `--concurrency 1`.
    pub fn of(pid: u32) -> Result<Self> {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?.path();
            if fs::read_to_string(thread.join("comm"))?.starts_with("wrk:worker_0") {
                return Ok(Self(thread.join("schedstat")));
            }
        }
        anyhow::bail!("process {pid} has no thread wrk:worker_0")
    }

    /// The nanoseconds that it has run.
    pub fn nanoseconds(&self) -> Result<f64> {
        let text = fs::read_to_string(&self.0)?;
        Ok(text.split_whitespace().next().context("an empty schedstat")?.parse()?)
    }
}
