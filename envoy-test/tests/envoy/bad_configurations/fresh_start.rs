//! A process that is started with a bad configuration does not come up.

use std::time::Duration;

use anyhow::{Context as _, Result};
use envoy_test::{Envoy, Test, envoy_binary, module, tests, workspace};
use tokio::process::Command;

use super::corpus::cases;
use super::{expected, said};

pub fn tests() -> Vec<Test> {
    tests![a_process_does_not_start]
}

/// A bootstrap as somebody writes it, with room for the policy.
const BOOTSTRAP: &str = "
static_resources:
  listeners:
  - name: edge
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          route_config: {virtual_hosts: [{name: all, domains: ['*'], routes: []}]}
          http_filters:
          - name: pointsman
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: pointsman
                vm_config:
                  runtime: envoy.wasm.runtime.v8
                  code: {local: {filename: MODULE}}
                configuration:
                  '@type': type.googleapis.com/google.protobuf.Struct
                  value:
";

/// As it was pasted, comments and all: so it is Envoy that makes a tree of it here.
fn bootstrap(policy: &str) -> Result<String> {
    let module = module("pointsman")?;
    let mut text = BOOTSTRAP.replace("MODULE", &module.to_string_lossy());
    for line in policy.lines() {
        text += &format!("                    {line}\n");
    }
    text += "          - name: envoy.filters.http.router\n            typed_config:\n              ";
    text += "'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\n";
    Ok(text)
}

async fn a_process_does_not_start(_: &Envoy) -> Result<()> {
    for name in [
        "match-values-without-quotes.yaml",
        "sections-unreleased.yaml",
        "several-ten-mistakes.yaml",
        "match-regex-not-re2.yaml",
    ] {
        let case = cases().into_iter().find(|case| case.name == name).context(name)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("envoy.yaml");
        let policy = std::fs::read_to_string(workspace().join("envoy-test/configurations/bad").join(name))?;
        std::fs::write(&file, bootstrap(&policy)?)?;
        let mut envoy = Command::new(envoy_binary()?);
        envoy.arg("--config-path").arg(&file).args(["--concurrency", "1", "--disable-hot-restart"]);
        let ended = tokio::time::timeout(Duration::from_secs(60), envoy.kill_on_drop(true).output());
        let output = ended.await.with_context(|| format!("{name}: Envoy runs with it"))??;
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name}: {log}");
        assert_eq!(said(&log), expected(&case), "{name}: {log}");
    }
    Ok(())
}
