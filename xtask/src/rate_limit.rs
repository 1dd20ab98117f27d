//! A real rate-limit service to test with: `RATELIMIT_BIN`, or envoyproxy/ratelimit, built by Go. (Its authors tag
//! no releases any more, so it is a commit; Redis, in which it counts, comes from the system.)

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The one place that says which service the tests are written for.
const VERSION: &str = "v1.4.1-0.20260122083618-3fb702589d36";
const PACKAGE: &str = "github.com/envoyproxy/ratelimit/src/service_cmd";
/// The Go that it is tested with; it asks for 1.25.6 or later itself.
const GO: &str = "go1.26";

pub fn find() -> Result<PathBuf> {
    check_redis();
    if let Some(set) = std::env::var_os("RATELIMIT_BIN").filter(|set| !set.is_empty()) {
        let binary = PathBuf::from(set);
        if !binary.is_file() {
            bail!("RATELIMIT_BIN: there is no file {}: correct it or unset it", binary.display());
        }
        return Ok(binary);
    }
    Ok(crate::cache::dir(&format!("ratelimit-{VERSION}"), install)?.join("ratelimit"))
}

/// Fills the directory with `ratelimit`.
fn install(dir: &Path) -> Result<()> {
    check_go()?;
    eprintln!("Building ratelimit {VERSION} (once; about two minutes)");
    let mut go = Command::new("go");
    go.args(["install", "-trimpath", "-ldflags=-s -w"]).arg(format!("{PACKAGE}@{VERSION}"));
    // No flags of whoever builds, and no C compiler.
    go.env("GOBIN", dir).env("GOFLAGS", "").env("CGO_ENABLED", "0");
    // For this machine, whatever is set for other builds; and stdout is for the path alone.
    go.env_remove("GOOS").env_remove("GOARCH").stdout(Stdio::from(std::io::stderr()));
    crate::run(&mut go, "build ratelimit")
        .context("check the connection to Go's module proxy, or set RATELIMIT_BIN to a ratelimit that you have")?;
    std::fs::rename(dir.join("service_cmd"), dir.join("ratelimit")).context("go install has left no service_cmd")
}

fn check_go() -> Result<()> {
    let output = match Command::new("go").arg("version").output() {
        Ok(output) if output.status.success() => output,
        _ => bail!("there is no go, which builds ratelimit: install {GO}, or set RATELIMIT_BIN to a ratelimit"),
    };
    let version = String::from_utf8_lossy(&output.stdout);
    if !version.contains(GO) {
        eprintln!("note: {}; tested is {GO}", version.trim());
    }
    Ok(())
}

/// The service can be built without Redis, but nothing can be done with it.
fn check_redis() {
    let set = std::env::var_os("REDIS_SERVER_BIN").filter(|set| !set.is_empty());
    let binary = set.unwrap_or_else(|| "redis-server".into());
    if !matches!(Command::new(&binary).arg("--version").output(), Ok(output) if output.status.success()) {
        eprintln!(
            "note: {} does not run, and tests with ratelimit need it: install it (Debian: apt-get install \
             redis-server), or set REDIS_SERVER_BIN",
            binary.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    /// Where the version cannot be read from here, it is held to be the same.
    #[test]
    fn the_version_is_the_same_everywhere() {
        let file = "envoy-test/src/rate_limit_service.rs";
        let text = std::fs::read_to_string(crate::root().join(file)).unwrap();
        assert!(text.contains(&format!("ratelimit-{VERSION}/")), "{file} has no ratelimit-{VERSION}/");
    }
}
