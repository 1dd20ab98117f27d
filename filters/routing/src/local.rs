//! Answers of the proxy itself, ours included. Envoy makes the header operations on them before it writes what belongs
//! to the body and to gRPC; we come after that, and leave the same.

use pointsman_host::Host;
use pointsman_http::{Edits, HeaderMap};

const CONTENT_LENGTH: &[u8] = b"content-length";
const CONTENT_TYPE: &[u8] = b"content-type";
const GRPC_STATUS: &[u8] = b"grpc-status";
const GRPC_MESSAGE: &[u8] = b"grpc-message";

/// What an operation can change in such an answer only within limits, or not at all: Envoy writes it later.
pub(crate) const CONTENT: [&[u8]; 4] = [CONTENT_LENGTH, CONTENT_TYPE, GRPC_STATUS, GRPC_MESSAGE];

/// Whether no operation has seen it yet.
pub(crate) fn is_written_later(name: &[u8]) -> bool {
    CONTENT.contains(&name)
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
    /// There is none: no operation may.
    None,
    /// It is gRPC's: no operation may, nor change the message; but a status that one has set stays.
    Grpc,
}

impl Content {
    /// Of an answer with those headers.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.first(CONTENT_TYPE) {
            None => Self::None,
            Some(b"application/grpc") => Self::Grpc,
            Some(_) => Self::Text,
        }
    }

    /// Takes out of the edits what Envoy would have overwritten.
    pub fn keep(&self, edits: &mut Edits) {
        edits.take(CONTENT_LENGTH);
        if let Self::Grpc = self {
            edits.take(GRPC_MESSAGE);
            let status = edits.take(GRPC_STATUS).into_iter().next();
            status.into_iter().for_each(|status| edits.set(GRPC_STATUS.into(), status));
        }
        let mut types = edits.take(CONTENT_TYPE).into_iter();
        if let (Self::Text, Some(first)) = (self, types.next()) {
            edits.set(CONTENT_TYPE.into(), first);
            types.for_each(|further| edits.add(CONTENT_TYPE.into(), further));
        }
    }
}
