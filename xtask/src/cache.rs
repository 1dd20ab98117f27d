//! Tools that are installed once a machine, outside the checkout: `~/.cache/pointsman/NAME-VERSION/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The directory `name` in the cache, made by `install` if it is not there. `install` fills a directory beside it that
/// is renamed when complete: what has the name is whole, also after an interrupted installation.
pub fn dir(name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = home()?.join("pointsman");
    let dir = cache.join(name);
    if dir.is_dir() {
        return Ok(dir);
    }
    let partial = cache.join(format!(".{name}.{}.partial", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let installed = install(&partial).and_then(|()| match fs::rename(&partial, &dir) {
        // Another run was faster: its copy is as good.
        Err(_) if dir.is_dir() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot rename {} to {name}", partial.display())),
    });
    if partial.exists() {
        // Nothing depends on it, so an error here is no reason to fail.
        let _ = fs::remove_dir_all(&partial);
    }
    installed.map(|()| dir)
}

fn home() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match (set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _) => Ok(cache),
        (None, Some(home)) => Ok(home.join(".cache")),
        (None, None) => bail!("no place for installed tools: set HOME or XDG_CACHE_HOME"),
    }
}
