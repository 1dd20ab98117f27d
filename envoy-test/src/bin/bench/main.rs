//! What the filters cost in a real Envoy: `make bench`. With `--quick` only CPU time, which needs no valgrind; with names
//! only the rows that have one of them in theirs; with `--apply` only what applying a policy costs; with `--shared` only what
//! limits cost that workers, or proxies, share.
//!
//! Every variant gets the same request over connections that stay open, in an Envoy with one worker, and each answer is
//! looked at: a variant that answers wrongly has no result, and the run fails.

mod apply;
mod callgrind;
mod cpu_time;
mod limits;
mod rules;
mod shared;
mod table;
mod variants;

use std::process::ExitCode;

use anyhow::{Result, bail};
use envoy_test::EnvoyConfig;
use serde_json::json;

use callgrind::Callgrind;
use table::Row;

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
    let (options, names): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    if let Some(other) = options.iter().find(|option| !["--quick", "--apply", "--shared"].contains(&option.as_str())) {
        bail!("no such option: {other} (there are --quick, --apply and --shared)");
    }
    let has = |option: &str| options.iter().any(|other| other == option);
    if has("--apply") {
        return apply::print().await;
    }
    if has("--shared") {
        return shared::print().await;
    }
    let quick = has("--quick");
    let mut rows: Vec<Row> = variants::all().into_iter().map(Row::new).collect();
    rows.retain(|row| {
        names.is_empty() || row.is_a_measure() || names.iter().any(|name| row.variant.name.contains(name))
    });
    cpu_time::take(&mut rows).await?;
    let callgrind = if quick { None } else { Callgrind::find()? };
    if let Some(callgrind) = &callgrind {
        callgrind.count(&mut rows).await?;
    }

    println!();
    table::print(&rows);
    if callgrind.is_none() && !quick {
        println!("\nNOT measured: cycles, which need valgrind (Debian: apt-get install valgrind).");
        println!("CPU times alone are noisy: a difference of half a unit means nothing.");
    }
    let wrong = rows.iter().filter_map(|row| Some(format!("{}: {}", row.variant.name, row.wrong.as_ref()?)));
    let wrong: Vec<_> = wrong.collect();
    if !wrong.is_empty() {
        bail!("without a result:\n{}", wrong.join("\n"));
    }
    if names.is_empty() {
        shared::print().await?;
        apply::print().await?;
    }
    Ok(())
}

/// One worker, and nothing that happens now and then.
fn one_worker() -> EnvoyConfig {
    EnvoyConfig::new().concurrency(1).bootstrap(json!({"stats_flush_interval": "299s"}))
}
