//! What a listener shall be, and the configuration that makes Envoy make it so.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::merge::merge;
use crate::routes;
use crate::tls::Tls;

/// A filter's configuration, as Envoy hands it over.
#[derive(Debug, Clone)]
pub enum Policy {
    /// YAML-native, a `google.protobuf.Struct`: how a user of plain Envoy writes it.
    Struct(Value),
    /// Text in a `StringValue`: how Istio sends it (JSON text).
    Text(String),
    /// Bytes in a `BytesValue`: what nobody sends, but might.
    Bytes(Vec<u8>),
    /// No configuration at all.
    Absent,
}

impl From<Value> for Policy {
    fn from(policy: Value) -> Self {
        Self::Struct(policy)
    }
}

impl From<&str> for Policy {
    fn from(policy: &str) -> Self {
        Self::Text(policy.to_owned())
    }
}

impl Policy {
    fn any(&self) -> Value {
        match self {
            Self::Struct(value) => json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": value}),
            Self::Text(text) => json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}),
            Self::Bytes(bytes) => {
                let bytes = base64::engine::general_purpose::STANDARD.encode(bytes);
                json!({"@type": "type.googleapis.com/google.protobuf.BytesValue", "value": bytes})
            }
            Self::Absent => Value::Null,
        }
    }
}

/// What a listener shall be. As it comes: no module, and the routes of every example in front of the user's own route to
/// the upstream `default`.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    pub(crate) module: Option<PathBuf>,
    pub(crate) policy: Policy,
    vm_id: Option<String>,
    plugin: Value,
    routes: Vec<Value>,
    access_log: Value,
    filters_before: Vec<Value>,
    filters_after: Vec<Value>,
    manager: Value,
    listener: Value,
    transport_socket: Value,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            module: None,
            policy: Policy::Absent,
            vm_id: None,
            plugin: json!({}),
            routes: routes::usual("default"),
            access_log: json!({
                "code": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "route": "%ROUTE_NAME%",
                "cluster": "%UPSTREAM_CLUSTER_RAW%",
                "method": "%REQ(:METHOD)%",
                "path": "%REQ(:PATH)%",
            }),
            filters_before: Vec::new(),
            filters_after: Vec::new(),
            manager: json!({}),
            listener: json!({}),
            transport_socket: Value::Null,
        }
    }
}

impl ListenerConfig {
    /// A listener without a module.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs this .wasm file as the first filter: [`module`](crate::module) and [`test_module`](crate::test_module) know
    /// where they are.
    pub fn module(mut self, wasm: impl Into<PathBuf>) -> Self {
        self.module = Some(wasm.into());
        self
    }

    /// The module's configuration: JSON (a Struct), text (a StringValue), or any [`Policy`].
    pub fn policy(mut self, policy: impl Into<Policy>) -> Self {
        self.policy = policy.into();
        self
    }

    /// The VM's id. Modules with the same id and code share their VM, its shared data and its fate; without this, each
    /// listener has an id of its own, so that tests do not meddle with each other.
    pub fn vm_id(mut self, id: &str) -> Self {
        self.vm_id = Some(id.to_owned());
        self
    }

    /// Merged into Envoy's `PluginConfig`: `json!({"failure_policy": "FAIL_CLOSED"})`. A `null` takes a field away.
    pub fn plugin(mut self, fields: Value) -> Self {
        merge(&mut self.plugin, fields);
        self
    }

    /// The routes instead of the default ones; [`routes`] has the usual ones.
    pub fn routes(mut self, routes: impl IntoIterator<Item = Value>) -> Self {
        self.routes = routes.into_iter().collect();
        self
    }

    /// Merged into the JSON format of the access log: `json!({"rule": "%FILTER_STATE(wasm.pointsman.rule:PLAIN)%"})`.
    pub fn access_log(mut self, fields: Value) -> Self {
        merge(&mut self.access_log, fields);
        self
    }

    /// A filter in front of the module.
    pub fn filter_before(mut self, filter: Value) -> Self {
        self.filters_before.push(filter);
        self
    }

    /// A filter between the module and the router.
    pub fn filter_after(mut self, filter: Value) -> Self {
        self.filters_after.push(filter);
        self
    }

    /// Merged into the HTTP connection manager: `json!({"merge_slashes": true})`. A `null` takes a field away.
    pub fn manager(mut self, fields: Value) -> Self {
        merge(&mut self.manager, fields);
        self
    }

    /// Merged into the listener itself: `json!({"per_connection_buffer_limit_bytes": 32768})`.
    pub fn listener(mut self, fields: Value) -> Self {
        merge(&mut self.listener, fields);
        self
    }

    /// Speaks TLS with its clients.
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.transport_socket = tls.transport_socket();
        self
    }

    /// The listener as Envoy reads it. Its filter is called like the listener and its configuration comes from `policies`.
    pub(crate) fn resource(&self, name: &str, policies: Value, access_log: &Path) -> Value {
        let own = self.module.is_some().then(|| {
            json!({
                "name": name,
                "config_discovery": {
                    "config_source": policies,
                    "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
                },
            })
        });
        let router = json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        });
        let (before, after) = (self.filters_before.iter().cloned(), self.filters_after.iter().cloned());
        let filters: Vec<Value> = before.chain(own).chain(after).chain([router]).collect();
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "normalize_path": true,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": self.routes}]},
            "http_filters": filters,
            "access_log": [{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": access_log,
                    "log_format": {"json_format": self.access_log},
                },
            }],
        });
        merge(&mut manager, self.manager.clone());
        let mut listener = json!({
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": name,
            // Envoy chooses a free port and says which.
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{
                "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
                "transport_socket": self.transport_socket,
            }],
        });
        merge(&mut listener, self.listener.clone());
        listener
    }

    /// The filter's configuration as Envoy reads it, with this policy.
    pub(crate) fn filter(&self, name: &str, module: &Path, policy: &Policy) -> Value {
        let mut plugin = json!({
            "name": name,
            "root_id": name,
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "vm_id": self.vm_id.as_deref().unwrap_or(name),
                "code": {"local": {"filename": module}},
            },
        });
        merge(&mut plugin, json!({"configuration": policy.any()}));
        merge(&mut plugin, self.plugin.clone());
        json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": name,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin,
            },
        })
    }
}
