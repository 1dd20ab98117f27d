//! A listener of the running Envoy: where requests go, and what becomes of its policy.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::admin::Admin;
use crate::client::{self, Connection, Request};
use crate::discovery::ResourceFile;
use crate::listener_config::{ListenerConfig, Policy};
use crate::log::{Log, Mark};

/// A listener with its own port, policy and routes. It goes when it is dropped.
pub struct Listener {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) parts: Parts,
}

/// What a listener needs of its Envoy.
pub(crate) struct Parts {
    pub(crate) config: ListenerConfig,
    pub(crate) admin: Admin,
    pub(crate) log: Log,
    pub(crate) listeners: Arc<ResourceFile>,
    pub(crate) policies: ResourceFile,
    pub(crate) access_log: PathBuf,
}

impl Listener {
    /// The listener's name, which is its filter's as well; it stands in the log lines of both.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A `GET` of this path: `listener.get("/x").header("k", "v").send().await?`.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// A `POST` to this path.
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// A request of any method.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// A connection for several requests, in HTTP/1.1.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address, false).await
    }

    /// A connection for several requests, in HTTP/2.
    pub async fn connect_http2(&self) -> Result<Connection> {
        Connection::open(self.address, true).await
    }

    /// Sends bytes that need not be a request; see [`send_raw`](crate::send_raw).
    pub async fn send_raw(&self, bytes: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        client::send_raw(self.address, bytes.as_ref()).await
    }

    /// A place in the log, for [`log_since`](Self::log_since).
    pub fn mark(&self) -> Mark {
        self.parts.log.mark()
    }

    /// What Envoy and the module have logged about this listener since the mark.
    pub fn log_since(&self, mark: Mark) -> Vec<String> {
        self.parts.log.since(mark).into_iter().filter(|entry| entry.contains(&self.name)).collect()
    }

    /// Waits until an entry about this listener since the mark has this text in it, and returns that entry.
    pub async fn logged(&self, mark: Mark, text: &str) -> Result<String> {
        let ask = async || Ok(self.log_since(mark).into_iter().find(|entry| entry.contains(text)));
        self.parts.admin.until(&format!("the log says {text:?} of {}", self.name), ask).await
    }

    /// The access log's lines, once there are at least so many (Envoy writes them after the answer).
    pub async fn access_log(&self, lines: usize) -> Result<Vec<Value>> {
        let ask = async || {
            let text = fs::read_to_string(&self.parts.access_log).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let found = whole.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
            Ok((found.len() >= lines).then_some(found))
        };
        self.parts.admin.until(&format!("{} has logged {lines} requests", self.name), ask).await
    }

    /// Gives the module another policy: renames its file into place and waits until Envoy has taken or refused it.
    pub async fn update_policy(&self, policy: impl Into<Policy>) -> Result<Update> {
        let Some(module) = &self.parts.config.module else { bail!("{} has no module", self.name) };
        let mark = self.mark();
        let before = Outcomes::read(&self.parts.admin, &self.name).await?;
        let filter = self.parts.config.filter(&self.name, module, &policy.into());
        self.parts.policies.insert(&self.name, filter)?;
        let ask = async || {
            let now = Outcomes::read(&self.parts.admin, &self.name).await?;
            Ok(match (now.accepted > before.accepted, now.refused > before.refused) {
                (_, true) => Some(true),
                (true, false) => Some(false),
                (false, false) => None,
            })
        };
        let refused = self.parts.admin.until(&format!("{} has the new policy", self.name), ask).await?;
        let log = self.log_since(mark);
        Ok(if refused { Update::Rejected { log } } else { Update::Accepted { log } })
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.name, self.address)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Without the folder there is no Envoy any more that would care.
        let _ = self.parts.listeners.remove(&self.name);
    }
}

/// What became of a new policy, with what was logged about it.
#[derive(Debug, Clone)]
pub enum Update {
    /// It is in force.
    Accepted {
        /// What Envoy and the module logged about this listener.
        log: Vec<String>,
    },
    /// The old one stays.
    Rejected {
        /// What Envoy and the module logged about this listener.
        log: Vec<String>,
    },
}

impl Update {
    /// What was logged; panics if the policy was refused.
    #[track_caller]
    pub fn accepted(self) -> String {
        match self {
            Self::Accepted { log } => log.join("\n"),
            Self::Rejected { log } => panic!("the policy was refused:\n{}", log.join("\n")),
        }
    }

    /// What was logged; panics if the policy was accepted.
    #[track_caller]
    pub fn rejected(self) -> String {
        match self {
            Self::Accepted { log } => panic!("the policy was accepted:\n{}", log.join("\n")),
            Self::Rejected { log } => log.join("\n"),
        }
    }
}

/// How often Envoy has taken or refused a listener's policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcomes {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
}

impl Outcomes {
    pub(crate) async fn read(admin: &Admin, listener: &str) -> Result<Self> {
        let prefix = format!("extension_config_discovery.http_filter.{listener}.");
        let stats = admin.stats(&prefix).await.with_context(|| format!("the counters of {listener}"))?;
        let count = |name: &str| stats.get(&format!("{prefix}{name}")).copied().unwrap_or(0);
        // An unreadable file fails, a policy that the module does not like is rejected.
        Ok(Self { accepted: count("update_success"), refused: count("update_rejected") + count("update_failure") })
    }
}
