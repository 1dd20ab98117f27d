//! The corpus as somebody pastes it into the file that Envoy watches: it is Envoy that makes a tree of the YAML.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use envoy_test::{Connection, Envoy, EnvoyConfig, Request, Test, module, routes, tests, workspace};
use serde_json::{Value, json};

use super::corpus::{Configuration, cases};
use super::{counters, expected, is_of_old_policy, old_policy, one_more_refused, said};

pub fn tests() -> Vec<Test> {
    tests![each_file_is_refused_as_it_was_pasted]
}

/// The file's text, with this policy as it stands.
fn file(module: &Path, policy: &str) -> String {
    let mut text = format!(
        "resources:
- '@type': type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
  name: pointsman
  typed_config:
    '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: pointsman
      vm_config: {{runtime: envoy.wasm.runtime.v8, code: {{local: {{filename: {}}}}}}}
      configuration:
        '@type': type.googleapis.com/google.protobuf.Struct
        value:
",
        module.display()
    );
    policy.lines().for_each(|line| text += &format!("          {line}\n"));
    text
}

/// A listener that stands in Envoy's own configuration, and a filter whose policy is in that folder.
fn bootstrap(folder: &Path) -> Value {
    json!({"static_resources": {"listeners": [{
        "name": "edge",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "edge",
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [routes::routed()]}]},
                "http_filters": [
                    {"name": "pointsman", "config_discovery": {
                        "config_source": {"path_config_source": {
                            "path": folder.join("policy.yaml"), "watched_directory": {"path": folder},
                        }},
                        "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
                    }},
                    {"name": "envoy.filters.http.router", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    }},
                ],
            },
        }]}],
    }]}})
}

/// Envoy takes a number for text if it has a point or an exponent, or more than 31 bits: the messages are others then.
fn has_numbers_for_text(tree: &Value) -> bool {
    match tree {
        Value::Number(number) => number.as_i64().is_none_or(|number| i32::try_from(number).is_err()),
        Value::Array(list) => list.iter().any(has_numbers_for_text),
        Value::Object(map) => map.values().any(has_numbers_for_text),
        _ => false,
    }
}

async fn each_file_is_refused_as_it_was_pasted(_: &Envoy) -> Result<()> {
    let module = module("pointsman")?;
    let (watched, staging) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let replace = |policy: &str| -> Result<()> {
        fs::write(staging.path().join("next.yaml"), file(&module, policy))?;
        Ok(fs::rename(staging.path().join("next.yaml"), watched.path().join("policy.yaml"))?)
    };
    replace(&old_policy().to_string())?;
    let envoy = EnvoyConfig::new().bootstrap(bootstrap(watched.path())).start().await?;
    envoy.echoes(["old"]).await?;
    let listeners: Value = serde_json::from_str(&envoy.admin().get("/listeners?format=json").await?)?;
    let port = &listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"];
    let port = port.as_u64().and_then(|port| u16::try_from(port).ok()).context("no port")?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut connection = Connection::open(address, false).await?;

    let mut files = 0;
    for case in cases() {
        let file = workspace().join("envoy-test/configurations/bad").join(&case.name);
        match &case.configuration {
            Configuration::Tree(tree) if file.is_file() && !has_numbers_for_text(tree) => {}
            _ => continue,
        }
        let (mark, before) = (envoy.log().mark(), counters(envoy.admin(), "pointsman").await?);
        replace(&fs::read_to_string(file)?)?;
        let counted = async || {
            let now = counters(envoy.admin(), "pointsman").await?;
            Ok((now != before).then_some(now))
        };
        let after = envoy.admin().until(&format!("Envoy has read {}", case.name), counted).await?;
        let log = envoy.log().since(mark).join("\n");
        assert_eq!(after, one_more_refused(&before), "{}: {log}", case.name);
        assert_eq!(said(&log), expected(&case), "{}", case.name);
        is_of_old_policy(&connection.send(Request::new(address, "GET", "/")).await?, &case.name);
        files += 1;
    }
    assert!(files >= 100, "{files}");
    Ok(())
}
