//! The front proxy of examples/front-proxy: its Envoy, its services and its policy file, running.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Result, bail};
use envoy_test::{Example, workspace};
use serde_json::json;

use crate::services::Services;

pub use envoy_test::RunningExample as FrontProxy;

/// A request that carries this header learns from the same header of the response which rule decided: policy.yaml's
/// `debug`.
pub const EXPLAIN: &str = "x-pointsman-explain";

/// Starts the services and Envoy with the files of the example; the policy is a copy, to be edited. They take the ports
/// of envoy.yaml, or free ones.
pub async fn start(ports_as_written: bool) -> Result<(Services, FrontProxy)> {
    let mut example = Example::read("front-proxy")?;
    if ports_as_written {
        example.ports()?.into_iter().try_for_each(check_free)?;
    } else {
        example.take_free_ports()?;
    }
    let clusters = example.clusters()?;
    let services = Services::start(&clusters, !ports_as_written).await?;
    for cluster in &clusters {
        example.endpoint(cluster)?["port_value"] = json!(services.ports.get(cluster));
    }
    Ok((services, example.start().await?))
}

/// The edits as sed has them.
pub fn sed(edits: &[(&str, &str)]) -> String {
    let commands: Vec<String> = edits.iter().map(|(from, to)| format!("s/{from}/{to}/")).collect();
    commands.join("; ")
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

fn check_free(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "cannot listen on port {port} ({error}): stop what does (another demo?), or run `make tour`, which takes \
             free ports"
        ),
    }
}
