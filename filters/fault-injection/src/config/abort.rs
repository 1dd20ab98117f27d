//! HTTPFaultInjection.Abort: requests are answered with an error.

use pointsman_wire::{Cursor, Decode, Number, check_one, message, number, whole_if_any};

use super::{Fault, FromHeader, Measure, Percentage, check_percentage};

/// With which status requests fail, and how many.
pub type Abort = Fault<Status>;

/// What a request fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// An HTTP status, 200 to 599.
    Http(u32),
    /// A gRPC status, with 200 in HTTP. 0 to 16; more in a request header, where Envoy takes any.
    Grpc(u32),
}

message! {
    /// As it is written.
    pub struct AbortFields = "Abort" {
        /// 200 to 599.
        http_status: Option<u32> = "httpStatus" as read_http_status,
        /// By its name.
        grpc_status: Option<u32> = "grpcStatus" as read_grpc_status,
        /// As a request header says. Ours, as Envoy has it.
        header_abort: Option<FromHeader> = "headerAbort",
        /// How many fail.
        percentage: Option<Percentage> = "percentage",
    }
    inert {
        "percent": "Istio does not read it: use percentage",
    }
    refused {
        "http2Error": "Istio has never done it: use httpStatus or grpcStatus",
    }
    check check_abort;
}

/// The names of gRPC's statuses, by their numbers.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn read_http_status(at: Cursor<'_>) -> Option<Option<u32>> {
    whole_if_any(at, 200, 599, &"is no status of a response, expected 200 to 599")
}

fn read_grpc_status(at: Cursor<'_>) -> Option<Option<u32>> {
    if at.value().is_null() {
        return Some(None);
    }
    // Istio takes the name alone, and in capitals alone. Whoever wrote the number meant a name, too.
    if let Some(Number::Whole(code)) = number(at.value()) {
        return match usize::try_from(code).ok().and_then(|code| GRPC.get(code)) {
            Some(name) => at.error(format_args!("{code} is written as its name: {name}")),
            None => at.error(format_args!("{code} is no gRPC status, expected a name such as UNAVAILABLE")),
        };
    }
    let Some(text) = at.value().as_str() else { return at.mismatch("the name of a gRPC status such as UNAVAILABLE") };
    if let Some(code) = GRPC.iter().position(|name| *name == text) {
        return u32::try_from(code).ok().map(Some);
    }
    match GRPC.iter().find(|name| is_meant(name, text)) {
        Some(name) => at.error(format_args!("`{text}` is no gRPC status; did you mean {name}?")),
        None => at.error(format_args!("`{text}` is no gRPC status, expected one of {}", GRPC.join(", "))),
    }
}

/// As other languages write the names: `NotFound`, `not_found`, `Canceled`.
fn is_meant(name: &str, text: &str) -> bool {
    let letters = |text: &str| text.replace(['_', '-', ' '], "").to_ascii_uppercase().replace("LL", "L");
    letters(name) == letters(text)
}

fn check_abort(at: Cursor<'_>, all_known: bool) {
    check_one(at, all_known, &["httpStatus", "grpcStatus", "headerAbort"]);
    check_percentage(at, all_known);
}

impl Decode for Abort {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = AbortFields::decode(at)?;
        let measure = match (fields.http_status, fields.grpc_status) {
            (Some(status), _) => Measure::Fixed(Status::Http(status)),
            (None, Some(status)) => Measure::Fixed(Status::Grpc(status)),
            (None, None) => Measure::Header,
        };
        Some(Self { measure, percentage: fields.percentage.unwrap_or(Percentage::NEVER) })
    }
}
