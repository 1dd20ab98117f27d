//! An upstream that reads bytes and answers with bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use envoy_test::{Envoy, Upstream, UpstreamConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is closed.
    Close,
    /// It is reset (RST).
    Reset,
    /// What comes is sent back until the other side closes.
    EchoBytes,
}

/// What it answers, once a request's head is there, and how the connection then ends.
#[derive(Debug, Clone)]
pub struct Script {
    pub bytes: Vec<u8>,
    pub end: End,
}

/// It answers each connection's first request. It ends when it is dropped.
pub struct RawUpstream {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    script: Arc<Mutex<Script>>,
    _server: JoinSet<()>,
}

impl RawUpstream {
    /// One that answers as the script says.
    pub async fn start(script: Script) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let script = Arc::new(Mutex::new(script));
        let mut server = JoinSet::new();
        let parts = (Arc::clone(&heads), Arc::clone(&script));
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (heads, script) = (Arc::clone(&parts.0), Arc::clone(&parts.1));
                connections.spawn(async move {
                    // A connection that breaks is what these tests are about.
                    let _ = serve(stream, &heads, &script).await;
                });
            }
        });
        Ok(Self { address, heads, script, _server: server })
    }

    /// One that answers 200 to everything.
    pub async fn counting() -> Result<Self> {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
        Self::start(Script { bytes, end: End::Close }).await
    }

    /// From now on it answers so.
    pub fn set(&self, bytes: &[u8], end: End) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Script { bytes: bytes.to_vec(), end };
    }

    /// Its cluster. The upstream of the harness that it is made of is never asked.
    pub async fn cluster(&self, envoy: &Envoy) -> Result<Upstream> {
        envoy.add_upstream(self.point_here(UpstreamConfig::new("raw"))).await
    }

    /// The same where Envoy speaks HTTP/2.
    pub async fn http2_cluster(&self, envoy: &Envoy) -> Result<Upstream> {
        envoy.add_upstream(self.point_here(UpstreamConfig::new("raw-http2").http2())).await
    }

    fn point_here(&self, config: UpstreamConfig) -> UpstreamConfig {
        let address =
            json!({"socket_address": {"address": self.address.ip().to_string(), "port_value": self.address.port()}});
        config.cluster(
            json!({"load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}}),
        )
    }

    /// The heads of the requests so far, in HTTP/1.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut stream: TcpStream, heads: &Mutex<Vec<String>>, script: &Mutex<Script>) -> Result<()> {
    let mut received = Vec::new();
    let is_http2 =
        |received: &[u8]| received.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") && received.len() > 24 + 9;
    while !received.windows(4).any(|four| four == b"\r\n\r\n") || received.starts_with(b"PRI") && !is_http2(&received) {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
    let head = received.iter().copied().map(char::from).collect();
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    let script = script.lock().unwrap_or_else(PoisonError::into_inner).clone();
    stream.write_all(&script.bytes).await?;
    match script.end {
        End::Close => stream.shutdown().await?,
        End::Reset => stream.set_zero_linger()?,
        End::EchoBytes => {
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await?;
        }
    }
    Ok(())
}
