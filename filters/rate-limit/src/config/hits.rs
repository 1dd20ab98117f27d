//! How many hits a request counts for.

use std::rc::Rc;

use pointsman_routes::config::HeaderName;
use pointsman_wire::{Cursor, Decode, check_one, message, optional, whole_if_any};

use super::read_header_name;
use crate::descriptors::{Hits, MOST_HITS};

message! {
    /// As it is written: one of them.
    pub struct HitsAddend = "HitsAddend" {
        /// So many.
        number: Option<u32> = "number" as read_number,
        /// As many as the request says. Ours.
        request_header: Option<Rc<[u8]>> = "requestHeader" as read_request_header,
        /// As many as the response says, at the stream's end. Ours.
        response_header: Option<HeaderName> = "responseHeader" as read_of_response,
        /// As many as the response's trailers say, at the stream's end. Ours.
        response_trailer: Option<HeaderName> = "responseTrailer" as read_of_response,
    }
    refused {
        "format": "a filter has no format strings: use requestHeader, responseHeader or responseTrailer",
        "isNegativeHits": "a bucket gets its tokens back by time alone",
    }
    check check_hits;
}

fn read_number(at: Cursor<'_>) -> Option<Option<u32>> {
    whole_if_any(at, 1, MOST_HITS, &"is no number of hits, expected 1 to 1000000000")
}

fn read_of_response(at: Cursor<'_>) -> Option<Option<HeaderName>> {
    match at.value().as_str() {
        Some(name) if name.starts_with(':') => at.error(format_args!("`{name}` is no number of hits")),
        _ => Option::decode_or_absent(at),
    }
}

fn read_request_header(at: Cursor<'_>) -> Option<Option<Rc<[u8]>>> {
    optional(at, read_header_name)
}

fn check_hits(at: Cursor<'_>, all_known: bool) {
    check_one(at, all_known, &["number", "requestHeader", "responseHeader", "responseTrailer"]);
}

impl Decode for Hits {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = HitsAddend::decode(at)?;
        let number = fields.number.map(Self::Number);
        let number = number.or(fields.request_header.map(Self::RequestHeader));
        let number = number.or(fields.response_header.map(|name| Self::ResponseHeader(name.0)));
        number.or(fields.response_trailer.map(|name| Self::ResponseTrailer(name.0)))
    }

    fn absent() -> Option<Self> {
        Some(Self::Number(1))
    }
}
