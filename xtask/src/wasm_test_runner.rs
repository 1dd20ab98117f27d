//! The runner for `cargo test --target wasm32-unknown-unknown`: it needs exactly the version of the `wasm-bindgen` crate
//! that the tests link, so it is read from Cargo.lock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

pub fn find() -> Result<PathBuf> {
    let lock = crate::root().join("Cargo.lock");
    let text = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let version = locked_version(&text).context("Cargo.lock has no package wasm-bindgen: nothing is tested in Wasm")?;
    let dir = crate::cache::dir(&format!("wasm-bindgen-{version}"), |dir| install(version, dir))?;
    Ok(dir.join("bin/wasm-bindgen-test-runner"))
}

fn locked_version(lock: &str) -> Option<&str> {
    let (_, after) = lock.split_once("name = \"wasm-bindgen\"\nversion = \"")?;
    after.split('"').next()
}

fn install(version: &str, dir: &Path) -> Result<()> {
    eprintln!("Building the runner for tests in Wasm (once; wasm-bindgen-cli {version})");
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "wasm-bindgen-cli", "--version", version]);
    cargo.args(["--bin", "wasm-bindgen-test-runner"]);
    // Without TLS: that is for fetching web drivers, and Node needs none.
    cargo.args(["--no-default-features", "--root"]).arg(dir);
    cargo.stdout(Stdio::from(std::io::stderr()));
    crate::run(&mut cargo, "build the runner for tests in Wasm")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_that_of_the_very_crate() {
        let lock = "[[package]]\nname = \"wasm-bindgen-test\"\nversion = \"0.3.80\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(super::locked_version(lock), Some("0.2.130"));
        assert_eq!(super::locked_version(""), None);
    }
}
