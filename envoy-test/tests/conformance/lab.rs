//! An Envoy and the upstreams of the cases that have run on it, which later ones use again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use envoy_test::{Envoy, EnvoyConfig, Reply, Upstream, UpstreamConfig};

use crate::case::{Request, UpstreamBehavior};

/// See the module. A lab belongs to one case at a time.
pub struct Lab {
    // Before the Envoy that they are told to.
    upstreams: BTreeMap<String, Upstream>,
    pub envoy: Envoy,
}

/// How often each upstream was asked, by its cluster.
pub type Hits = BTreeMap<String, usize>;

impl Lab {
    pub async fn new() -> Result<Self> {
        Ok(Self { upstreams: BTreeMap::new(), envoy: EnvoyConfig::new().start().await? })
    }

    /// There is an upstream for each of the clusters, and it does what the request wants of upstreams.
    pub async fn prepare(&mut self, clusters: &[String], request: &Request) -> Result<()> {
        for cluster in clusters.iter().filter(|cluster| *cluster != "default") {
            if !self.upstreams.contains_key(cluster) {
                let upstream = self.envoy.add_upstream(UpstreamConfig::new(cluster).exact_name()).await?;
                self.upstreams.insert(cluster.clone(), upstream);
            }
        }
        let reply = |status: u16| -> Result<Reply> {
            let mut reply = Reply::status(status).after(Duration::from_millis(request.upstream_delay_ms));
            for (name, value) in request.upstream_response_headers.lines()? {
                reply = reply.header(name, value);
            }
            Ok(reply)
        };
        for upstream in self.upstreams.values() {
            match request.upstream_behavior {
                None => upstream.script([reply(200)?]),
                Some(UpstreamBehavior { respond, succeed_after_failures: None }) => upstream.script([reply(respond)?]),
                Some(UpstreamBehavior { respond, succeed_after_failures: Some(failures) }) => {
                    upstream.script([reply(respond)?.times(failures), reply(200)?]);
                }
            }
        }
        Ok(())
    }

    /// How often each upstream was asked so far, when nothing is under way any more: mirrored requests are nobody's to
    /// wait for but ours.
    pub async fn hits(&self) -> Result<Hits> {
        let idle = async || {
            let active = self.envoy.admin().stats("cluster.").await?;
            let is_active = |(name, count): (&String, &u64)| {
                *count > 0 && (name.ends_with(".upstream_rq_active") || name.ends_with(".upstream_rq_pending_active"))
            };
            Ok((!active.iter().any(is_active)).then_some(()))
        };
        self.envoy.admin().until("no request is under way", idle).await?;
        Ok(self.upstreams.iter().map(|(name, upstream)| (name.clone(), upstream.requests())).collect())
    }

    /// An address of our own for that port: other labs and other services may use the port, too.
    pub fn address_for(&self, port: u16) -> Result<Option<std::net::SocketAddr>> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let loopback = std::net::Ipv4Addr::from(0x7f01_0000 + next);
        match std::net::TcpListener::bind((loopback, port)) {
            Ok(free) => Ok(Some(free.local_addr()?)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => bail!("{loopback}:{port}: {error}"),
        }
    }
}
