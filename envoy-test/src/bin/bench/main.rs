//! What the filters cost in a real Envoy: `make bench`. With `--quick` only CPU time, which needs no valgrind.
//!
//! Every variant is a listener of one and the same Envoy with one worker, gets the same request over one connection that
//! stays open, and each answer is looked at: a variant that answers wrongly has no result, and the run fails.

mod callgrind;
mod cpu_time;
mod table;
mod variants;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use envoy_test::{Envoy, EnvoyConfig};
use serde_json::json;

use callgrind::Callgrind;
use table::Row;
use variants::{Running, Upstreams, variants};

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<()> {
    let quick = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--quick") => true,
        Some(other) => bail!("no such option: {other} (there is --quick)"),
    };
    let callgrind = if quick { None } else { Callgrind::find()? };
    let mut rows = Vec::new();
    if let Some(callgrind) = &callgrind {
        count_cycles(callgrind, &mut rows).await?;
    }
    take_cpu_time(&mut rows).await?;

    println!();
    table::print(&rows);
    if callgrind.is_none() && !quick {
        println!("\nNOT measured: cycles, which need valgrind (Debian: apt-get install valgrind).");
        println!("CPU times alone are noisy: 0.2 units mean nothing.");
    }
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.name, row.wrong.as_ref()?)))
        .collect();
    if !wrong.is_empty() {
        bail!("without a result:\n{}", wrong.join("\n"));
    }
    Ok(())
}

async fn count_cycles(callgrind: &Callgrind, rows: &mut Vec<Row>) -> Result<()> {
    /// Requests of each variant before anything is counted: by then V8 has compiled what it wants to.
    const WARM_UP: usize = 1000;
    /// Requests before each count, so that the caches hold this variant's code and data.
    const SETTLE: usize = 30;
    const REQUESTS: usize = 200;
    const ROUNDS: usize = 3;

    eprintln!("counting cycles under valgrind; this takes some minutes");
    let config = config()
        .launcher(callgrind.launcher())
        .patience(Duration::from_secs(600));
    let envoy = config.start().await?;
    let upstreams = Upstreams::start(&envoy).await?;
    let mut running = start(&envoy, &upstreams, 1, rows).await;
    for (row, running) in rows.iter_mut().zip(&mut running) {
        attempt(row, running, async |running| running.send(WARM_UP).await).await;
    }
    callgrind.start_counting(envoy.pid())?;
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for (row, running) in rows.iter_mut().zip(&mut running) {
            let cycles = attempt(row, running, async |running| {
                running.send(SETTLE).await?;
                callgrind.zero(envoy.pid())?;
                running.send(REQUESTS).await?;
                callgrind.take(envoy.pid())
            });
            if let Some(cycles) = cycles.await {
                row.cycles.push(cycles / REQUESTS as f64);
            }
        }
    }
    Ok(())
}

async fn take_cpu_time(rows: &mut Vec<Row>) -> Result<()> {
    const WARM_UP: usize = 4800;
    /// A worker that always has something to do: waking up costs more than a filter, and differs each time.
    const CONNECTIONS: usize = 16;
    const REQUESTS: usize = 96;
    const ROUNDS: usize = 150;

    eprintln!("taking CPU times");
    let envoy = config().start().await?;
    let worker = cpu_time::Worker::of(envoy.pid())?;
    let upstreams = Upstreams::start(&envoy).await?;
    let mut running = start(&envoy, &upstreams, CONNECTIONS, rows).await;
    for (row, running) in rows.iter_mut().zip(&mut running) {
        attempt(row, running, async |running| running.send(WARM_UP).await).await;
    }
    for _ in 0..ROUNDS {
        for (row, running) in rows.iter_mut().zip(&mut running) {
            let nanoseconds = attempt(row, running, async |running| {
                let before = worker.nanoseconds()?;
                running.send(REQUESTS).await?;
                Ok(worker.nanoseconds()? - before)
            });
            if let Some(nanoseconds) = nanoseconds.await {
                row.nanoseconds.push(nanoseconds / REQUESTS as f64);
            }
        }
    }
    Ok(())
}

/// One worker, and nothing that happens now and then.
fn config() -> EnvoyConfig {
    EnvoyConfig::new()
        .concurrency(1)
        .bootstrap(json!({"stats_flush_interval": "299s"}))
}

/// Brings all variants up, each beside its row; `rows` is filled by the first that comes.
async fn start(envoy: &Envoy, upstreams: &Upstreams, connections: usize, rows: &mut Vec<Row>) -> Vec<Option<Running>> {
    let variants = variants(upstreams);
    if rows.is_empty() {
        rows.extend(variants.iter().map(|variant| Row::new(variant.name, variant.floor)));
    }
    let mut running = Vec::new();
    for (row, variant) in rows.iter_mut().zip(variants) {
        running.push(match variant.start(envoy, upstreams, connections).await {
            Ok(started) => Some(started),
            Err(error) => {
                row.wrong = Some(format!("{error:#}"));
                None
            }
        });
    }
    running
}

/// Does something with a variant, if it has not been found wrong; if that fails, it is.
async fn attempt<T>(
    row: &mut Row,
    running: &mut Option<Running>,
    act: impl AsyncFnOnce(&mut Running) -> Result<T>,
) -> Option<T> {
    match act(running.as_mut()?).await {
        Ok(done) => Some(done),
        Err(error) => {
            row.wrong = Some(format!("{error:#}"));
            *running = None;
            None
        }
    }
}
