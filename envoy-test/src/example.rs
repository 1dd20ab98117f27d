//! The files of a folder in `examples/`, run elsewhere than they were written for: on free ports, with the services of
//! whoever runs them, and with a copy of the policy, to be edited.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Connection;
use crate::envoy::{Envoy, EnvoyConfig};
use crate::paths::{module, workspace};

const LISTENER: &str = "/static_resources/listeners/0/address/socket_address";
const POLICY: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0\
                      /config_discovery/config_source/path_config_source";
const ADMIN: &str = "/admin/address/socket_address";

/// An example, read.
pub struct Example {
    folder: PathBuf,
    config: Value,
}

impl Example {
    /// Reads `envoy.yaml` of `examples/NAME`. Its listener is for this machine alone.
    pub fn read(name: &str) -> Result<Self> {
        let folder = workspace().join("examples").join(name);
        let path = folder.join("envoy.yaml");
        let shown = || path.display().to_string();
        let text = fs::read_to_string(&path).with_context(shown)?;
        let mut example = Self { config: serde_yaml_ng::from_str(&text).with_context(shown)?, folder };
        example.part(LISTENER)?["address"] = json!("127.0.0.1");
        Ok(example)
    }

    /// Envoy's listener and admin interface take free ports instead of their own.
    pub fn take_free_ports(&mut self) -> Result<()> {
        for address in [LISTENER, ADMIN] {
            self.part(address)?["port_value"] = json!(0);
        }
        Ok(())
    }

    /// The ports of Envoy's listener and admin interface.
    pub fn ports(&mut self) -> Result<[u16; 2]> {
        let mut ports = [0; 2];
        for (port, address) in ports.iter_mut().zip([LISTENER, ADMIN]) {
            let written = self.part(address)?["port_value"].as_u64();
            *port = written.context("no port")?.try_into().context("no port")?;
        }
        Ok(ports)
    }

    /// A cluster's configuration, by its name.
    pub fn cluster(&mut self, name: &str) -> Result<&mut Value> {
        let clusters = self.part("/static_resources/clusters")?.as_array_mut();
        let found = clusters.into_iter().flatten().find(|cluster| cluster["name"] == name);
        found.with_context(|| format!("the example has no cluster {name}"))
    }

    /// The names of its clusters.
    pub fn clusters(&mut self) -> Result<Vec<String>> {
        let clusters = self.part("/static_resources/clusters")?.as_array();
        let names = clusters.into_iter().flatten().filter_map(|cluster| cluster["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// The address of a cluster's only endpoint.
    pub fn endpoint(&mut self, cluster: &str) -> Result<&mut Value> {
        self.cluster(cluster)?
            .pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address")
            .with_context(|| format!("the cluster {cluster} has no endpoint"))
    }

    /// Starts Envoy, with a copy of the example's `policy.yaml`.
    pub async fn start(mut self) -> Result<RunningExample> {
        let policies = tempfile::Builder::new().prefix("pointsman-example-").tempdir()?;
        let (folder, path) = (policies.path(), policies.path().join("policy.yaml"));
        *self.part(POLICY)? = json!({"path": path, "watched_directory": {"path": folder}});
        let original = self.folder.join("policy.yaml");
        let policy = fs::read_to_string(&original).with_context(|| original.display().to_string())?;
        // Envoy looks for relative names where it was started, and this one is not started in the checkout.
        let policy = policy.replace("dist/pointsman.wasm", &module("pointsman")?.display().to_string());
        rename_into_place(&path, &policy)?;

        let envoy = EnvoyConfig::new().bootstrap(self.config).start().await?;
        let example = RunningExample { address: address(&envoy).await?, envoy, policy, policies };
        if example.outcomes().await?.accepted == 0 {
            bail!("Envoy refused the policy:\n{}", example.envoy.log().tail(20).join("\n"));
        }
        Ok(example)
    }

    fn part(&mut self, pointer: &str) -> Result<&mut Value> {
        let Self { folder, config } = self;
        let part = config.pointer_mut(pointer);
        part.with_context(|| format!("{}/envoy.yaml has no {pointer}", folder.display()))
    }
}

/// An example's Envoy, which ends when this is dropped, and its policy file.
pub struct RunningExample {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process.
    pub envoy: Envoy,
    policy: String,
    policies: TempDir,
}

/// How often Envoy has taken or refused a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcomes {
    /// Taken.
    pub accepted: u64,
    /// Refused.
    pub refused: u64,
}

impl RunningExample {
    /// A connection of HTTP/1.1 to its listener.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address, false).await
    }

    /// Where the copy of the policy is.
    pub fn policy_path(&self) -> PathBuf {
        self.policies.path().join("policy.yaml")
    }

    /// Replaces text of the example's policy and waits until Envoy has taken or refused the result: None, or what it
    /// logged.
    pub async fn edit_policy(&self, edits: &[(&str, &str)]) -> Result<Option<String>> {
        let mut policy = self.policy.clone();
        for (from, to) in edits {
            match policy.matches(from).count() {
                1 => policy = policy.replace(from, to),
                count => bail!("the example's policy.yaml has {from:?} {count} times, expected once"),
            }
        }
        let (before, mark) = (self.outcomes().await?, self.envoy.log().mark());
        rename_into_place(&self.policy_path(), &policy)?;
        let decided = async || {
            let now = self.outcomes().await?;
            Ok((now.accepted > before.accepted || now.refused > before.refused).then_some(now))
        };
        let admin = self.envoy.admin();
        let now = admin.until("Envoy has taken or refused the policy", decided).await?;
        Ok((now.refused > before.refused).then(|| self.envoy.log().since(mark).join("\n")))
    }

    /// The example's policy again, as it is.
    pub async fn restore_policy(&self) -> Result<()> {
        match self.edit_policy(&[]).await? {
            None => Ok(()),
            Some(why) => Err(anyhow!("Envoy refused the policy that it had before:\n{why}")),
        }
    }

    /// How often Envoy has taken or refused a policy.
    pub async fn outcomes(&self) -> Result<Outcomes> {
        let prefix = "extension_config_discovery.http_filter.pointsman.";
        let stats = self.envoy.admin().stats(prefix).await?;
        let count = |name: &str| stats.get(&format!("{prefix}{name}")).copied().unwrap_or(0);
        Ok(Outcomes { accepted: count("update_success"), refused: count("update_rejected") + count("update_failure") })
    }
}

/// Envoy reads a file when something is renamed into its folder, so it never sees half of one.
fn rename_into_place(path: &Path, text: &str) -> Result<()> {
    let staged = path.with_extension("new");
    fs::write(&staged, text).with_context(|| format!("cannot write {}", staged.display()))?;
    fs::rename(&staged, path).with_context(|| format!("cannot replace {}", path.display()))
}

async fn address(envoy: &Envoy) -> Result<SocketAddr> {
    let all: Value = serde_json::from_str(&envoy.admin().get("/listeners?format=json").await?)?;
    let port = all.pointer("/listener_statuses/0/local_address/socket_address/port_value").and_then(Value::as_u64);
    let port = port.and_then(|port| u16::try_from(port).ok());
    let port = port.with_context(|| format!("Envoy does not listen: {all}"))?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}
