//! How many hits a request counts for.

use std::rc::Rc;

use pointsman_http::HeaderMap;

/// The most, which is Envoy's own bound.
pub const MOST_HITS: u32 = 1_000_000_000;

/// Where the number comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hits {
    /// It is always this.
    Number(u32),
    /// That header of the request.
    RequestHeader(Rc<[u8]>),
    /// That header of the response, at the stream's end.
    ResponseHeader(Rc<[u8]>),
    /// That trailer of the response, at the stream's end.
    ResponseTrailer(Rc<[u8]>),
}

impl Hits {
    /// What a request counts for when it comes; `None`: that is not known before the stream's end.
    pub fn of_request(&self, headers: &HeaderMap) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::RequestHeader(name) => Some(Self::read(headers.first(name))),
            Self::ResponseHeader(_) | Self::ResponseTrailer(_) => None,
        }
    }

    /// Whether the response says it.
    pub fn is_of_response(&self) -> bool {
        matches!(self, Self::ResponseHeader(_) | Self::ResponseTrailer(_))
    }

    /// What such a header says: nobody is to get more by leaving it out, or by writing what is no number, than a plain
    /// request; and too many are the most. 0 is a request that costs nothing.
    pub fn read(value: Option<&[u8]>) -> u32 {
        let Some(value) = value.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty()) else { return 1 };
        if !value.iter().all(u8::is_ascii_digit) {
            return 1;
        }
        // It is all digits, so what cannot be read is too big.
        let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        number.unwrap_or(MOST_HITS).min(MOST_HITS)
    }
}
