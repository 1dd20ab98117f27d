//! More requests than any limit lets pass: over a few connections, many at once on each.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use envoy_test::{Envoy, Listener, ListenerConfig};
use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// No answer within this time is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection in HTTP/2. (In HTTP/1.1 Envoy closes one whose requests do not wait for its own answers.)
pub struct Pipeline(SendRequest<Empty<Bytes>>);

/// Those that were sent at once, and what became of them.
pub struct Batch {
    /// Before the first was sent.
    pub sent: Instant,
    /// When the last answer was there.
    pub answered: Instant,
    /// In their order.
    pub statuses: Vec<u16>,
}

impl Pipeline {
    pub async fn open(listener: &Listener) -> Result<Self> {
        let stream = TcpStream::connect(listener.address()).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // What it has to say, its requests say as well.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// A request for each of these values, in the header `k`.
    pub async fn send(&mut self, values: impl IntoIterator<Item = String>) -> Result<Batch> {
        let sent = Instant::now();
        let mut answers = Vec::new();
        for value in values {
            self.0.ready().await?;
            let request = http::Request::get("http://localhost/").header("k", value);
            answers.push(self.0.send_request(request.body(Empty::new())?));
        }
        let mut statuses = Vec::with_capacity(answers.len());
        for answer in answers {
            let answer = tokio::time::timeout(PATIENCE, answer).await.context("no answer")??;
            statuses.push(answer.status().as_u16());
        }
        Ok(Batch { sent, answered: Instant::now(), statuses })
    }
}

/// A listener whose connections are shared out evenly over the workers, and whose route answers by itself. `name` is that
/// of the listener's counters.
pub fn config(name: &str) -> ListenerConfig {
    ListenerConfig::new()
        .routes([json!({"match": {"prefix": "/"}, "direct_response": {"status": 200}})])
        .listener(json!({"stat_prefix": name, "connection_balance_config": {"exact_balance": {}}}))
}

/// Each worker has served a connection.
pub async fn all_work(envoy: &Envoy, name: &str, workers: usize) -> Result<()> {
    for worker in 0..workers {
        let connections = envoy.admin().stat(&format!("listener.{name}.worker_{worker}.downstream_cx_total")).await?;
        ensure!(connections > 0, "no connection on worker {worker}");
    }
    Ok(())
}

/// A bucket that is refilled while the test runs.
pub fn rate(max_tokens: u32, a_second: u32) -> Value {
    json!({"maxTokens": max_tokens, "tokensPerFill": a_second, "fillInterval": "1s"})
}

/// So many must be refused by a bucket for it to be known that more were wanted than there was.
pub const ENOUGH: u32 = 100;

/// What became of the requests that a bucket was for.
#[derive(Default)]
pub struct Tally {
    admitted: u32,
    refused: u32,
    /// When the first was sent, and when the first answers were there.
    first: Option<(Instant, Instant)>,
    /// When the last of those was sent that were refused, and when the last answer was there.
    last: Option<(Instant, Instant)>,
}

impl Tally {
    /// Counts that many of a batch as let pass, and that many as refused.
    pub fn add(&mut self, batch: &Batch, admitted: usize, refused: usize) {
        self.admitted += admitted as u32;
        self.refused += refused as u32;
        let (sent, answered) = self.first.unwrap_or((batch.sent, batch.answered));
        self.first = Some((sent.min(batch.sent), answered.min(batch.answered)));
        let (refused_last, answered) = self.last.unwrap_or((batch.sent, batch.answered));
        let refused_last = if refused > 0 { refused_last.max(batch.sent) } else { refused_last };
        self.last = Some((refused_last, answered.max(batch.answered)));
    }

    /// That of all connections together.
    pub fn and(self, other: Self) -> Self {
        let both = |one: Option<(Instant, Instant)>, other: Option<(Instant, Instant)>, least: bool| match (one, other)
        {
            (Some(one), Some(other)) if least => Some((one.0.min(other.0), one.1.min(other.1))),
            (Some(one), Some(other)) => Some((one.0.max(other.0), one.1.max(other.1))),
            (one, other) => one.or(other),
        };
        Self {
            admitted: self.admitted + other.admitted,
            refused: self.refused + other.refused,
            first: both(self.first, other.first, true),
            last: both(self.last, other.last, false),
        }
    }

    /// Never more than the bucket had and got; and, as there was always somebody who wanted one, hardly fewer.
    ///
    /// The bucket got its tokens from some moment between the first request and its answer on. When a request was
    /// refused, all were taken that there had been when it was sent.
    pub fn is_exact(&self, max_tokens: u32, a_second: u32) -> Result<()> {
        let (Some((sent, answered)), Some((refused, ended))) = (self.first, self.last) else { bail!("no requests") };
        let tokens = |time: Duration| f64::from(max_tokens) + f64::from(a_second) * time.as_secs_f64();
        let (most, least) = (tokens(ended - sent), 0.99 * tokens(refused.saturating_duration_since(answered)));
        let admitted = f64::from(self.admitted);
        println!(
            "{admitted} of {} were let pass: {:.1} to {most:.1} tokens",
            self.admitted + self.refused,
            least / 0.99
        );
        ensure!(self.refused >= ENOUGH, "there were too few requests: only {} were refused", self.refused);
        ensure!(admitted <= most, "{admitted} is more than there ever were, {most:.1}");
        ensure!(admitted >= least, "{admitted} is less than 99 % of what there was: {least:.1}");
        Ok(())
    }
}

/// How much memory Envoy takes, in MiB.
pub fn memory(envoy: &Envoy) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", envoy.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
