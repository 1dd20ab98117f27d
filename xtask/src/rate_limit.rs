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
/// The first Go that gets a newer one when it is asked for one.
const RENEWS_ITSELF: u32 = 21;

pub fn find() -> Result<PathBuf> {
    check_redis()?;
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
    // No flags of whoever builds, and no C compiler. A Go that is too old gets one that is not, also where its
    // distribution has turned that off.
    go.env("GOBIN", dir).env("GOFLAGS", "").env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "auto");
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
    if minor(&version).is_some_and(|minor| minor < RENEWS_ITSELF) {
        bail!("{} cannot build ratelimit: install {GO} (https://go.dev/dl), or set RATELIMIT_BIN", version.trim());
    }
    if !version.contains(GO) {
        eprintln!("note: {}; tested is {GO}", version.trim());
    }
    Ok(())
}

/// Of `go version go1.19.8 linux/amd64`: 19.
fn minor(version: &str) -> Option<u32> {
    version.split_once(" go1.")?.1.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

/// The service could be built without Redis, but nothing can be done with it.
fn check_redis() -> Result<()> {
    let set = std::env::var_os("REDIS_SERVER_BIN").filter(|set| !set.is_empty());
    let binary = set.unwrap_or_else(|| "redis-server".into());
    if !matches!(Command::new(&binary).arg("--version").output(), Ok(output) if output.status.success()) {
        bail!(
            "{} does not run, and ratelimit counts in it: install it (Debian: apt-get install redis-server), or set \
             REDIS_SERVER_BIN",
            binary.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{VERSION, minor};

    #[test]
    fn a_go_says_how_old_it_is() {
        assert_eq!(minor("go version go1.19.8 linux/amd64\n"), Some(19));
        assert_eq!(minor("go version go1.26 linux/amd64"), Some(26));
        assert_eq!(minor("go version go1.27rc1 linux/amd64"), Some(27));
        assert_eq!(minor("go version devel +a1b2c3"), None);
    }

    /// Where the version cannot be read from here, it is held to be the same.
    #[test]
    fn the_version_is_the_same_everywhere() {
        let file = "envoy-test/src/rate_limit_service.rs";
        let text = std::fs::read_to_string(crate::root().join(file)).unwrap();
        assert!(text.contains(&format!("ratelimit-{VERSION}/")), "{file} has no ratelimit-{VERSION}/");
    }
}
