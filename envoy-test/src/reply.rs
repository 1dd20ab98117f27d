//! What an upstream does with a request, when a test wants more than an echo.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// One behaviour of an upstream: `Reply::status(503).times(2)`. Without a [`body`](Self::body) it is an echo.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(crate) kind: Kind,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) delay: Duration,
    pub(crate) held: bool,
    pub(crate) framed: bool,
    times: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Status(u16),
    /// The connection ends (in HTTP/2 the stream does) in place of an answer.
    Close,
    /// These bytes go to the connection in place of an answer, and then it ends.
    Garbage(Bytes),
}

impl Reply {
    /// An answer with this status.
    pub fn status(status: u16) -> Self {
        Self::new(Kind::Status(status))
    }

    /// No answer: the connection is closed (in HTTP/2: the stream is reset).
    pub fn close() -> Self {
        Self::new(Kind::Close)
    }

    /// Bytes that are no answer, then the connection's end.
    pub fn garbage(bytes: impl Into<Bytes>) -> Self {
        Self::new(Kind::Garbage(bytes.into()))
    }

    /// A gRPC answer with that status: the echo as its only message, in gRPC's framing, and then the trailers.
    pub fn grpc(status: u32) -> Self {
        Self {
            framed: true,
            ..Self::status(200).header("content-type", "application/grpc").trailer("grpc-status", status.to_string())
        }
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            headers: HeaderMap::new(),
            body: None,
            trailers: None,
            delay: Duration::ZERO,
            held: false,
            framed: false,
            times: None,
        }
    }

    /// Adds a header line to the answer. Panics on what can be no header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        append(&mut self.headers, name, value.as_ref());
        self
    }

    /// This body instead of the echo.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Adds a trailer, as gRPC ends with. Panics on what can be no header.
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        append(self.trailers.get_or_insert_default(), name, value.as_ref());
        self
    }

    /// Answers only after this time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers only when the test calls [`Upstream::release`](crate::Upstream::release).
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Holds for so many requests; after them comes the next reply of the script, or the echo. Without it: for ever.
    pub fn times(mut self, requests: usize) -> Self {
        self.times = Some(requests);
        self
    }
}

fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) else {
        panic!("not a header: {name:?}: {value:?}");
    };
    headers.append(name, value);
}

/// The replies to come.
#[derive(Debug, Default)]
pub(crate) struct Script(Mutex<VecDeque<Reply>>);

impl Script {
    pub(crate) fn set(&self, replies: impl IntoIterator<Item = Reply>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = replies.into_iter().collect();
    }

    /// The reply to the next request. When the script is at its end: the echo.
    pub(crate) fn next(&self) -> Reply {
        let mut replies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(reply) = replies.front_mut() {
            match &mut reply.times {
                None => return reply.clone(),
                Some(0) => {}
                Some(times) => {
                    *times -= 1;
                    return reply.clone();
                }
            }
            replies.pop_front();
        }
        Reply::status(200)
    }
}
