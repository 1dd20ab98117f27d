//! An Envoy and the upstreams of the cases that have run on it, which later ones use again.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use envoy_test::{Echo, Envoy, EnvoyConfig, Reply, Upstream, UpstreamConfig};

use crate::case::Request;

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

    /// There is an upstream for each of the clusters.
    pub async fn prepare(&mut self, clusters: &[String]) -> Result<()> {
        for cluster in clusters.iter().filter(|cluster| *cluster != "default") {
            if !self.upstreams.contains_key(cluster) {
                let upstream = self.envoy.add_upstream(UpstreamConfig::new(cluster).exact_name()).await?;
                self.upstreams.insert(cluster.clone(), upstream);
            }
        }
        Ok(())
    }

    /// The upstreams do what the request wants of them.
    pub fn script(&self, request: &Request) -> Result<()> {
        let reply = |status: u16| -> Result<Reply> {
            let mut reply = Reply::status(status).after(Duration::from_millis(request.upstream_delay_ms));
            for (name, value) in request.upstream_response_headers.lines()? {
                reply = reply.header(name, value);
            }
            Ok(reply)
        };
        let mut replies = Vec::new();
        for behavior in &request.upstream_behaviors {
            replies.push(reply(behavior.status())?.times(behavior.times().unwrap_or(1)));
        }
        if let Some(behavior) = &request.upstream_behavior {
            let reply = reply(behavior.status())?;
            replies.push(match behavior.times() {
                Some(times) => reply.times(times),
                None => reply,
            });
        }
        // What comes after all that.
        replies.push(reply(200)?);
        self.upstreams.values().for_each(|upstream| upstream.script(replies.clone()));
        Ok(())
    }

    /// What that upstream was asked last.
    pub fn last_request(&self, cluster: &str) -> Option<Echo> {
        self.upstreams.get(cluster)?.last_request()
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

    /// An address of our own for that port: other labs and other services may use the port, too. None: this user may not
    /// listen on it.
    pub fn address_for(&self, port: u16) -> Result<Option<SocketAddr>> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        loop {
            // Each process begins elsewhere in 127.0.0.0/8.
            let next = (std::process::id() << 8).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let loopback = Ipv4Addr::from(0x7f00_0000 | (next & 0x00ff_ffff));
            match TcpListener::bind((loopback, port)) {
                Ok(free) => return Ok(Some(free.local_addr()?)),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => bail!("{loopback}:{port}: {error}"),
            }
        }
    }
}
