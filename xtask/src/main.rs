//! Build steps that cargo cannot do: `cargo xtask --help`.

mod cache;
mod callbacks;
mod dist;
mod envoy;
#[cfg(test)]
mod exports;
mod rate_limit;
mod reach;
mod shrink;
mod wasm_test_runner;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Build steps that cargo cannot do.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Step {
    /// Find or install the real Envoy, and print where its binary is
    Envoy,
    /// Build every module that ships into dist/, small, with a .debug.wasm (function names kept) beside each
    Dist,
    /// Build the modules that only tests use into target/test-modules/
    TestModules,
    /// Find or build the real rate-limit service (envoyproxy/ratelimit, by Go), and print where its binary is
    Ratelimit,
    /// Install the runner for tests in Wasm (wasm-bindgen-test-runner), and print where it is
    WasmTestRunner,
}

fn main() -> ExitCode {
    let done = match Step::parse() {
        Step::Envoy => envoy::find().map(|path| println!("{}", path.display())),
        Step::Dist => dist::ships(),
        Step::TestModules => dist::for_tests(),
        Step::Ratelimit => rate_limit::find().map(|path| println!("{}", path.display())),
        Step::WasmTestRunner => wasm_test_runner::find().map(|path| println!("{}", path.display())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds; handed to every cargo run, so that we look where it wrote.
fn target_dir() -> PathBuf {
    let set = std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    root().join(set.map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// Runs a command to its end; `doing` says in the error what could not be done.
fn run(command: &mut Command, doing: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot {doing}: cannot start `{program}`"))?;
    if !status.success() {
        bail!("cannot {doing}: `{program}` ended with {status}; its own messages are above");
    }
    Ok(())
}
