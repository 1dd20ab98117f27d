//! A rate-limit service that answers what a test tells it: for what no real one would say.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::rate_limit_service::engine;
use crate::reply::{Kind, Reply, Script};
use crate::rls::{self, RateLimitRequest, RateLimitResponse};
use crate::upstream::{UpstreamConfig, background, socket_address};
use crate::wire::{Garbage, Wire};

/// A service of one test. It says that all is within its limits, until it is told otherwise, and keeps what it was asked.
#[derive(Debug)]
pub struct RateLimitStub {
    service: Arc<Service>,
    address: std::net::SocketAddr,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Service {
    script: Script,
    questions: Mutex<Vec<RateLimitRequest>>,
    asked: watch::Sender<usize>,
    released: Semaphore,
}

impl RateLimitStub {
    /// Starts it, on a free port.
    pub fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let service = Arc::new(Service {
            script: Script::default(),
            questions: Mutex::default(),
            asked: watch::Sender::new(0),
            released: Semaphore::new(0),
        });
        service.script.set([Reply::rate_limits(&RateLimitResponse::code(rls::OK))]);
        let mut server = JoinSet::new();
        server.spawn_on(serve(Arc::clone(&service), listener), background());
        Ok(Self { service, address, _server: server })
    }

    /// The service as an upstream of Envoy: `envoy.add_upstream(stub.upstream("stub"))`. Requests to it come here, so what
    /// the [`Upstream`](crate::Upstream) counts stays at 0.
    pub fn upstream(&self, name: &str) -> UpstreamConfig {
        let endpoint = json!({"endpoint": {"address": socket_address(self.address)}});
        let endpoints = json!({"load_assignment": {"endpoints": [{"lb_endpoints": [endpoint]}]}});
        UpstreamConfig::new(name).http2().cluster(endpoints)
    }

    /// What it answers from now on, one reply after the other; and then again that all is within its limits.
    /// [`Reply::rate_limits`] is a proper answer. Of the others [`Reply::grpc`] with a body is any message,
    /// [`Reply::status`] anything that gRPC would not say.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        let within = Reply::rate_limits(&RateLimitResponse::code(rls::OK));
        self.service.script.set(replies.into_iter().chain([within]));
    }

    /// What it was asked so far.
    pub fn questions(&self) -> Vec<RateLimitRequest> {
        self.service.questions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        *self.service.asked.borrow()
    }

    /// Waits until it was asked so often in all.
    pub async fn was_asked(&self, times: usize) {
        // The sender lives as long as we do.
        let _ = self.service.asked.subscribe().wait_for(|asked| *asked >= times).await;
    }

    /// Lets so many questions with a [held](Reply::held) reply be answered, also ones that come later.
    pub fn release(&self, questions: usize) {
        self.service.released.add_permits(questions);
    }
}

impl Reply {
    /// An answer of a rate-limit service, for [`RateLimitStub`].
    pub fn rate_limits(answer: &RateLimitResponse) -> Self {
        Self::grpc(0).body(answer.encode_to_vec())
    }

    /// An error of a gRPC service, which has no message.
    pub fn grpc_error(status: u32) -> Self {
        Self::status(200).header("content-type", "application/grpc").header("grpc-status", status.to_string()).body("")
    }
}

async fn serve(service: Arc<Service>, listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    // Dropped with this task, and with it every open connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (service, garbage) = (Arc::clone(&service), Garbage::default());
        connections.spawn(async move {
            let wire = TokioIo::new(Wire { stream, garbage: garbage.clone() });
            let answer = service_fn(|request| answer(Arc::clone(&service), garbage.clone(), request));
            // A connection that breaks is what some tests are about; nobody needs to hear of it.
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(wire, answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    service: Arc<Service>,
    garbage: Garbage,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>> {
    if request.uri().path().strip_prefix('/') != Some(rls::METHOD) {
        bail!("{} is not what a rate-limit service is asked", request.uri());
    }
    let body = request.into_body().collect().await?.to_bytes();
    let message = body.get(5..).context("no message")?;
    let question = RateLimitRequest::decode(message)?;
    let reply = service.script.next();
    service.questions.lock().unwrap_or_else(PoisonError::into_inner).push(question);
    service.asked.send_modify(|asked| *asked += 1);
    if reply.held {
        service.released.acquire().await?.forget();
    }
    if reply.delay > Duration::ZERO {
        tokio::time::sleep(reply.delay).await;
    }
    let status = match reply.kind {
        Kind::Status(status) => status,
        Kind::Close => bail!("hyper resets the stream on an error"),
        Kind::Garbage(bytes) => {
            garbage.set(bytes);
            200
        }
    };
    let message = reply.body.unwrap_or_default();
    let body = if reply.framed { engine::frame(&message)? } else { message };
    let mut response = Response::new(Full::new(body).with_trailers(std::future::ready(reply.trailers.map(Ok))).boxed());
    *response.status_mut() = status.try_into()?;
    *response.headers_mut() = reply.headers;
    Ok(response)
}
