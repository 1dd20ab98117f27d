//! Envoy as a process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::log::{Log, Mark};

/// A started Envoy.
#[derive(Debug)]
pub(crate) struct Process(Mutex<Child>);

impl Process {
    /// Starts the command; what it says goes to the log.
    pub(crate) fn start(command: &[OsString], log: &Path, folder: &Path) -> Result<Self> {
        let log = File::create(log)?;
        let Some((program, arguments)) = command.split_first() else { bail!("no program to start") };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self(Mutex::new(child)))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child().id()
    }

    /// Waits for the file in which Envoy says where its admin interface is.
    pub(crate) async fn admin_address(&self, file: &Path, log: &Log, patience: Duration) -> Result<SocketAddr> {
        let start = Instant::now();
        loop {
            if let Some(address) = fs::read_to_string(file).ok().and_then(|text| text.parse().ok()) {
                return Ok(address);
            }
            if let Some(status) = self.ended()? {
                bail!("Envoy ended with {status}:\n{}", log.complaints(Mark::START));
            }
            if start.elapsed() > patience {
                self.stop();
                bail!("Envoy has no admin interface after {patience:?}:\n{}", log.complaints(Mark::START));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Result<Option<ExitStatus>> {
        Ok(self.child().try_wait()?)
    }

    /// Ends it, and waits until it is gone.
    pub(crate) fn stop(&self) {
        let mut child = self.child();
        // Both only fail for one that is gone already.
        let _ = child.kill();
        let _ = child.wait();
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
