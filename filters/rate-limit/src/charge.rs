//! What a request costs turns out at its end: Envoy's `apply_on_stream_done`.

use pointsman_filter::GrpcCall;
use pointsman_host::Host;
use pointsman_http::HeaderMap;

use crate::RateLimit;
use crate::descriptors::Hits;
use crate::local::Draw;
use crate::service::Service;

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

impl Charge {
    fn hits(&self) -> u32 {
        self.hits.unwrap_or_else(|| Hits::read(None))
    }
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

    /// Takes what a request has cost; the calls, if services are to be told.
    pub(crate) fn charge(&self, charges: &[Charge], host: &mut dyn Host) -> Vec<GrpcCall> {
        for charge in charges {
            if let Some(limit) = self.limits.get(charge.limit)
                && let Some(local) = &limit.local
            {
                charge.draws.iter().for_each(|draw| local.charge(draw, charge.hits(), &limit.metrics, host));
            }
        }
        let of_service = |(number, service): (usize, &Service)| {
            let is_for = |limit: usize| self.limits.get(limit).is_some_and(|limit| limit.service == Some(number));
            let told = charges.iter().filter(|charge| charge.hits() > 0 && is_for(charge.limit));
            let told = told.filter_map(|charge| {
                let entries = charge.descriptor.as_ref()?.iter();
                Some((entries.map(|(key, value)| (key.as_slice(), value.as_slice())), charge.hits()))
            });
            let is_any = told.clone().next().is_some();
            is_any.then(|| service.call(service.message(told)))
        };
        if charges.is_empty() { Vec::new() } else { self.services.iter().enumerate().filter_map(of_service).collect() }
    }
}
