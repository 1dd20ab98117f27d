//! Estimated cycles a request, from Envoy under valgrind's callgrind.
//!
//! Callgrind counts instructions, and simulates a cache and a branch predictor that are the same on every machine, so
//! neither the machine nor what else runs on it matters. The estimate is KCachegrind's:
//!
//! ```text
//! cycles = instructions + 10 × mispredicted branches + 10 × first-level misses + 100 × last-level misses
//! ```

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const FLAGS: [&str; 8] = [
    "--tool=callgrind",
    "--cache-sim=yes",
    "--branch-sim=yes",
    "--I1=32768,8,64",
    "--D1=32768,8,64",
    "--LL=8388608,16,64",
    // V8 writes the code that it runs.
    "--smc-check=all-non-file",
    // Starting and warming up need no counts, and are ten times faster without.
    "--instr-atstart=no",
];

/// Valgrind around one Envoy.
pub struct Callgrind {
    folder: tempfile::TempDir,
}

impl Callgrind {
    /// None if there is no valgrind on this machine.
    pub fn find() -> Result<Option<Self>> {
        let found = ["valgrind", "vgdb"]
            .iter()
            .all(|tool| Command::new(tool).arg("--version").output().is_ok());
        Ok(if found {
            Some(Self {
                folder: tempfile::tempdir()?,
            })
        } else {
            None
        })
    }

    /// The command that Envoy's is appended to.
    pub fn launcher(&self) -> Vec<String> {
        let out = format!("--callgrind-out-file={}", self.dumps().display());
        let own = ["valgrind".to_owned(), out, self.pipes()];
        own.into_iter().chain(FLAGS.map(str::to_owned)).collect()
    }

    /// Starts to count, in a process that has run without until now.
    pub fn start_counting(&self, pid: u32) -> Result<()> {
        self.tell(pid, &["instrumentation", "on"])
    }

    /// Forgets what has been counted.
    pub fn zero(&self, pid: u32) -> Result<()> {
        self.tell(pid, &["zero"])
    }

    /// The estimated cycles since the last [`zero`](Self::zero) or [`take`](Self::take).
    pub fn take(&self, pid: u32) -> Result<f64> {
        self.tell(pid, &["dump"])?;
        let mut dumps = fs::read_dir(self.folder.path())?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        dumps.retain(|path| path.to_string_lossy().contains("callgrind.out."));
        let [dump] = dumps.as_slice() else {
            bail!("expected one dump of callgrind, found {dumps:?}")
        };
        let cycles = cycles(&fs::read_to_string(dump)?).with_context(|| format!("in {}", dump.display()));
        fs::remove_file(dump)?;
        cycles
    }

    fn tell(&self, pid: u32, command: &[&str]) -> Result<()> {
        let output = Command::new("vgdb")
            .arg(self.pipes())
            .arg(format!("--pid={pid}"))
            .args(command)
            .output()?;
        if !output.status.success() {
            bail!(
                "vgdb {}: {}",
                command.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    fn dumps(&self) -> PathBuf {
        self.folder.path().join("callgrind.out")
    }

    fn pipes(&self) -> String {
        format!("--vgdb-prefix={}", self.folder.path().join("vgdb").display())
    }
}

/// The estimate for a whole dump.
fn cycles(dump: &str) -> Result<f64> {
    let line = |name: &str| {
        dump.lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("no {name}"))
    };
    let names: Vec<&str> = line("events:")?.split_whitespace().collect();
    let counts = line("totals:").or_else(|_| line("summary:"))?;
    let counts = counts
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<Vec<f64>, _>>()?;
    let sum = |wanted: &[&str]| -> f64 {
        names
            .iter()
            .zip(&counts)
            .filter(|(name, _)| wanted.contains(*name))
            .map(|(_, count)| count)
            .sum()
    };
    Ok(sum(&["Ir"])
        + 10.0 * sum(&["Bcm", "Bim"])
        + 10.0 * sum(&["I1mr", "D1mr", "D1mw"])
        + 100.0 * sum(&["ILmr", "DLmr", "DLmw"]))
}
