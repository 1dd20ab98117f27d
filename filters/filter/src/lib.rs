//! What a filter is ([`Filter`]), what it may say ([`Step`]), and what it handles ([`Request`], [`Response`]). What it may
//! ask stands in [`pointsman_host`]. It knows nothing else of Envoy, and nothing of other filters.

mod filter;
mod request;
mod step;

pub use filter::{Filter, Uses};
pub use request::{Destination, Request, Response};
pub use step::{Answer, Body, GrpcCall, HttpCall, LocalReply, Step, Wake};
