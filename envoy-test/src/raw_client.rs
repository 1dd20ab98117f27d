//! Clients whose every byte is the test's: what an ordinary client would never send, and what came of it.

mod http1;
mod http2;

use std::time::Duration;

pub use http1::RawHttp1;
pub use http2::{RawHttp2, literal};

use crate::client::{latin1, visible};
use crate::echo::Echo;

/// Neither an answer nor the connection's end within this time is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer. It may have been broken off in its body.
    Answer(RawAnswer),
    /// In HTTP/2: the stream was reset, with this code.
    Reset(u32),
    /// The connection ended without an answer.
    Closed,
}

/// An answer as it stood on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// In HTTP/1 the head, in HTTP/2 nothing: its headers are compressed.
    pub head: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the whole of it came.
    pub is_whole: bool,
}

impl std::fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = if self.is_whole { "" } else { ", broken off" };
        write!(f, "{} {:?} {:?}{end}", self.status, visible(&self.head), visible(&self.body))
    }
}

impl Outcome {
    /// The answer's status; 0 if there is none.
    pub fn status(&self) -> u16 {
        match self {
            Self::Answer(answer) => answer.status,
            Self::Reset(_) | Self::Closed => 0,
        }
    }

    /// What the upstream saw, if it is an upstream's echo.
    pub fn echo(&self) -> Option<Echo> {
        let Self::Answer(answer) = self else { return None };
        serde_json::from_slice(&answer.body).ok()
    }

    /// The upstream's name; empty if none answered.
    pub fn service(&self) -> String {
        self.echo().map(|echo| echo.service).unwrap_or_default()
    }

    /// The value of a header's first line, in HTTP/1.
    pub fn header(&self, name: &str) -> Option<String> {
        let Self::Answer(answer) = self else { return None };
        let head = latin1(&answer.head);
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }
}
