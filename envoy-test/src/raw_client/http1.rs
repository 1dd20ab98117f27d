//! HTTP/1.1, byte by byte.

use std::io;
use std::net::SocketAddr;

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Outcome, PATIENCE, RawAnswer};
use crate::client::latin1;

/// A connection on which the test writes the bytes, and reads answers.
#[derive(Debug)]
pub struct RawHttp1 {
    stream: TcpStream,
    received: Vec<u8>,
    is_open: bool,
}

/// How an answer's end is known.
enum Length {
    Bytes(usize),
    Chunked,
    UntilClosed,
}

impl RawHttp1 {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new(), is_open: true })
    }

    /// Sends these bytes on a connection of their own, and reads one answer.
    pub async fn ask(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Result<Outcome> {
        let mut connection = Self::open(address).await?;
        connection.write(bytes.as_ref()).await;
        connection.answer().await
    }

    /// Writes; what Envoy no longer wants to read it has answered already.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next final answer: what goes before it (100, 103) is passed over.
    pub async fn answer(&mut self) -> Result<Outcome> {
        loop {
            let outcome = self.any_answer(false).await?;
            if !matches!(outcome.status(), 100 | 102..=199) {
                return Ok(outcome);
            }
        }
    }

    /// The next answer, also one that is not final, as 100 is; to a `HEAD` it has no body.
    pub async fn any_answer(&mut self, is_head: bool) -> Result<Outcome> {
        match tokio::time::timeout(PATIENCE, self.read_answer(is_head)).await {
            Ok(outcome) => Ok(outcome),
            Err(_) => bail!("no whole answer within {PATIENCE:?}, but {:?}", latin1(&self.received)),
        }
    }

    /// Bytes as they come, at least so many, or until the connection's end: for what follows an upgrade.
    pub async fn read(&mut self, at_least: usize) -> Result<Vec<u8>> {
        let reading = async { while self.received.len() < at_least && self.fill().await {} };
        if tokio::time::timeout(PATIENCE, reading).await.is_err() {
            bail!("no {at_least} bytes within {PATIENCE:?}, but {:?}", latin1(&self.received));
        }
        Ok(std::mem::take(&mut self.received))
    }

    /// Whether another request can be sent: the connection is open, and nothing is left of what came.
    pub fn is_idle(&self) -> bool {
        self.is_open && self.received.is_empty()
    }

    /// Ends the connection at once, without the courtesies of TCP.
    pub fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    async fn read_answer(&mut self, is_head: bool) -> Outcome {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                return Outcome::Closed;
            }
        };
        let head: Vec<u8> = self.received.drain(..end).collect();
        let text = latin1(&head).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let header =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let length = match (status, header("content-length").and_then(|length| length.parse().ok())) {
            _ if is_head => Length::Bytes(0),
            (0..=199 | 204 | 304, _) => Length::Bytes(0),
            (_, Some(length)) => Length::Bytes(length),
            (..) if header("transfer-encoding") == Some("chunked") => Length::Chunked,
            _ => Length::UntilClosed,
        };
        let (body, is_whole) = self.body(length).await;
        if header("connection") == Some("close") {
            self.is_open = false;
        }
        Outcome::Answer(RawAnswer { status, head, body, is_whole })
    }

    async fn body(&mut self, length: Length) -> (Vec<u8>, bool) {
        match length {
            Length::Bytes(length) => self.take(length).await,
            Length::UntilClosed => {
                while self.fill().await {}
                (std::mem::take(&mut self.received), true)
            }
            Length::Chunked => {
                let mut body = Vec::new();
                loop {
                    let Some(size) = self.line().await else { return (body, false) };
                    let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).unwrap_or(0);
                    if size == 0 {
                        while self.line().await.is_some_and(|trailer| !trailer.is_empty()) {}
                        return (body, true);
                    }
                    let (mut chunk, is_whole) = self.take(size + 2).await;
                    chunk.truncate(size);
                    body.append(&mut chunk);
                    if !is_whole {
                        return (body, false);
                    }
                }
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.received.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..at + 2).collect();
                return Some(latin1(&line[..at]));
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn take(&mut self, length: usize) -> (Vec<u8>, bool) {
        while self.received.len() < length && self.fill().await {}
        let length_there = length.min(self.received.len());
        (self.received.drain(..length_there).collect(), length_there == length)
    }

    /// Reads more; `false` at the connection's end.
    async fn fill(&mut self) -> bool {
        self.is_open = self.is_open && matches!(self.stream.read_buf(&mut self.received).await, Ok(1..));
        self.is_open
    }
}
