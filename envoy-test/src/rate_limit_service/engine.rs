//! What it takes to run a service that somebody else has made: a process with a Unix socket.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::UnixStream;

use crate::log::Log;
use crate::process::Process;
use crate::upstream::UpstreamConfig;

/// All of them are there in less than a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is ready, or the error with what it said. Its log is in the folder, `NAME.log`.
pub(crate) async fn start(
    folder: &Path,
    name: &str,
    command: &[OsString],
    ready: impl AsyncFn() -> Result<bool>,
) -> Result<Process> {
    let log = Log::new(folder.join(format!("{name}.log")));
    let process = Process::start(command, log.path(), folder)?;
    let start = Instant::now();
    while !matches!(ready().await, Ok(true)) {
        if let Some(status) = process.ended()? {
            bail!("{name} ended with {status}:\n{}", log.tail(20).join("\n"));
        }
        if start.elapsed() > PATIENCE {
            bail!("{name} does not answer after {PATIENCE:?}:\n{}", log.tail(20).join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(process)
}

/// A service as an upstream of Envoy.
pub(crate) fn upstream(socket: &Path, name: &str) -> UpstreamConfig {
    let pipe = json!({"endpoint": {"address": {"pipe": {"path": socket}}}});
    UpstreamConfig::new(name).http2().cluster(json!({"load_assignment": {"endpoints": [{"lb_endpoints": [pipe]}]}}))
}

/// A call of gRPC with one message each way, on a connection of its own: the status, and the answer, empty if there is
/// none.
pub(crate) async fn call(socket: &Path, method: &str, message: &[u8]) -> Result<(u32, Bytes)> {
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (mut requests, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://ratelimit/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(frame(message)?))?;
    let (parts, body) = tokio::time::timeout(PATIENCE, requests.send_request(request)).await??.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await??;
    connection.abort();
    // An answer without a message has them where the headers are.
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status")).or(parts.headers.get("grpc-status"));
    let status = status.context("no grpc-status")?.to_str()?.parse()?;
    let answer = body.to_bytes();
    Ok((status, answer.slice(answer.len().min(5)..)))
}

/// A message as gRPC sends it: not compressed, its length, and itself.
pub(crate) fn frame(message: &[u8]) -> Result<Bytes> {
    let length = u32::try_from(message.len())?.to_be_bytes();
    Ok([&[0][..], &length, message].concat().into())
}
