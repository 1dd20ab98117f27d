//! The client of the tests: one request, whose header values are bytes, and its answer.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::echo::Echo;
use crate::tls::Tls;

/// No answer within this time is an error: a request that hangs shall fail its own test, not stop all of them.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that is being put together. Sent, it goes over a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
    http2: bool,
}

impl Request {
    /// A request to an address. Most tests start from `listener.get(path)`.
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            host: "localhost".to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            http2: false,
        }
    }

    /// Adds a header line. The same name again is one more line, not another value for the first.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The host asked for (`:authority` in HTTP/2). Without it: `localhost`.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// The request's body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Speaks HTTP/2 (h2c with prior knowledge) instead of HTTP/1.1.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Result<Answer> {
        let mut connection = Connection::open(self.address, self.http2).await?;
        connection.send(self).await
    }

    fn build(self) -> Result<http::Request<Full<Bytes>>> {
        let version = if self.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        // HTTP/1 carries the host in its header line, HTTP/2 in the URI's authority.
        let uri = if self.http2 { format!("http://{}{}", self.host, self.path) } else { self.path };
        if uri.contains('#') {
            bail!("this client would leave the fragment out");
        }
        let mut request = http::Request::builder().method(self.method.as_str()).uri(uri).version(version);
        if !self.http2 {
            request = request.header("host", self.host);
        }
        for (name, value) in self.headers {
            request = request.header(HeaderName::try_from(name)?, HeaderValue::from_bytes(&value)?);
        }
        Ok(request.body(Full::new(self.body))?)
    }
}

/// A connection to Envoy for several requests, one after the other.
#[derive(Debug)]
pub struct Connection(Sender);

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects, for HTTP/2 with prior knowledge.
    pub async fn open(address: SocketAddr, http2: bool) -> Result<Self> {
        Self::over(connect(address).await?, http2).await
    }

    /// Connects with TLS, for HTTP/1.1, and asks for this host (SNI).
    pub async fn open_tls(address: SocketAddr, host: &str, tls: &Tls) -> Result<Self> {
        Self::over(tls.connect(connect(address).await?, host).await?, false).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) -> Result<Self> {
        let io = TokioIo::new(stream);
        // What the connection's own task has to say, the request on it says as well.
        Ok(Self(if http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            Sender::Http1(sender)
        }))
    }

    /// Sends a request over this connection (to the connection's address, in its protocol).
    pub async fn send(&mut self, mut request: Request) -> Result<Answer> {
        request.http2 = matches!(self.0, Sender::Http2(_));
        let shown = format!("{} {}", request.method, request.path);
        let request = request.build().with_context(|| format!("{shown}: not a request that this client can send"))?;
        tokio::time::timeout(PATIENCE, async {
            let response = match &mut self.0 {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
            };
            Answer::read(response).await
        })
        .await
        .map_err(|_| anyhow!("{shown}: no answer within {PATIENCE:?}"))?
        .with_context(|| shown)
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, with every line of a repeated one.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The trailers, as gRPC has them.
    pub trailers: HeaderMap,
}

impl Answer {
    async fn read(response: hyper::Response<hyper::body::Incoming>) -> Result<Self> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("the answer broke off")?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Self { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes(), trailers })
    }

    /// The first line of a header, each byte as the character of that number.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| latin1(value.as_bytes()))
    }

    /// Every line of a header, each byte as the character of that number.
    pub fn header_lines(&self, name: &str) -> Vec<String> {
        self.headers.get_all(name).iter().map(|value| latin1(value.as_bytes())).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the upstream saw. Panics if the answer is not an echo, and shows what it is.
    #[track_caller]
    pub fn echo(&self) -> Echo {
        match serde_json::from_slice(&self.body) {
            Ok(echo) => echo,
            Err(_) => panic!("no upstream's echo: {self}"),
        }
    }

    /// The only message of a gRPC answer, without its framing; None if the body is something else.
    pub fn grpc_message(&self) -> Option<Bytes> {
        let (prefix, message) = self.body.split_first_chunk::<5>()?;
        let [0, length @ ..] = *prefix else { return None };
        (usize::try_from(u32::from_be_bytes(length)).ok()? == message.len()).then(|| self.body.slice(5..))
    }

    /// The upstream's name, the most frequent question. Panics if the answer is not an echo.
    #[track_caller]
    pub fn service(&self) -> String {
        self.echo().service
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", latin1(value.as_bytes()))?;
        }
        write!(f, "\n{}", self.text())
    }
}

/// Writes these bytes to a connection of their own and reads until Envoy closes it, or until one whole HTTP/1.1
/// response (with a length, chunked, or without a body) is there.
pub async fn send_raw(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // Envoy may refuse and close before it has read everything: what it answered counts, not that the rest was unsent.
    let _ = stream.write_all(bytes).await;
    let mut received = Vec::new();
    let reading = async {
        while !is_whole_response(&received) {
            match stream.read_buf(&mut received).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    if tokio::time::timeout(PATIENCE, reading).await.is_err() {
        bail!("neither a whole answer nor the connection's end within {PATIENCE:?}, but {:?}", latin1(&received));
    }
    Ok(received)
}

fn is_whole_response(bytes: &[u8]) -> bool {
    let text = latin1(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    match (header("content-length").and_then(|length| length.parse::<usize>().ok()), header("transfer-encoding")) {
        (Some(length), _) => body.chars().count() >= length,
        (None, Some("chunked")) => body.ends_with("0\r\n\r\n"),
        (None, _) => header("connection") != Some("close"),
    }
}

/// Bytes as text without loss: each byte is the character of that number.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The text of an answer to [`send_raw`] with everything that is not printable made visible.
pub fn visible(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{}", byte.escape_ascii());
        text
    })
}
