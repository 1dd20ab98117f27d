//! `x-request-id`, as Envoy makes and reads it: a random UUID whose version tells whether the request is traced.

use pointsman_host::Host;
use pointsman_http::HeaderMap;

use super::ids::{Digits, Hex, bytes};

/// The header.
pub const NAME: &[u8] = b"x-request-id";

/// Where the version stands.
const VERSION: usize = 14;

/// A request's id, which may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Vec<u8>);

impl RequestId {
    /// That of a request; an empty one is none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.first(NAME).filter(|id| !id.is_empty()).map(|id| Self(id.to_vec()))
    }

    /// A new one. Whoever comes next reads in it that it is sampled.
    pub fn new(is_sampled: bool, host: &mut dyn Host) -> Self {
        let random = (u128::from(host.random()) << 64) | u128::from(host.random());
        let digits = Hex(&random.to_be_bytes()).to_string().into_bytes();
        let mut text = Vec::with_capacity(36);
        for (place, digit) in digits.into_iter().enumerate() {
            if [8, 12, 16, 20].contains(&place) {
                text.push(b'-');
            }
            text.push(match place {
                12 if is_sampled => b'9',
                12 => b'4',
                // The variant: 8, 9, a or b.
                16 => b"89ab".get(usize::from(digit & 3)).copied().unwrap_or(b'8'),
                _ => digit,
            });
        }
        Self(text)
    }

    /// As it is written.
    pub fn text(self) -> Vec<u8> {
        self.0
    }

    /// Whether it has the form of a UUID.
    pub fn is_uuid(&self) -> bool {
        let is_digit = |(place, byte): (usize, &u8)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        self.0.len() == 36 && self.0.iter().enumerate().all(is_digit)
    }

    /// Whether somebody has decided that it is sampled: by chance (9), as a client (a) or a server (b) wished.
    pub fn is_sampled(&self) -> bool {
        self.is_uuid() && self.0.get(VERSION).is_some_and(|version| b"9ab".contains(version))
    }

    /// A number below 10,000 that all who see the id get of it.
    pub fn modulo(&self) -> u32 {
        let first = self.0.get(..8).and_then(|first| bytes(first, Digits::Any));
        first.map_or(0, u32::from_be_bytes) % 10_000
    }
}
