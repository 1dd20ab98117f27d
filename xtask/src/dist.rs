//! Modules as they are handed out: built by cargo, then made small.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{callbacks, root, run, shrink::shrink, target_dir};

const TARGET: &str = "wasm32-wasip1";

/// dist/NAME.wasm and dist/NAME.debug.wasm of every module that ships.
pub fn ships() -> Result<()> {
    build(&[])?;
    let dist = root().join("dist");
    empty(&dist)?;
    println!("{:<28} {:>10} {:>12}", "dist/", "bytes", "unstripped");
    for name in names("filters/modules")? {
        let (path, wasm) = read_built(&name)?;
        let Some(keep) = callbacks::of(&wasm).with_context(|| path.display().to_string())? else {
            bail!("{} has no section {}: each module that ships says which it uses", path.display(), callbacks::SECTION)
        };
        let packaged = |names| shrink(&wasm, &keep, names).with_context(|| path.display().to_string());
        let small = packaged(false)?;
        write(&dist.join(format!("{name}.debug.wasm")), &packaged(true)?)?;
        write(&dist.join(format!("{name}.wasm")), &small)?;
        println!("{:<28} {:>10} {:>12}", format!("{name}.wasm"), small.len(), wasm.len());
    }
    Ok(())
}

/// The same for the modules that only tests use: target/test-modules/NAME.wasm. One that names no callbacks stays as the
/// compiler left it: a plain SDK filter, to measure against.
pub fn for_tests() -> Result<()> {
    let names = names("envoy-test/modules")?;
    let packages: Vec<String> = names.iter().map(|name| format!("--package=test-{name}")).collect();
    build(&packages)?;
    let dir = root().join("target/test-modules");
    empty(&dir)?;
    for name in names {
        let (path, wasm) = read_built(&format!("test-{name}"))?;
        let in_path = || path.display().to_string();
        let packaged = match callbacks::of(&wasm).with_context(in_path)? {
            Some(keep) => shrink(&wasm, &keep, false).with_context(in_path)?,
            None => wasm,
        };
        write(&dir.join(format!("{name}.wasm")), &packaged)?;
    }
    Ok(())
}

fn build(packages: &[String]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["build", "--release", "--target", TARGET, "--target-dir"]).arg(target_dir());
    run(cargo.args(packages), "build the modules")
}

/// Each directory in `parent` is a module, named like it. (What lies in target/ may be older than a removal.)
fn names(parent: &str) -> Result<Vec<String>> {
    let parent = root().join(parent);
    let mut names = Vec::new();
    for entry in fs::read_dir(&parent).with_context(|| format!("cannot list {}", parent.display()))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn read_built(package: &str) -> Result<(PathBuf, Vec<u8>)> {
    let file = format!("{}.wasm", package.replace('-', "_"));
    let path = target_dir().join(TARGET).join("release").join(file);
    let wasm = fs::read(&path).with_context(|| {
        format!("cannot read {}: is the crate of that directory named {package}, and a cdylib?", path.display())
    })?;
    Ok((path, wasm))
}

/// So that no module of an earlier build stays behind.
fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

fn write(path: &Path, wasm: &[u8]) -> Result<()> {
    fs::write(path, wasm).with_context(|| format!("cannot write {}", path.display()))
}
