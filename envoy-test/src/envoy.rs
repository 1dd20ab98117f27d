//! A running Envoy.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin::Admin;
use crate::discovery::ResourceFile;
use crate::listener::{Listener, Outcomes, Parts};
use crate::listener_config::ListenerConfig;
use crate::log::Log;
use crate::merge::merge;
use crate::paths::envoy_binary;
use crate::process::Process;
use crate::upstream::{Upstream, UpstreamConfig};

/// The prefixes of the counters of Envoy's two files.
const CLUSTERS: &str = "cluster_manager.cds";
const LISTENERS: &str = "listener_manager.lds";

/// How an Envoy shall run.
#[derive(Debug, Clone)]
pub struct EnvoyConfig {
    concurrency: usize,
    launcher: Vec<OsString>,
    patience: Duration,
    bootstrap: Value,
}

impl Default for EnvoyConfig {
    fn default() -> Self {
        Self { concurrency: 2, launcher: Vec::new(), patience: Duration::from_secs(60), bootstrap: json!({}) }
    }
}

impl EnvoyConfig {
    /// Two workers.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many worker threads.
    pub fn concurrency(mut self, workers: usize) -> Self {
        self.concurrency = workers;
        self
    }

    /// Runs Envoy under another program: `["valgrind", "--tool=callgrind"]`.
    pub fn launcher(mut self, command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.launcher = command.into_iter().map(Into::into).collect();
        self
    }

    /// How long to wait for anything before it counts as failed.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Merged into the bootstrap: `json!({"stats_config": …})`.
    pub fn bootstrap(mut self, fields: Value) -> Self {
        merge(&mut self.bootstrap, fields);
        self
    }

    /// Starts it and waits until it is ready. It has one upstream, `default`.
    pub async fn start(self) -> Result<Envoy> {
        Envoy::start(self).await
    }
}

/// A running Envoy for many tests: each adds listeners and upstreams of its own. Envoy ends when this is dropped.
#[derive(Debug)]
pub struct Envoy {
    // Fields are dropped in this order: Envoy first, then what it uses.
    process: Process,
    admin: Admin,
    log: Log,
    clusters: Arc<ResourceFile>,
    listeners: Arc<ResourceFile>,
    echoes: tokio::sync::Mutex<Vec<Upstream>>,
    count: AtomicUsize,
    /// Only one listener or upstream is handed to Envoy at a time: what Envoy then refuses has one cause.
    adding: tokio::sync::Mutex<()>,
    keep: AtomicBool,
    folder: Option<TempDir>,
}

impl Envoy {
    async fn start(config: EnvoyConfig) -> Result<Self> {
        let binary = envoy_binary()?;
        let folder = tempfile::Builder::new().prefix("envoy-test-").tempdir()?;
        let root = folder.path();
        let clusters = Arc::new(ResourceFile::new(root, "clusters")?);
        let listeners = Arc::new(ResourceFile::new(root, "listeners.all")?);
        let mut bootstrap = json!({
            "node": {"id": "envoy-test", "cluster": "envoy-test"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "dynamic_resources": {"cds_config": clusters.config_source(), "lds_config": listeners.config_source()},
        });
        merge(&mut bootstrap, config.bootstrap);
        fs::write(root.join("bootstrap.json"), bootstrap.to_string())?;
        let log = Log::new(root.join("envoy.log"));
        let mut command = config.launcher;
        command.push(binary.into_os_string());
        for (flag, value) in [
            ("--config-path", root.join("bootstrap.json").into_os_string()),
            ("--admin-address-path", root.join("admin").into_os_string()),
            ("--concurrency", config.concurrency.to_string().into()),
            // Access logs at once, not every ten seconds.
            ("--file-flush-interval-msec", "20".into()),
            ("--drain-time-s", "1".into()),
        ] {
            command.extend([flag.into(), value]);
        }
        // Nothing shared with other Envoys of this machine; and a field that Envoy does not know is a mistake.
        command.extend(["--disable-hot-restart".into(), "--reject-unknown-dynamic-fields".into()]);
        let process = Process::start(&command, log.path(), root)?;
        let address = process.admin_address(&root.join("admin"), &log, config.patience).await?;
        let admin = Admin::new(address, config.patience);
        let envoy = Self {
            process,
            admin,
            log,
            clusters,
            listeners,
            echoes: tokio::sync::Mutex::default(),
            count: AtomicUsize::new(0),
            adding: tokio::sync::Mutex::default(),
            keep: AtomicBool::new(false),
            folder: Some(folder),
        };
        envoy.echoes(["default"]).await?;
        envoy.admin.until("Envoy is ready", async || Ok(envoy.admin.get("/ready").await.is_ok().then_some(()))).await?;
        Ok(envoy)
    }

    /// The admin interface.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Envoy's log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Envoy's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its folder: configuration, logs.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// Leaves the folder when Envoy ends, for whoever wants to know why a test failed.
    pub fn keep_folder(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Upstreams that only echo, with exactly these names. Tests may share them: a name that is there already is fine.
    pub async fn echoes<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut echoes = self.echoes.lock().await;
        for name in names {
            if !echoes.iter().any(|echo| echo.name() == name) {
                echoes.push(self.add_upstream(UpstreamConfig::new(name).exact_name()).await?);
            }
        }
        Ok(())
    }

    /// An upstream for one test alone, that can be counted and scripted. Its [name](Upstream::name) is this one and a
    /// number.
    pub async fn upstream(&self, name: &str) -> Result<Upstream> {
        self.add_upstream(UpstreamConfig::new(name)).await
    }

    /// An upstream that is more than an echo with one endpoint.
    pub async fn add_upstream(&self, config: UpstreamConfig) -> Result<Upstream> {
        let _adding = self.adding.lock().await;
        let name = if config.exact_name { config.name.clone() } else { format!("{}-{}", config.name, self.next()) };
        if self.clusters.contains(&name) {
            bail!("there is an upstream {name} already");
        }
        let (mark, refusals) = (self.log.mark(), self.refusals(CLUSTERS).await?);
        let upstream = Upstream::start(&config, name.clone(), Arc::clone(&self.clusters))?;
        let known = async || {
            let found = self.admin.dump("dynamic_active_clusters", &name).await?;
            if self.refusals(CLUSTERS).await? > refusals {
                bail!("Envoy refused the cluster {name}:\n{}", self.log.complaints(mark));
            }
            Ok(found)
        };
        self.admin.until(&format!("Envoy knows the cluster {name}"), known).await?;
        Ok(upstream)
    }

    /// A new listener, when it is active; or the error that Envoy gave.
    pub async fn add_listener(&self, config: ListenerConfig) -> Result<Listener> {
        let adding = self.adding.lock().await;
        // All of one length, so that no name is a part of another in the log.
        let name = format!("listener-{:05}", self.next());
        let folder = self.folder().join(&name);
        let policies = ResourceFile::new(&folder, "policy")?;
        if let Some(module) = &config.module {
            policies.insert(&name, config.filter(&name, module, &config.policy))?;
        }
        let access_log = folder.join("access.log");
        let resource = config.resource(&name, policies.config_source(), &access_log);
        let (admin, log) = (self.admin.clone(), self.log.clone());
        let (mark, refusals) = (log.mark(), self.refusals(LISTENERS).await?);
        let parts = Parts { config, admin, log, listeners: Arc::clone(&self.listeners), policies, access_log };
        // From here on it is taken out of Envoy again when something goes wrong.
        let mut listener = Listener { name, address: SocketAddr::from(([127, 0, 0, 1], 0)), parts };
        self.listeners.insert(&listener.name, resource)?;

        let known = async || {
            let found = self.admin.dump("dynamic_listeners", &listener.name).await?;
            if self.refusals(LISTENERS).await? > refusals {
                bail!("Envoy refused {listener:?}:\n{}", self.log.complaints(mark));
            }
            Ok(found)
        };
        self.admin.until(&format!("Envoy knows {}", listener.name), known).await?;
        drop(adding);

        let active = async || {
            if listener.parts.config.module.is_some() {
                let outcomes = Outcomes::read(&self.admin, &listener.name).await?;
                if outcomes.refused > 0 {
                    bail!("Envoy refused the filter:\n{}", listener.log_since(mark).join("\n"));
                }
                if outcomes.accepted == 0 {
                    return Ok(None);
                }
            }
            self.address_of(&listener.name).await
        };
        listener.address = self.admin.until(&format!("{} is active", listener.name), active).await?;
        Ok(listener)
    }

    /// How often Envoy has refused what one of its files says.
    async fn refusals(&self, file: &str) -> Result<u64> {
        let stats = self.admin.stats(file).await?;
        Ok(["update_rejected", "update_failure"].iter().filter_map(|name| stats.get(&format!("{file}.{name}"))).sum())
    }

    /// Where a listener listens, once it does.
    async fn address_of(&self, listener: &str) -> Result<Option<SocketAddr>> {
        let all: Value = serde_json::from_str(&self.admin.get("/listeners?format=json").await?)?;
        let statuses = all["listener_statuses"].as_array().context("no listener_statuses")?;
        let Some(own) = statuses.iter().find(|status| status["name"] == listener) else {
            return Ok(None);
        };
        let address = &own["local_address"]["socket_address"];
        let port = address["port_value"].as_u64().and_then(|port| u16::try_from(port).ok());
        port.map(|port| Some(SocketAddr::from(([127, 0, 0, 1], port)))).ok_or_else(|| anyhow!("no port in {own}"))
    }

    fn next(&self) -> usize {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.process.stop();
        if self.keep.load(Ordering::Relaxed)
            && let Some(folder) = self.folder.take()
        {
            eprintln!("\nEnvoy's last log entries:\n{}", self.log.tail(40).join("\n"));
            eprintln!("\nEnvoy's configuration and logs are kept in {}", folder.keep().display());
        }
    }
}
