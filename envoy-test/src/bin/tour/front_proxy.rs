//! The front proxy of examples/front-proxy: its Envoy, its services and its policy file, running.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use envoy_test::{Connection, Envoy, EnvoyConfig, module, workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::services::Services;

/// A request that carries this header learns from the same header of the response which rule decided: policy.yaml's
/// `debug`.
pub const EXPLAIN: &str = "x-pointsman-explain";

const LISTENER: &str = "/static_resources/listeners/0/address/socket_address";
const POLICY: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0\
                      /config_discovery/config_source/path_config_source";
const ADMIN: &str = "/admin/address/socket_address";
const CLUSTERS: &str = "/static_resources/clusters";
const ENDPOINT: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";

/// Everything in it ends when it is dropped.
pub struct FrontProxy {
    pub address: SocketAddr,
    pub envoy: Envoy,
    policy: String,
    policies: TempDir,
    _services: Services,
}

impl FrontProxy {
    /// Starts the services and Envoy with the files of the example; the policy is a copy, to be edited. They take the
    /// ports of envoy.yaml, or free ones.
    pub async fn start(ports_as_written: bool) -> Result<Self> {
        let text = fs::read_to_string(example("envoy.yaml")).context("examples/front-proxy/envoy.yaml")?;
        let mut config: Value = serde_yaml_ng::from_str(&text).context("examples/front-proxy/envoy.yaml")?;
        if ports_as_written {
            check_free(part(&mut config, LISTENER)?)?;
            check_free(part(&mut config, ADMIN)?)?;
        } else {
            part(&mut config, LISTENER)?["port_value"] = json!(0);
            part(&mut config, ADMIN)?["port_value"] = json!(0);
        }
        // Nobody else's business, outside a container.
        part(&mut config, LISTENER)?["address"] = json!("127.0.0.1");

        let services = Services::start(&names(part(&mut config, CLUSTERS)?), !ports_as_written).await?;
        for cluster in part(&mut config, CLUSTERS)?.as_array_mut().into_iter().flatten() {
            let port = cluster["name"]
                .as_str()
                .and_then(|name| services.ports.get(name))
                .copied();
            part(cluster, ENDPOINT)?["port_value"] = json!(port);
        }

        let policies = tempfile::Builder::new().prefix("pointsman-tour-").tempdir()?;
        let (folder, path) = (policies.path(), policies.path().join("policy.yaml"));
        *part(&mut config, POLICY)? = json!({"path": path, "watched_directory": {"path": folder}});
        let policy = fs::read_to_string(example("policy.yaml")).context("examples/front-proxy/policy.yaml")?;
        // Envoy looks for relative names where it was started, and this one is not started in the checkout.
        let policy = policy.replace("dist/pointsman.wasm", &module("pointsman")?.display().to_string());
        rename_into_place(&path, &policy)?;

        let envoy = EnvoyConfig::new().bootstrap(config).start().await?;
        let address = address(&envoy).await?;
        let front_proxy = Self {
            address,
            envoy,
            policy,
            policies,
            _services: services,
        };
        if front_proxy.outcomes().await?.accepted == 0 {
            bail!(
                "Envoy refused the policy:\n{}",
                front_proxy.envoy.log().tail(20).join("\n")
            );
        }
        Ok(front_proxy)
    }

    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address, false).await
    }

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
                count => bail!("examples/front-proxy/policy.yaml has {from:?} {count} times, expected once"),
            }
        }
        let (before, mark) = (self.outcomes().await?, self.envoy.log().mark());
        rename_into_place(&self.policy_path(), &policy)?;
        let decided = async || {
            let now = self.outcomes().await?;
            Ok((now.accepted > before.accepted || now.refused > before.refused).then_some(now))
        };
        let now = self
            .envoy
            .admin()
            .until("Envoy has taken or refused the policy", decided)
            .await?;
        Ok((now.refused > before.refused).then(|| self.envoy.log().since(mark).join("\n")))
    }

    /// The example's policy again, as it is.
    pub async fn restore_policy(&self) -> Result<()> {
        match self.edit_policy(&[]).await? {
            None => Ok(()),
            Some(why) => Err(anyhow!("Envoy refused the policy that it had before:\n{why}")),
        }
    }

    pub async fn outcomes(&self) -> Result<Outcomes> {
        let prefix = "extension_config_discovery.http_filter.pointsman.";
        let stats = self.envoy.admin().stats(prefix).await?;
        let count = |name: &str| stats.get(&format!("{prefix}{name}")).copied().unwrap_or(0);
        Ok(Outcomes {
            accepted: count("update_success"),
            refused: count("update_rejected") + count("update_failure"),
        })
    }
}

/// How often Envoy has taken or refused a policy.
#[derive(Clone, Copy, PartialEq)]
pub struct Outcomes {
    accepted: u64,
    pub refused: u64,
}

/// The errors among what Envoy logged, in the module's own words.
pub fn reason(log: &str) -> String {
    let errors = log.lines().filter(|line| line.contains("[error][wasm]"));
    let own = errors.filter_map(|line| Some(line.split_once("wasm log ")?.1.split_once(": ")?.1));
    own.collect::<Vec<_>>().join("\n")
}

/// A file of the example.
pub fn example(file: &str) -> PathBuf {
    workspace().join("examples/front-proxy").join(file)
}

fn names(clusters: &Value) -> Vec<String> {
    let clusters = clusters.as_array().into_iter().flatten();
    clusters
        .filter_map(|cluster| Some(cluster["name"].as_str()?.to_owned()))
        .collect()
}

/// The part of Envoy's configuration that is there.
fn part<'a>(config: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    config
        .pointer_mut(pointer)
        .with_context(|| format!("examples/front-proxy/envoy.yaml has no {pointer}"))
}

fn check_free(socket_address: &Value) -> Result<()> {
    let port = socket_address["port_value"].as_u64().unwrap_or(0);
    let port = u16::try_from(port).context("a port of envoy.yaml")?;
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "cannot listen on port {port} ({error}): stop what does (another demo?), or run `make tour`, which takes \
             free ports"
        ),
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
    let port = all
        .pointer("/listener_statuses/0/local_address/socket_address/port_value")
        .and_then(Value::as_u64);
    let port = port.and_then(|port| u16::try_from(port).ok());
    let port = port.with_context(|| format!("Envoy does not listen: {all}"))?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}
