//! What an upstream says of a request it got.

use serde::{Deserialize, Serialize};

/// A request as the upstream saw it; its answer's body, as JSON.
///
/// Text from the wire need not be UTF-8: each byte of a header value, a path or an authority is the character of that
/// number (0xff is `ÿ`), so nothing is lost and ASCII is itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The upstream's name, which is its cluster's.
    pub service: String,
    /// Which of the upstream's endpoints answered, from 0.
    pub endpoint: usize,
    /// The request's method.
    pub method: String,
    /// Its path with the query.
    pub path: String,
    /// Its `Host` or `:authority`.
    pub authority: String,
    /// Its header lines. The lines of a repeated header are in their order.
    pub headers: Vec<(String, String)>,
    /// How long its body was.
    pub body_length: usize,
}

impl Echo {
    /// The first line of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_lines(name).first().copied()
    }

    /// Every line of a header.
    pub fn header_lines(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(line, _)| line == name).map(|(_, value)| value.as_str()).collect()
    }
}
