//! A real rate-limit service: envoyproxy/ratelimit, which counts in Redis.

pub(crate) mod engine;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::paths::{cached, set};
use crate::process::Process;
use crate::rls;
use crate::upstream::UpstreamConfig;

/// The pinned service, under the user's cache folder, as `cargo xtask ratelimit` leaves it there.
const CACHED: &str = "pointsman/ratelimit-v1.4.1-0.20260122083618-3fb702589d36/ratelimit";

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
        engine::upstream(&self.socket(), name)
    }

    /// Asks it without Envoy, by a serialized `RateLimitRequest`: its gRPC status, and its `RateLimitResponse`.
    pub async fn ask(&self, request: &[u8]) -> Result<(u32, Bytes)> {
        engine::call(&self.socket(), rls::METHOD, request).await
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
        self.service = Some(engine::start(root, "ratelimit", &command, async || self.serves().await).await?);
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
        self.redis =
            Some(engine::start(self.folder.path(), "redis", &command, async || self.redis_answers().await).await?);
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

    /// By gRPC's health checking. It listens only once its configuration is read.
    async fn serves(&self) -> Result<bool> {
        // HealthCheckRequest {service: "ratelimit"}, HealthCheckResponse {status: SERVING}
        let (status, answer) =
            engine::call(&self.socket(), "grpc.health.v1.Health/Check", b"\x0a\x09ratelimit").await?;
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
