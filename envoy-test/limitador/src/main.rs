//! A rate-limit service over the `limitador` crate, which answers as limitador's own server does (that is no crate) with
//! `--rate-limit-headers DRAFT_VERSION_03`.
//!
//! `limitador-server ADDRESS LIMITS`: the path of a Unix socket, or an IP address and a port; and a file of limits as
//! limitador has them, in JSON: `[{"namespace": "edge", "max_value": 3, "seconds": 60, "conditions": [], "variables":
//! ["descriptors[0].user"]}]`.

mod service;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use limitador::RateLimiter;
use limitador::limit::Limit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// So many counters of values that come and go.
const MOST_COUNTERS: u64 = 10_000;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, limits] = &arguments[..] else { bail!("usage: limitador-server ADDRESS LIMITS") };
    let text = std::fs::read(limits).with_context(|| format!("cannot read {limits}"))?;
    let limits: Vec<Limit> = serde_json::from_slice(&text).with_context(|| format!("{limits} has no limits"))?;
    let limiter = RateLimiter::new(MOST_COUNTERS);
    limiter.configure_with(limits).map_err(|error| anyhow!("limitador refuses the limits: {error}"))?;
    let limiter = Arc::new(limiter);
    match address.parse::<SocketAddr>() {
        Ok(address) => {
            let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                serve(stream, &limiter);
            }
        }
        Err(_) => {
            let listener = UnixListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
            loop {
                serve(listener.accept().await?.0, &limiter);
            }
        }
    }
}

fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, limiter: &Arc<RateLimiter>) {
    let limiter = Arc::clone(limiter);
    let answer = service_fn(move |request| service::answer(Arc::clone(&limiter), request));
    // A client that goes is no news.
    tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer));
}
