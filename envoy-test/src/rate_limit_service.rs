//! A real rate-limit service: envoyproxy/ratelimit, which counts in Redis.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::log::Log;
use crate::paths::{cached, set};
use crate::process::Process;
use crate::upstream::UpstreamConfig;

/// The pinned service, under the user's cache folder, as `cargo xtask ratelimit` leaves it there.
const CACHED: &str = "pointsman/ratelimit-v1.4.1-0.20260122083618-3fb702589d36/ratelimit";
/// Both are there in less than a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service of one test, with a Redis of its own. Both end when this is dropped.
///
/// They listen on Unix sockets in a folder of theirs: ratelimit opens TCP ports so that another ratelimit can share them,
/// unnoticed. Its windows are those of the calendar (`minute`: the one that the clock shows), so a test in which none may
/// end takes `unit: year`. Descriptors that no limit is for are within it, in domains that it does not know, too.
#[derive(Debug)]
pub struct RateLimitService {
    // Fields are dropped in this order.
    service: Option<Process>,
    redis: Option<Process>,
    folder: TempDir,
}

impl RateLimitService {
    /// What is missing on this machine, and how to get it; `None` if the service can be started. For tests that say why
    /// they did not run.
    pub fn missing() -> Option<String> {
        service_binary().and_then(|_| redis_binary()).err().map(|error| error.to_string())
    }

    /// Starts both, with a configuration for each domain as the service has them (`{"domain": …, "descriptors": […]}`),
    /// and waits until it answers.
    pub async fn start(domains: impl IntoIterator<Item = Value>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ratelimit-").tempdir()?;
        let config = folder.path().join("config");
        fs::create_dir(&config)?;
        for (index, domain) in domains.into_iter().enumerate() {
            fs::write(config.join(format!("{index}.yaml")), domain.to_string())?;
        }
        let mut this = Self { service: None, redis: None, folder };
        this.start_redis().await?;
        this.start_service().await?;
        Ok(this)
    }

    /// The service as an upstream of Envoy: `envoy.add_upstream(service.upstream("ratelimit"))`. Requests to it go to
    /// the service, so what the [`Upstream`](crate::Upstream) counts stays at 0.
    pub fn upstream(&self, name: &str) -> UpstreamConfig {
        let pipe = json!({"endpoint": {"address": {"pipe": {"path": self.socket()}}}});
        UpstreamConfig::new(name).http2().cluster(json!({"load_assignment": {"endpoints": [{"lb_endpoints": [pipe]}]}}))
    }

    /// Asks it without Envoy, by a serialized `RateLimitRequest`: its gRPC status, and its `RateLimitResponse`.
    pub async fn ask(&self, request: &[u8]) -> Result<(u32, Bytes)> {
        call(&self.socket(), "envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", request).await
    }

    /// Ends the service: connections to it break, new ones are refused.
    pub fn stop_service(&mut self) {
        self.service = None;
    }

    /// Starts the service, again at the same address; Redis has what it had counted.
    pub async fn start_service(&mut self) -> Result<()> {
        self.stop_service();
        // A service that was killed leaves its socket, and the next one would not start.
        let _ = fs::remove_file(self.socket());
        let (root, redis, socket) = (self.folder.path(), self.redis_socket(), self.socket());
        // `env` becomes the service. Of our own environment it gets nothing: its settings have names like HOST and PORT.
        let mut command: Vec<OsString> = vec!["env".into(), "-i".into()];
        for (name, value) in [
            ("RUNTIME_ROOT", root.as_os_str()),
            ("RUNTIME_APPDIRECTORY", "config".as_ref()),
            // Or it would watch a symbolic link, as a runtime folder of Lyft's has.
            ("RUNTIME_WATCH_ROOT", "false".as_ref()),
            ("REDIS_SOCKET_TYPE", "unix".as_ref()),
            ("REDIS_URL", redis.as_os_str()),
            ("GRPC_UDS", socket.as_os_str()),
            // Its other two listeners: nobody asks them.
            ("HOST", "127.0.0.1".as_ref()),
            ("PORT", "0".as_ref()),
            ("DEBUG_HOST", "127.0.0.1".as_ref()),
            ("DEBUG_PORT", "0".as_ref()),
            ("USE_STATSD", "false".as_ref()),
            ("DISABLE_STATS", "true".as_ref()),
            // It adds RateLimit-Limit, -Remaining and -Reset to its answers.
            ("LIMIT_RESPONSE_HEADERS_ENABLED", "true".as_ref()),
            ("LOG_LEVEL", "debug".as_ref()),
        ] {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            command.push(setting);
        }
        command.push(service_binary()?.into_os_string());
        self.service = Some(self.started("ratelimit", &command, async || self.serves().await).await?);
        Ok(())
    }

    /// Ends Redis: the service answers with errors, and what was counted is forgotten.
    pub fn stop_redis(&mut self) {
        self.redis = None;
    }

    /// Starts Redis, empty and at the same address. The service finds it within some two seconds.
    pub async fn start_redis(&mut self) -> Result<()> {
        self.stop_redis();
        let socket = self.redis_socket().into_os_string();
        let arguments = ["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"].map(OsString::from);
        let command = [vec![redis_binary()?.into_os_string()], arguments.to_vec(), vec![socket]].concat();
        self.redis = Some(self.started("redis", &command, async || self.redis_answers().await).await?);
        Ok(())
    }

    /// What the service has said, in its finest detail: also of each question and its answer.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("ratelimit.log")).unwrap_or_default()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("ratelimit.socket")
    }

    fn redis_socket(&self) -> PathBuf {
        self.folder.path().join("redis.socket")
    }

    /// A process that is ready, or the error with what it said.
    async fn started(
        &self,
        name: &str,
        command: &[OsString],
        ready: impl AsyncFn() -> Result<bool>,
    ) -> Result<Process> {
        let folder = self.folder.path();
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

    /// By gRPC's health checking. It listens only once its configuration is read.
    async fn serves(&self) -> Result<bool> {
        // HealthCheckRequest {service: "ratelimit"}, HealthCheckResponse {status: SERVING}
        let (status, answer) = call(&self.socket(), "grpc.health.v1.Health/Check", b"\x0a\x09ratelimit").await?;
        Ok((status, &*answer) == (0, b"\x08\x01"))
    }

    async fn redis_answers(&self) -> Result<bool> {
        let mut stream = UnixStream::connect(self.redis_socket()).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        Ok(&answer == b"+PONG\r\n")
    }
}

/// A call of gRPC with one message each way, on a connection of its own: the status, and the answer, empty if there is
/// none.
async fn call(socket: &Path, method: &str, message: &[u8]) -> Result<(u32, Bytes)> {
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (mut requests, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    let connection = tokio::spawn(connection);
    let length = u32::try_from(message.len())?.to_be_bytes();
    let request = http::Request::post(format!("http://ratelimit/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from([&[0], &length[..], message].concat())))?;
    let (parts, body) = tokio::time::timeout(PATIENCE, requests.send_request(request)).await??.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await??;
    connection.abort();
    // An answer without a message has them where the headers are.
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status")).or(parts.headers.get("grpc-status"));
    let status = status.context("no grpc-status")?.to_str()?.parse()?;
    let answer = body.to_bytes();
    Ok((status, answer.slice(answer.len().min(5)..)))
}

/// `$RATELIMIT_BIN`, else what `cargo xtask ratelimit` has put into the cache.
fn service_binary() -> Result<PathBuf> {
    let binary = set("RATELIMIT_BIN").map_or_else(|| cached(CACHED), Ok)?;
    if !binary.is_file() {
        bail!("there is no ratelimit at {}: run `cargo xtask ratelimit`, or set RATELIMIT_BIN", binary.display());
    }
    Ok(binary)
}

/// `$REDIS_SERVER_BIN`, else the system's.
fn redis_binary() -> Result<PathBuf> {
    if let Some(binary) = set("REDIS_SERVER_BIN") {
        if !binary.is_file() {
            bail!("REDIS_SERVER_BIN: there is no file {}", binary.display());
        }
        return Ok(binary);
    }
    let places = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join("redis-server")).find(|binary| binary.is_file());
    found
        .context("there is no redis-server: install it (Debian: apt-get install redis-server), or set REDIS_SERVER_BIN")
}
