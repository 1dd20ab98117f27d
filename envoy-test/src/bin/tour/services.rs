//! The services behind the front proxy: services.py as a process.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::front_proxy::example;

/// Ends when dropped.
pub struct Services {
    pub ports: BTreeMap<String, u16>,
    _process: Child,
}

impl Services {
    /// Starts them and waits until each of these listens.
    pub async fn start(names: &[String], free_ports: bool) -> Result<Self> {
        let mut python = Command::new("python3");
        python.arg(example("services.py")).args(free_ports.then_some("--free-ports"));
        let spawned = python.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut process =
            spawned.context("cannot start python3, in which the services are written: install Python 3")?;
        let stdout = process.stdout.take().context("no output of services.py")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut ports = BTreeMap::new();
        while names.iter().any(|name| !ports.contains_key(name)) {
            let Some(line) = lines.next_line().await? else {
                bail!("services.py ended ({}); its own message is above", process.wait().await?)
            };
            let (name, port) = line.split_once(' ').with_context(|| format!("services.py said {line:?}"))?;
            ports.insert(name.to_owned(), port.parse()?);
        }
        Ok(Self { ports, _process: process })
    }
}
