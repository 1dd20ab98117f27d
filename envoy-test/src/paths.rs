//! Where the things that a test needs lie. What is missing is an error that says how to make it, never a skipped test.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The pinned Envoy, under the user's cache folder, as `make envoy` leaves it there.
const CACHED_ENVOY: &str = "pointsman/envoy-1.40.0/envoy/_bin/envoy";

/// The Envoy to test with: `$ENVOY_BIN`, else the one that `make envoy` has put into the cache.
pub fn envoy_binary() -> Result<PathBuf> {
    if let Some(binary) = env::var_os("ENVOY_BIN") {
        let binary = PathBuf::from(binary);
        if !binary.is_file() {
            bail!("ENVOY_BIN: there is no file {}", binary.display());
        }
        return Ok(binary);
    }
    let binary = cached(CACHED_ENVOY)?;
    if !binary.is_file() {
        bail!("there is no Envoy at {}: run `make envoy`, or set ENVOY_BIN", binary.display());
    }
    Ok(binary)
}

/// A path under the user's cache folder.
pub(crate) fn cached(path: &str) -> Result<PathBuf> {
    if let Some(cache) = set("XDG_CACHE_HOME") {
        return Ok(cache.join(path));
    }
    Ok(set("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?.join(".cache").join(path))
}

/// What a variable of the environment says, if it says anything.
pub(crate) fn set(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A module that ships, by its name: `module("pointsman-routing")`. It lies in `dist/`, or in `$POINTSMAN_DIST`.
pub fn module(name: &str) -> Result<PathBuf> {
    let dist = env::var_os("POINTSMAN_DIST").map_or_else(|| workspace().join("dist"), PathBuf::from);
    existing(dist.join(format!("{name}.wasm")))
}

/// A module for tests only, by the name of its folder in `envoy-test/modules`. It lies in `target/test-modules/`.
pub fn test_module(name: &str) -> Result<PathBuf> {
    existing(workspace().join("target/test-modules").join(format!("{name}.wasm")))
}

/// The root of the workspace that this crate was built in.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if !path.is_file() {
        bail!("there is no module {}: run `make build test-modules`", path.display());
    }
    Ok(path)
}
