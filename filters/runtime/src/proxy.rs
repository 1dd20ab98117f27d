//! What the pipeline needs of the proxy beyond what filters may ask, and Envoy as the one that gives it.

use pointsman_filter::{GrpcCall, HttpCall, LocalReply};
use pointsman_host::cells::{Cell, Changed};
use pointsman_host::{Host, Metric, MetricKind};
use pointsman_http::{HeaderMap, Write};
use proxy_wasm::hostcalls;

use crate::abi::{self, Buffer, Clock, Level, Map, Status};
use crate::metrics;

/// The proxy, from within a callback. Tests have one of their own, which counts the calls.
pub(crate) trait Proxy: Host {
    /// The serialized header map of the current context.
    fn read_map(&mut self, map: Map) -> Result<Vec<u8>, Status>;
    /// Changes a header of the current context.
    fn write_map(&mut self, map: Map, write: Write<'_>) -> Result<(), Status>;
    /// All of a buffer.
    fn read_buffer(&mut self, buffer: Buffer) -> Result<Vec<u8>, Status>;
    /// Answers the current context's request.
    fn reply(&mut self, reply: &LocalReply) -> Result<(), Status>;
    /// Lets the current context's request go on.
    fn resume(&mut self) -> Result<(), Status>;
    /// Lets go on what is held back of the current context's response.
    fn resume_response(&mut self) -> Result<(), Status>;
    /// Makes that context the current one; `false` if it is gone.
    fn select(&mut self, context: u32) -> bool;
    /// Sets how often the root context ticks, in milliseconds; 0: never.
    fn set_tick_period(&mut self, milliseconds: u32);
    /// Sends a call-out; its token.
    fn http_call(&mut self, call: &HttpCall) -> Option<u32>;
    /// Sends a call-out; its token.
    fn grpc_call(&mut self, call: &GrpcCall) -> Option<u32>;
    /// Writes into the proxy's log.
    fn log(&mut self, level: Level, message: &str);
}

/// Envoy.
pub(crate) struct Envoy {
    random: fastrand::Rng,
    /// The latest version of any cell that was seen.
    latest: std::cell::Cell<u32>,
}

impl Envoy {
    pub fn new() -> Self {
        Self { random: fastrand::Rng::with_seed(seed()), latest: std::cell::Cell::new(0) }
    }
}

impl Envoy {
    /// A cell has, or had, that version. The numbers begin anew after 32 bits.
    fn see(&self, version: u32) {
        let latest = self.latest.get();
        let has_begun_anew = latest.abs_diff(version) > u32::MAX >> 1;
        // 0 is that of a cell which is not there.
        if version > latest || (has_begun_anew && version != 0) {
            self.latest.set(version);
        }
    }
}

thread_local! {
    static VM: u64 = seed();
}

/// The host's randomness: the standard library seeds its hashers with it, so it takes no crate.
fn seed() -> u64 {
    std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0u8)
}

impl Host for Envoy {
    fn monotonic(&self) -> u64 {
        abi::now(Clock::Monotonic).unwrap_or(0)
    }

    fn wall(&self) -> u64 {
        abi::now(Clock::Wall).unwrap_or(0)
    }

    fn vm(&self) -> u64 {
        VM.with(|vm| *vm)
    }

    fn random(&mut self) -> u64 {
        self.random.u64(..)
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        abi::property(path).ok()
    }

    fn response_headers(&mut self) -> Option<HeaderMap> {
        abi::read_map(Map::Response).ok().and_then(|block| HeaderMap::parse(block).ok())
    }

    fn add(&mut self, metric: &Metric, amount: i64) {
        // Envoy takes an increment of nothing for an error. One that it refuses is one that nobody will see.
        let Some(number) = metric.number(metrics::number).filter(|_| amount != 0) else { return };
        let _ = match metric.kind() {
            MetricKind::Counter | MetricKind::Gauge => abi::increment_metric(number, amount),
            MetricKind::Histogram => abi::record_metric(number, u64::try_from(amount).unwrap_or_default()),
        };
    }

    fn cell(&self, key: &str) -> Cell {
        let (value, version) = abi::shared_data(&cell_key(key)).unwrap_or_default();
        self.see(version);
        Cell { value, version }
    }

    fn set_cell(&mut self, key: &str, value: &[u8], version: u32) -> Result<Option<u32>, Changed> {
        // Where nobody has set it yet, any version will do, but for 0: with that, one would overwrite the value of
        // whoever was faster. This one is not reached.
        let asked = if version == 0 { u32::MAX } else { version };
        abi::set_shared_data(&cell_key(key), value, asked).map_err(|_| Changed)?;
        // Envoy numbers all changes of all cells, one after the other, and does not tell the number. This one's is above all
        // that were seen: if it is not the next one, the next one is some other cell's, or was an older change of this one's.
        // (A host with a counter for each cell may not be told so: a number could be reached by somebody else's change.)
        self.see(version);
        Ok(self.latest.get().checked_add(1).filter(|next| *next < u32::MAX))
    }
}

/// What the two fields may have, but for the number and length of the second.
const MOST_GRPC_BYTES: usize = 127 - 2;

/// A cluster as a serialized `GrpcService{envoy_grpc: {cluster_name}}`. Envoy takes a plain name, too, but tries first
/// whether it is such a message: names that are (such as `users`, which is a field that it does not know) end the whole
/// process. `None`: the name is longer than [`MOST_CLUSTER_BYTES`](pointsman_filter::GrpcCall::MOST_CLUSTER_BYTES).
///
/// Of Istio's names, `outbound|8081||HOST`, the host is the call's authority, or as much of its end as there is room for:
/// without one, Envoy says the cluster's name, and services that know that no authority has a `|` refuse it.
fn grpc_service(cluster: &str) -> Option<String> {
    if cluster.len() > GrpcCall::MOST_CLUSTER_BYTES {
        return None;
    }
    // The fields have the numbers 1 and 2, and a length; a length below 128 is one byte, which as a character is the same.
    let field =
        |number: char, text: &str| Some(format!("{number}{}{text}", char::from(u8::try_from(text.len()).ok()?)));
    let mut message = field('\n', cluster)?;
    let mut host = cluster.rsplit_once('|').map(|(_, host)| host);
    while host.is_some_and(|host| message.len().saturating_add(host.len()) > MOST_GRPC_BYTES) {
        host = host.and_then(|host| host.split_once('.')).map(|(_, rest)| rest);
    }
    if let Some(host) = host {
        message.push_str(&field('\u{12}', host)?);
    }
    field('\n', &message)
}

/// All plugins of a VM share one space of keys. The number is to be raised when cells of an older version of us would
/// be misread.
fn cell_key(key: &str) -> String {
    ["pointsman/1/", key].concat()
}

impl Proxy for Envoy {
    fn read_map(&mut self, map: Map) -> Result<Vec<u8>, Status> {
        abi::read_map(map)
    }

    fn write_map(&mut self, map: Map, write: Write<'_>) -> Result<(), Status> {
        abi::write_map(map, write)
    }

    fn read_buffer(&mut self, buffer: Buffer) -> Result<Vec<u8>, Status> {
        abi::read_buffer(buffer)
    }

    fn reply(&mut self, reply: &LocalReply) -> Result<(), Status> {
        abi::send_local_response(reply)
    }

    fn resume(&mut self) -> Result<(), Status> {
        abi::continue_request()
    }

    fn resume_response(&mut self) -> Result<(), Status> {
        abi::continue_response()
    }

    fn select(&mut self, context: u32) -> bool {
        abi::set_effective_context(context).is_ok()
    }

    fn set_tick_period(&mut self, milliseconds: u32) {
        if let Err(Status(status)) = abi::set_tick_period(milliseconds) {
            self.log(Level::Error, &format!("the proxy refuses a tick period: status {status}"));
        }
    }

    // Envoy answers a raw call nowhere: the SDK's dispatcher must have sent it.

    fn http_call(&mut self, call: &HttpCall) -> Option<u32> {
        let headers = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = Some(call.body.as_slice()).filter(|body| !body.is_empty());
        hostcalls::dispatch_http_call(&call.cluster, headers, body, Vec::new(), call.timeout).ok()
    }

    fn grpc_call(&mut self, call: &GrpcCall) -> Option<u32> {
        let message = Some(call.message.as_slice());
        let target = grpc_service(&call.cluster)?;
        hostcalls::dispatch_grpc_call(&target, &call.service, &call.method, Vec::new(), message, call.timeout).ok()
    }

    fn log(&mut self, level: Level, message: &str) {
        abi::log(level, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[derive(PartialEq, Message)]
    struct GrpcService {
        #[prost(message, optional, tag = "1")]
        envoy_grpc: Option<EnvoyGrpc>,
    }

    #[derive(PartialEq, Message)]
    struct EnvoyGrpc {
        #[prost(string, tag = "1")]
        cluster_name: String,
        #[prost(string, tag = "2")]
        authority: String,
    }

    #[test]
    fn a_cluster_is_named_so_that_it_is_nothing_else() {
        for length in [1, 5, 9, 31, 120, GrpcCall::MOST_CLUSTER_BYTES] {
            let cluster_name = "u".repeat(length);
            let target = grpc_service(&cluster_name).unwrap();
            let read = GrpcService::decode(target.as_bytes()).unwrap();
            let authority = String::new();
            assert_eq!(read, GrpcService { envoy_grpc: Some(EnvoyGrpc { cluster_name, authority }) });
        }
        assert_eq!(grpc_service(&"u".repeat(126)), None);
    }

    #[test]
    fn the_host_of_a_cluster_of_istio_is_the_authority() {
        let long = ".abcdefgh".repeat(6);
        for (cluster_name, expected) in [
            ("outbound|8081||limits.default.svc.cluster.local".to_owned(), "limits.default.svc.cluster.local"),
            (format!("outbound|8081||x{long}.svc.cluster.local"), "abcdefgh.abcdefgh.svc.cluster.local"),
            (format!("outbound|8081||x{long}{long}"), ""),
            (format!("|{}", "u".repeat(124)), ""),
            ("a|".to_owned(), ""),
        ] {
            let target = grpc_service(&cluster_name).unwrap();
            let EnvoyGrpc { cluster_name: read, authority } =
                GrpcService::decode(target.as_bytes()).unwrap().envoy_grpc.unwrap();
            assert_eq!((read, &*authority), (cluster_name, expected));
        }
    }
}
