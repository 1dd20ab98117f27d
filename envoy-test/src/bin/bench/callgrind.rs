//! Estimated cycles a request, from Envoy under valgrind's callgrind.
//!
//! Callgrind counts instructions, and simulates a cache and a branch predictor that are the same on every machine, so
//! neither the machine nor what else runs on it matters. The estimate is KCachegrind's:
//!
//! ```text
//! cycles = instructions + 10 × mispredicted branches + 10 × first-level misses + 100 × last-level misses
//! ```

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::one_worker;
use crate::table::Row;
use crate::variants::Upstreams;

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

/// Requests before anything is counted: by then V8 has compiled what it wants to.
const WARM_UP: usize = 1000;
/// Requests before the first count, so that the simulated caches hold what they will.
const SETTLE: usize = 100;
const REQUESTS: usize = 200;
const ROUNDS: usize = 3;

/// Valgrind around one Envoy after the other.
pub struct Callgrind {
    folder: tempfile::TempDir,
}

impl Callgrind {
    /// None if there is no valgrind on this machine.
    pub fn find() -> Result<Option<Self>> {
        let found = ["valgrind", "vgdb"].iter().all(|tool| Command::new(tool).arg("--version").output().is_ok());
        Ok(if found { Some(Self { folder: tempfile::tempdir()? }) } else { None })
    }

    /// Takes the samples of all rows that are not wrong, each in an Envoy of its own: V8 reserves 10 GB of addresses a
    /// VM, and valgrind has room for a dozen of them.
    pub async fn count(&self, rows: &mut [Row]) -> Result<()> {
        for row in rows.iter_mut().filter(|row| row.wrong.is_none()) {
            eprintln!("counting cycles: {}", row.variant.name);
            if let Err(error) = self.count_one(row).await {
                row.wrong = Some(format!("{error:#}"));
            }
        }
        Ok(())
    }

    async fn count_one(&self, row: &mut Row) -> Result<()> {
        // Valgrind is slow, and more so on a busy machine.
        let envoy = one_worker().launcher(self.launcher()).patience(Duration::from_secs(300)).start().await?;
        let _upstreams = Upstreams::start(&envoy).await?;
        let mut variant = row.variant.start(&envoy, 1).await?;
        variant.send(WARM_UP).await?;
        self.tell(envoy.pid(), &["instrumentation", "on"])?;
        variant.send(SETTLE).await?;
        for _ in 0..ROUNDS {
            self.tell(envoy.pid(), &["zero"])?;
            variant.send(REQUESTS).await?;
            row.cycles.push(self.dump(envoy.pid())? / REQUESTS as f64);
        }
        Ok(())
    }

    /// The command that Envoy's is appended to.
    fn launcher(&self) -> Vec<String> {
        let out = format!("--callgrind-out-file={}", self.folder.path().join("callgrind.out").display());
        let own = ["valgrind".to_owned(), out, self.pipes()];
        own.into_iter().chain(FLAGS.map(str::to_owned)).collect()
    }

    /// The estimated cycles since the last zero.
    fn dump(&self, pid: u32) -> Result<f64> {
        self.tell(pid, &["dump"])?;
        let mut dumps = fs::read_dir(self.folder.path())?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        dumps.retain(|path| path.to_string_lossy().contains("callgrind.out."));
        let [dump] = dumps.as_slice() else { bail!("expected one dump of callgrind, found {dumps:?}") };
        let cycles = cycles(&fs::read_to_string(dump)?).with_context(|| format!("in {}", dump.display()));
        fs::remove_file(dump)?;
        cycles
    }

    fn tell(&self, pid: u32, command: &[&str]) -> Result<()> {
        let output = Command::new("vgdb").arg(self.pipes()).arg(format!("--pid={pid}")).args(command).output()?;
        if !output.status.success() {
            bail!("vgdb {}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn pipes(&self) -> String {
        format!("--vgdb-prefix={}", self.folder.path().join("vgdb").display())
    }
}

/// The estimate for a whole dump.
fn cycles(dump: &str) -> Result<f64> {
    let line = |name: &str| dump.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"));
    let names: Vec<&str> = line("events:")?.split_whitespace().collect();
    let counts = line("totals:").or_else(|_| line("summary:"))?;
    let counts = counts.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let sum = |wanted: &[&str]| -> f64 {
        names.iter().zip(&counts).filter(|(name, _)| wanted.contains(*name)).map(|(_, count)| count).sum()
    };
    Ok(sum(&["Ir"])
        + 10.0 * sum(&["Bcm", "Bim"])
        + 10.0 * sum(&["I1mr", "D1mr", "D1mw"])
        + 100.0 * sum(&["ILmr", "DLmr", "DLmw"]))
}
