//! Envoy's admin interface, and waiting until it shows something.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::client::Request;

/// Envoy's admin interface.
#[derive(Debug, Clone)]
pub struct Admin {
    address: SocketAddr,
    patience: Duration,
}

impl Admin {
    pub(crate) fn new(address: SocketAddr, patience: Duration) -> Self {
        Self { address, patience }
    }

    /// What `GET path` answers.
    pub async fn get(&self, path: &str) -> Result<String> {
        let answer = Request::new(self.address, "GET", path).send().await?;
        if answer.status != 200 {
            bail!("admin {path}: {} {}", answer.status, answer.text());
        }
        Ok(answer.text())
    }

    /// What `POST path` answers: `admin.post("/logging?wasm=debug")`.
    pub async fn post(&self, path: &str) -> Result<String> {
        Ok(Request::new(self.address, "POST", path).send().await?.text())
    }

    /// Counters and gauges whose name starts with the prefix.
    pub async fn stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        let text = self.get(&format!("/stats?filter={}", escape(&format!("^{}", quote(prefix))))).await?;
        let pairs = text.lines().filter_map(|line| line.split_once(": "));
        Ok(pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// One counter or gauge; 0 when Envoy has not made it yet.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        Ok(self.stats(name).await?.get(name).copied().unwrap_or(0))
    }

    /// Envoy's view of one resource, such as ("dynamic_listeners", NAME). None if it does not know it.
    pub(crate) async fn dump(&self, resource: &str, name: &str) -> Result<Option<Value>> {
        let name = escape(&format!("^{}$", quote(name)));
        let text = self.get(&format!("/config_dump?resource={resource}&name_regex={name}")).await?;
        let mut dump: Value = serde_json::from_str(&text).context("the config dump is no JSON")?;
        Ok(dump.pointer_mut("/configs/0").map(Value::take))
    }

    /// Asks again and again until there is something, or until waiting longer makes no sense.
    pub async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            if start.elapsed() > self.patience {
                bail!("waited {:?} in vain until {what}", self.patience);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// A regular expression that matches this text and nothing else.
fn quote(text: &str) -> String {
    format!("\\Q{text}\\E")
}

/// The text as part of a query string.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
