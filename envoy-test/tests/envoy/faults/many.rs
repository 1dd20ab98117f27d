//! Many requests at once over few connections, as no client of a single request can send them; and what Envoy shows of
//! them meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use envoy_test::{Envoy, Listener, Mark};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

type Request = http::Request<Empty<Bytes>>;

/// Requests that are under way, in HTTP/2.
pub struct Many(Vec<Shared>);

/// A connection and its requests.
struct Shared {
    connection: JoinHandle<()>,
    requests: Vec<JoinHandle<Result<Ended>>>,
}

/// A request that was answered.
pub struct Ended {
    pub path: String,
    pub status: u16,
    /// The response header that says which fault it was.
    pub told: Option<String>,
    /// From before the client sent it.
    pub took: Duration,
}

/// A request of that path.
pub fn get(path: &str) -> Request {
    let mut request = Request::new(Empty::new());
    // There is no other text here than a path.
    *request.uri_mut() = format!("http://localhost{path}").parse().unwrap_or_default();
    request
}

impl Many {
    /// Sends so many on each of so many connections.
    pub async fn send(
        listener: &Listener,
        connections: usize,
        each: usize,
        request: impl Fn(usize) -> Request,
    ) -> Result<Self> {
        let mut all = Vec::new();
        for place in 0..connections {
            let stream = TcpStream::connect(listener.address()).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            // What it has to say, its requests say as well.
            let connection = tokio::spawn(async { drop(connection.await) });
            let number = |index| place * each + index;
            let requests = (0..each).map(|index| tokio::spawn(ask(sender.clone(), request(number(index)))));
            all.push(Shared { connection, requests: requests.collect() });
        }
        Ok(Self(all))
    }

    /// Gives up so many requests of each connection: their streams are reset. (Envoy closes a connection most of whose
    /// streams are.) Says how many requests that is.
    pub fn reset(&mut self, each: usize) -> usize {
        let given_up = self.0.iter_mut().flat_map(|shared| shared.requests.drain(..each.min(shared.requests.len())));
        given_up.map(|request| request.abort()).count()
    }

    /// Closes the first connection, with all that is under way on it. Says how many requests that is.
    pub fn close(&mut self) -> usize {
        let first = self.0.remove(0);
        first.connection.abort();
        first.requests.iter().for_each(JoinHandle::abort);
        first.requests.len()
    }

    /// All answers.
    pub async fn ended(self) -> Result<Vec<Ended>> {
        let mut answers = Vec::new();
        for shared in self.0 {
            for request in shared.requests {
                answers.push(request.await??);
            }
        }
        Ok(answers)
    }
}

async fn ask(mut sender: SendRequest<Empty<Bytes>>, request: Request) -> Result<Ended> {
    let path = request.uri().path().to_owned();
    sender.ready().await?;
    let sent = Instant::now();
    let response = sender.send_request(request).await.with_context(|| path.clone())?;
    let told = response.headers().get("x-fault").map(|told| String::from_utf8_lossy(told.as_bytes()).into_owned());
    let status = response.status().as_u16();
    response.into_body().collect().await.with_context(|| path.clone())?;
    Ok(Ended { path, status, told, took: sent.elapsed() })
}

/// A route that answers by itself, so that no upstream limits how many requests go on at once.
pub fn answers(status: u16) -> Value {
    json!({"match": {"prefix": "/"}, "direct_response": {"status": status}})
}

/// How often a rule's fault was done, by the metric's name: `delays_injected`, `active_faults`, …
pub async fn stat(envoy: &Envoy, rule: &str, name: &str) -> Result<u64> {
    envoy.admin().stat(&format!("wasmcustom.rule=.={rule};.;pointsman_fault_{name}")).await
}

/// How often a cap was in the way of a rule's fault.
pub async fn overflow(envoy: &Envoy, rule: &str, cap: &str) -> Result<u64> {
    envoy.admin().stat(&format!("wasmcustom.rule=.={rule};.;cap=.={cap};.;pointsman_fault_faults_overflow")).await
}

/// Waits until so many requests have a fault of that rule.
pub async fn active(envoy: &Envoy, rule: &str, requests: usize) -> Result<()> {
    let ask = async || Ok((stat(envoy, rule, "active_faults").await? == requests as u64).then_some(()));
    envoy.admin().until(&format!("{requests} requests have a fault of {rule}"), ask).await
}

/// Nothing has gone wrong in the module.
pub fn well(envoy: &Envoy, listener: &Listener, mark: Mark) {
    let log = envoy.log().since(mark);
    let is_bad = |entry: &&String| {
        entry.contains("Function: proxy_on_") || entry.contains(listener.name()) && entry.contains("[error]")
    };
    let bad: Vec<&String> = log.iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// How much memory Envoy takes, in MiB.
pub fn memory(envoy: &Envoy) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", envoy.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
