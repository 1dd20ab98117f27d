//! Limits that the proxy keeps itself: what Envoy's `local_ratelimit` filter says of them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use pointsman_wire::{Cursor, Decode, list, message, whole_or};

use super::bucket::share;
use super::{read_descriptor_text, read_descriptor_text_if_any};
use crate::rate::TokenBucket;
use crate::table::{MOST_SETS, SETS};

/// Buckets, and which requests take from each.
#[derive(Clone, Debug)]
pub struct Local {
    /// That of every request.
    pub bucket: Option<TokenBucket>,
    /// Those of requests with certain descriptors.
    pub descriptors: Vec<LocalDescriptor>,
    /// Whether a request takes from `bucket` even if it takes from one of `descriptors`.
    pub always_consume_default: bool,
    /// How many sets of buckets are kept for each descriptor with a value left open.
    pub sets: u32,
}

/// A bucket of the requests with that descriptor.
#[derive(Clone, Debug)]
pub struct LocalDescriptor {
    /// Its entries: key and value. An empty value is any, and each has a bucket of its own.
    pub entries: Vec<(String, String)>,
    /// The bucket.
    pub bucket: TokenBucket,
}

impl LocalDescriptor {
    /// Whether there is a bucket for each value.
    pub fn is_keyed(&self) -> bool {
        self.entries.iter().any(|(_, value)| value.is_empty())
    }
}

message! {
    /// As it is written.
    pub struct LocalFields = "local" {
        /// That of every request.
        token_bucket: Option<TokenBucket> = "tokenBucket",
        /// Those of requests with certain descriptors.
        descriptors: Vec<LocalDescriptor> = "descriptors" as read_descriptors,
        /// Envoy's, true if it is left out.
        always_consume_default_token_bucket: bool = "alwaysConsumeDefaultTokenBucket" as read_true,
        /// Ours: 8 values fit into each.
        sets: u32 = "sets" as read_sets,
    }
    inert {
        "statPrefix": "metrics are named after the limit",
        "maxDynamicDescriptors": "no value loses its bucket to others that come later: see `sets`",
    }
    refused {
        "filterEnabled": "a limit that is there is on; `shadow: true` makes it count alone",
        "filterEnforced": "a limit that is there is on; `shadow: true` makes it count alone",
        "status": "it is for all of a limit: use response.status",
        "responseHeadersToAdd": "it is for all of a limit: use response.headers",
        "enableXRatelimitHeaders": "it is for all of a limit: use response.rateLimitHeaders",
        "rateLimitedAsResourceExhausted": "it is for all of a limit: use response.rateLimitedAsResourceExhausted",
        "localRateLimitPerDownstreamConnection": "a limit is of the whole proxy",
        "localClusterRateLimit": "use shareAcross, beside `local`",
        "stage": "a limit has one place: which requests it is for says its match",
        "rateLimits": "the actions stand beside `local`",
        "requestHeadersToAddWhenNotEnforced": "nothing is added to requests: see the metrics of `shadow`",
    }
    check check_local;
}

message! {
    /// As it is written.
    pub struct LocalDescriptorFields = "LocalRateLimitDescriptor" {
        /// Its entries, all of them, in the order of the actions.
        entries: Vec<EntryFields> = "entries" as read_entries,
        /// The bucket.
        token_bucket: Option<TokenBucket> = "tokenBucket",
    }
    check check_descriptor;
}

message! {
    /// An entry of a descriptor.
    pub struct EntryFields = "RateLimitDescriptor.Entry" {
        /// The key.
        key: String = "key" as read_descriptor_text,
        /// The value; empty: any.
        value: String = "value" as read_descriptor_text_if_any,
    }
}

message! {
    /// Proxies that share a limit.
    pub struct ShareAcross = "shareAcross" {
        /// How many there are: each gets an equal part.
        replicas: NonZeroU32 = "replicas" as read_replicas,
    }
}

fn read_true(at: Cursor<'_>) -> Option<bool> {
    if at.value().is_null() { Some(true) } else { bool::decode(at) }
}

fn read_sets(at: Cursor<'_>) -> Option<u32> {
    if at.value().is_null() {
        return Some(SETS);
    }
    whole_or(at, 1, MOST_SETS.into(), &format_args!("is no number of sets, expected 1 to {MOST_SETS}"))?.try_into().ok()
}

fn read_replicas(at: Cursor<'_>) -> Option<NonZeroU32> {
    if at.value().is_null() {
        return at.error("is missing");
    }
    let replicas = whole_or(at, 1, 100_000, &"is no number of replicas, expected 1 to 100000")?;
    NonZeroU32::new(replicas.try_into().ok()?)
}

fn read_entries(at: Cursor<'_>) -> Option<Vec<EntryFields>> {
    let entries = list(at, EntryFields::decode)?;
    if entries.is_empty() { at.error("needs at least one entry") } else { Some(entries) }
}

/// Two buckets for the same descriptors are a mistake: Envoy refuses them as well.
fn read_descriptors(at: Cursor<'_>) -> Option<Vec<LocalDescriptor>> {
    // Those that can be read are held against each other, whatever the others are.
    let before = at.errors();
    let descriptors = list(at, |at| Some(LocalDescriptor::decode(at)))?;
    let mut seen = BTreeMap::new();
    for (place, descriptor) in descriptors.iter().enumerate() {
        let Some(descriptor) = descriptor else { continue };
        if let Some(other) = seen.insert(&descriptor.entries, place) {
            at.element(place, |at| at.error::<()>(format_args!("has the same entries as descriptors[{other}]")));
        }
    }
    if at.errors() == before { descriptors.into_iter().collect() } else { None }
}

fn check_descriptor(at: Cursor<'_>, all_known: bool) {
    if all_known && !at.has("tokenBucket") {
        at.field("tokenBucket", |at| at.error::<()>("is missing"));
    }
}

impl Decode for LocalDescriptor {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = LocalDescriptorFields::decode(at)?;
        let entries = fields.entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
        Some(Self { entries, bucket: fields.token_bucket? })
    }
}

fn check_local(at: Cursor<'_>, all_known: bool) {
    let has_descriptors = at.value().get("descriptors").is_some_and(|list| !pointsman_routes::config::is_empty(list));
    if all_known && !at.has("tokenBucket") && !has_descriptors {
        at.error::<()>("limits nothing: it needs tokenBucket or descriptors");
    }
    if at.has("alwaysConsumeDefaultTokenBucket") && (!at.has("tokenBucket") || !has_descriptors) {
        at.field("alwaysConsumeDefaultTokenBucket", |at| {
            at.warning("has no effect: it needs both tokenBucket and descriptors");
        });
    }
}

impl Decode for Local {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = LocalFields::decode(at)?;
        let this = Self {
            bucket: fields.token_bucket,
            descriptors: fields.descriptors,
            always_consume_default: fields.always_consume_default_token_bucket,
            sets: fields.sets,
        };
        if at.has("sets") && !this.descriptors.iter().any(LocalDescriptor::is_keyed) {
            at.field("sets", |at| at.warning("has no effect: no descriptor leaves a value open"));
        }
        Some(this)
    }
}

impl Local {
    /// The part of one of so many proxies.
    pub fn shared(self, replicas: NonZeroU32, at: Cursor<'_>) -> Option<Self> {
        let before = at.errors();
        let part = |bucket: &TokenBucket, at: Cursor<'_>| at.field("tokenBucket", |at| share(bucket, replicas, at));
        let bucket = self.bucket.map(|bucket| part(&bucket, at));
        let descriptors = at.field("descriptors", |at| {
            let shared = self.descriptors.into_iter().enumerate().map(|(place, descriptor)| {
                let bucket = at.element(place, |at| part(&descriptor.bucket, at));
                bucket.map(|bucket| LocalDescriptor { bucket, ..descriptor })
            });
            shared.collect::<Vec<_>>()
        });
        if at.errors() > before {
            return None;
        }
        Some(Self { bucket: bucket.flatten(), descriptors: descriptors.into_iter().collect::<Option<_>>()?, ..self })
    }
}
