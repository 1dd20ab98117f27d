//! The services behind Envoy: echo servers, each a cluster of its name.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::client::latin1;
use crate::discovery::ResourceFile;
use crate::echo::Echo;
use crate::merge::merge;
use crate::reply::{Kind, Reply, Script};
use crate::wire::{Garbage, Wire};

/// What an upstream shall be.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    pub(crate) name: String,
    pub(crate) exact_name: bool,
    endpoints: usize,
    own_addresses: bool,
    http2: bool,
    cluster: Value,
}

impl UpstreamConfig {
    /// A service of its test alone, so its cluster's name gets a number: `reviews` becomes `reviews-7`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            exact_name: false,
            endpoints: 1,
            own_addresses: false,
            http2: false,
            cluster: json!({}),
        }
    }

    /// The name is the cluster's as it is: `outbound|9080|v1|reviews.default.svc.cluster.local`. Of an Envoy that serves
    /// many tests, no two may take the same.
    pub fn exact_name(mut self) -> Self {
        self.exact_name = true;
        self
    }

    /// So many endpoints instead of one, for retries that choose another host.
    pub fn endpoints(mut self, endpoints: usize) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// The endpoints differ in their address, 127.0.0.1, 127.0.0.2, …, and have the same port, as the replicas behind a
    /// DNS name. (Linux has all of these addresses without being asked.)
    pub fn own_addresses(mut self) -> Self {
        self.own_addresses = true;
        self
    }

    /// Envoy speaks HTTP/2 to it, as gRPC needs. (The upstream itself understands both.)
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Merged into the cluster: `json!({"circuit_breakers": …})`. A `null` takes a field away.
    pub fn cluster(mut self, fields: Value) -> Self {
        merge(&mut self.cluster, fields);
        self
    }

    fn listeners(&self) -> Result<Vec<std::net::TcpListener>> {
        let mut listeners: Vec<std::net::TcpListener> = Vec::new();
        for endpoint in 0..self.endpoints {
            let address = match listeners.first() {
                Some(first) if self.own_addresses => {
                    let last = u8::try_from(endpoint + 1).context("too many endpoints for own addresses")?;
                    SocketAddr::from(([127, 0, 0, last], first.local_addr()?.port()))
                }
                _ => SocketAddr::from(([127, 0, 0, 1], 0)),
            };
            listeners
                .push(std::net::TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?);
        }
        Ok(listeners)
    }

    fn cluster_of(&self, name: &str, endpoints: &[SocketAddr]) -> Value {
        let endpoints = endpoints.iter().map(|endpoint| json!({"endpoint": {"address": socket_address(*endpoint)}}));
        let mut cluster = json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": endpoints.collect::<Vec<_>>()}],
            },
        });
        if self.http2 {
            cluster["typed_extension_protocol_options"] = json!({
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                },
            });
        }
        merge(&mut cluster, self.cluster.clone());
        cluster
    }
}

/// A `SocketAddress` of Envoy's configuration.
pub(crate) fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

/// A running upstream. Its endpoints and its cluster go when it is dropped.
pub struct Upstream {
    service: Arc<Service>,
    addresses: Vec<SocketAddr>,
    clusters: Arc<ResourceFile>,
    _servers: JoinSet<()>,
}

struct Service {
    name: String,
    script: Script,
    requests: watch::Sender<usize>,
    last: Mutex<Option<Echo>>,
    connections: AtomicUsize,
    released: Semaphore,
}

impl Upstream {
    /// Binds the endpoints and tells Envoy; that Envoy has understood is [`Envoy`](crate::Envoy)'s to wait for.
    pub(crate) fn start(config: &UpstreamConfig, name: String, clusters: Arc<ResourceFile>) -> Result<Self> {
        let service = Arc::new(Service {
            name,
            script: Script::default(),
            requests: watch::Sender::new(0),
            last: Mutex::default(),
            connections: AtomicUsize::new(0),
            released: Semaphore::new(0),
        });
        let (mut servers, mut addresses) = (JoinSet::new(), Vec::new());
        for (endpoint, listener) in config.listeners()?.into_iter().enumerate() {
            listener.set_nonblocking(true)?;
            addresses.push(listener.local_addr()?);
            servers.spawn_on(serve(Arc::clone(&service), endpoint, listener), background());
        }
        clusters.insert(&service.name, config.cluster_of(&service.name, &addresses))?;
        Ok(Self { service, addresses, clusters, _servers: servers })
    }

    /// The name of the upstream and of its cluster.
    pub fn name(&self) -> &str {
        &self.service.name
    }

    /// Where its endpoints listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it does with the requests from now on, one reply after the other: `[Reply::status(503).times(2)]` fails
    /// twice and then echoes.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.service.script.set(replies);
    }

    /// How many requests have arrived.
    pub fn requests(&self) -> usize {
        *self.service.requests.borrow()
    }

    /// The last request that has arrived, for tests whose client gets no echo of it.
    pub fn last_request(&self) -> Option<Echo> {
        self.service.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections Envoy has opened.
    pub fn connections(&self) -> usize {
        self.service.connections.load(Ordering::Relaxed)
    }

    /// Waits until so many requests have arrived in all.
    pub async fn arrived(&self, requests: usize) {
        // The sender lives as long as we do.
        let _ = self.service.requests.subscribe().wait_for(|arrived| *arrived >= requests).await;
    }

    /// Lets so many requests with a [held](Reply::held) reply go on, also ones that come later.
    pub fn release(&self, requests: usize) {
        self.service.released.add_permits(requests);
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:?}", self.name(), self.addresses)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // Without the folder there is no Envoy any more that would care.
        let _ = self.clusters.remove(self.name());
    }
}

/// The runtime that serves upstreams. A test's own runtime may end earlier than what the test started.
pub(crate) fn background() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime for the upstreams: {error}"),
        })
        .handle()
}

async fn serve(service: Arc<Service>, endpoint: usize, listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    // Dropped with this task, and with it every open connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        service.connections.fetch_add(1, Ordering::Relaxed);
        let (service, garbage) = (Arc::clone(&service), Garbage::default());
        connections.spawn(async move {
            let wire = TokioIo::new(Wire { stream, garbage: garbage.clone() });
            let answer = service_fn(|request| answer(Arc::clone(&service), endpoint, garbage.clone(), request));
            // A connection that breaks is what some tests are about; nobody needs to hear of it.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(wire, answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(
    service: Arc<Service>,
    endpoint: usize,
    garbage: Garbage,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let reply = service.script.next();
    service.requests.send_modify(|requests| *requests += 1);
    let body_length = body.collect().await?.to_bytes().len();
    let host = parts.headers.get("host").map(|host| latin1(host.as_bytes()));
    let echo = Echo {
        service: service.name.clone(),
        endpoint,
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or_else(String::new, |path| latin1(path.as_str().as_bytes())),
        authority: parts.uri.authority().map(ToString::to_string).or(host).unwrap_or_default(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), latin1(value.as_bytes()))).collect(),
        body_length,
    };
    *service.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(echo.clone());
    if reply.held {
        service.released.acquire().await?.forget();
    }
    tokio::time::sleep(reply.delay).await;
    let status = match reply.kind {
        Kind::Status(status) => status,
        Kind::Close => anyhow::bail!("hyper closes the connection on an error"),
        Kind::Garbage(bytes) => {
            garbage.set(bytes);
            200
        }
    };
    let mut body: Bytes = match reply.body {
        Some(body) => body,
        None => serde_json::to_vec(&echo)?.into(),
    };
    if reply.framed {
        body = grpc_frame(&body)?;
    }
    let trailers = reply.trailers.map(Ok);
    let mut response = Response::new(Full::new(body).with_trailers(std::future::ready(trailers)).boxed());
    *response.status_mut() = status.try_into()?;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

/// A message as gRPC sends it: not compressed, its length, and itself.
fn grpc_frame(message: &[u8]) -> Result<Bytes> {
    let length = u32::try_from(message.len())?.to_be_bytes();
    Ok([&[0][..], &length, message].concat().into())
}
