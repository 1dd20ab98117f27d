//! Another real rate-limit service: `limitador-server`, over the limitador crate, which counts in its own memory.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use crate::paths::set;
use crate::process::Process;
use crate::rate_limit_service::engine;
use crate::rls;
use crate::upstream::UpstreamConfig;

/// A running limitador of one test, on a Unix socket. It ends when this is dropped.
///
/// Its windows begin with the first request of each counter. It answers with `x-ratelimit-*` headers, and with no statuses
/// of the descriptors.
#[derive(Debug)]
pub struct Limitador {
    // Fields are dropped in this order.
    service: Option<Process>,
    folder: TempDir,
}

impl Limitador {
    /// What is missing on this machine, and how to get it; `None` if it can be started.
    pub fn missing() -> Option<String> {
        binary().err().map(|error| error.to_string())
    }

    /// Starts it with such limits, as limitador has them in its own file: `{"namespace": …, "max_value": …, "seconds": …,
    /// "conditions": […], "variables": […]}`; and waits until it answers.
    pub async fn start(limits: impl IntoIterator<Item = Value>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("limitador-").tempdir()?;
        fs::write(folder.path().join("limits.json"), Value::from_iter(limits).to_string())?;
        let mut this = Self { service: None, folder };
        this.start_again().await?;
        Ok(this)
    }

    /// The service as an upstream of Envoy, as [`RateLimitService::upstream`](crate::RateLimitService::upstream) is.
    pub fn upstream(&self, name: &str) -> UpstreamConfig {
        engine::upstream(&self.socket(), name)
    }

    /// Asks it without Envoy, by a serialized `RateLimitRequest`: its gRPC status, and its `RateLimitResponse`.
    pub async fn ask(&self, request: &[u8]) -> Result<(u32, Bytes)> {
        engine::call(&self.socket(), rls::METHOD, request).await
    }

    /// Ends it: connections to it break, new ones are refused, and what was counted is forgotten.
    pub fn stop(&mut self) {
        self.service = None;
    }

    /// Starts it, again at the same address.
    pub async fn start_again(&mut self) -> Result<()> {
        self.stop();
        // One that was killed leaves its socket, and the next one would not start.
        let _ = fs::remove_file(self.socket());
        let folder = self.folder.path();
        let command = [binary()?.into(), self.socket().into(), folder.join("limits.json").into()];
        // Of no domain it says that it does not know.
        let answers = async || Ok(self.ask(b"").await? == (0, Bytes::new()));
        let service = engine::start(folder, "limitador", &command, answers).await?;
        self.service = Some(service);
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("limitador.socket")
    }
}

/// `$LIMITADOR_BIN`, else where cargo puts it, beside the folder of our own test binary.
fn binary() -> Result<PathBuf> {
    if let Some(binary) = set("LIMITADOR_BIN") {
        if !binary.is_file() {
            bail!("LIMITADOR_BIN: there is no file {}", binary.display());
        }
        return Ok(binary);
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(|deps| deps.parent()).context("our own binary is in no folder")?;
    let binary = folder.join("limitador-server");
    if !binary.is_file() {
        bail!("there is no {}: run `cargo build -p limitador-server`, or set LIMITADOR_BIN", binary.display());
    }
    Ok(binary)
}
