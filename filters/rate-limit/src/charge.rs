//! What a request costs turns out at its end: Envoy's `apply_on_stream_done`.

use pointsman_filter::GrpcCall;
use pointsman_host::Host;
use pointsman_http::HeaderMap;

use crate::RateLimit;
use crate::descriptors::Hits;
use crate::local::Draw;

/// What a request is to pay for one limit.
#[derive(Debug, Default)]
pub struct Charge {
    /// The limit's number.
    pub limit: usize,
    /// From its buckets.
    pub draws: Vec<Draw>,
    /// To its service: the descriptor.
    pub descriptor: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// What the response has said.
    pub hits: Option<u32>,
}

impl RateLimit {
    /// Where the hits of a charge stand.
    pub(crate) fn hits(&self, charge: &Charge) -> Option<&Hits> {
        self.limits.get(charge.limit).map(|limit| &limit.hits)
    }

    /// Reads the hits. A response without a body has the trailers among its headers, as gRPC's do that failed.
    pub(crate) fn read(&self, charge: &mut Charge, headers: &HeaderMap) {
        if let Some(Hits::ResponseHeader(name) | Hits::ResponseTrailer(name)) = self.hits(charge)
            && headers.has(name)
        {
            charge.hits = Some(Hits::read(headers.first(name)));
        }
    }

    /// Takes what a request has cost; the call, if a service is to be told.
    pub(crate) fn charge(&self, charge: &Charge, host: &mut dyn Host) -> Option<GrpcCall> {
        let hits = charge.hits.unwrap_or_else(|| Hits::read(None));
        let limit = self.limits.get(charge.limit).filter(|_| hits > 0)?;
        if let Some(local) = &limit.local {
            charge.draws.iter().for_each(|draw| local.charge(draw, hits, &limit.metrics, host));
        }
        let service = self.services.get(limit.service?)?;
        let entries = charge.descriptor.as_ref()?.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        Some(service.call(service.message([(entries, hits)].into_iter())))
    }
}
