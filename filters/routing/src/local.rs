//! Answers of the proxy itself, ours included. Envoy makes the header operations on them before it writes what belongs
//! to the body and to gRPC; we come after that, and leave the same.

use pointsman_host::Host;
use pointsman_http::{Edits, HeaderMap};

const CONTENT_LENGTH: &[u8] = b"content-length";
const CONTENT_TYPE: &[u8] = b"content-type";

/// What an operation can change in such an answer only within limits, or not at all.
pub(crate) const CONTENT: [&[u8]; 2] = [CONTENT_LENGTH, CONTENT_TYPE];

/// Whether no operation has seen it yet.
pub(crate) fn is_written_later(name: &[u8]) -> bool {
    CONTENT.contains(&name) || name == b"grpc-status" || name == b"grpc-message"
}

/// Where a response comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Upstream,
    Proxy,
    /// The router knew none to send the request to, or never saw it: nobody has made the operations on the request.
    NoUpstream,
}

impl Origin {
    /// To be asked while the response's headers are handled.
    pub fn ask(host: &dyn Host) -> Self {
        match host.property(&["response", "code_details"]).as_deref() {
            None | Some(b"via_upstream") => Self::Upstream,
            Some(b"cluster_not_found" | b"no_healthy_upstream" | b"maintenance_mode") => Self::NoUpstream,
            Some(_) => Self::Proxy,
        }
    }
}

/// Whose the answer's content type is.
pub(crate) enum Content {
    /// There is a text: an operation may say another type.
    Text,
    /// There is none, or gRPC has it: no operation may.
    Fixed,
}

impl Content {
    /// Of an answer with those headers.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.first(CONTENT_TYPE) {
            None | Some(b"application/grpc") => Self::Fixed,
            Some(_) => Self::Text,
        }
    }

    /// Takes out of the edits what Envoy would have overwritten.
    pub fn keep(&self, edits: &mut Edits) {
        edits.take(CONTENT_LENGTH);
        let mut types = edits.take(CONTENT_TYPE).into_iter();
        if let (Self::Text, Some(first)) = (self, types.next()) {
            edits.set(CONTENT_TYPE.into(), first);
            types.for_each(|further| edits.add(CONTENT_TYPE.into(), further));
        }
    }
}
