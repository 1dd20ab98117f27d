//! The wire types: what stands in `rateLimits`, in the words of Envoy's rate limits, checked as Envoy would.

mod action;
mod bucket;
mod global;
mod hits;
mod local;
mod matchers;
mod rate_limit;
mod response;
#[cfg(test)]
mod tests;

pub use action::{
    ActionFields, GenericKey, HeaderValueMatch, JwtClaim, MaskedRemoteAddress, MetaData, MetadataKey, Path,
    PathSegment, QueryParameterValueMatch, QueryParameters, RequestHeaders,
};
pub use bucket::TokenBucketFields;
pub use global::Global;
pub use hits::HitsAddend;
pub use local::{EntryFields, Local, LocalDescriptor, LocalDescriptorFields, LocalFields, ShareAcross};
pub use matchers::{HeaderMatcher, Int64Range, QueryParameterMatcher, RegexMatcher, StringMatcher};
pub use rate_limit::{RateLimit, RateLimitFields, read_rate_limits};
pub use response::{RateLimitHeaders, Response, is_framing};

use pointsman_routes::config::check_name;
use pointsman_routes::names;
use pointsman_wire::{Cursor, Decode};

use crate::descriptors::LONGEST;

/// `{}`: there is nothing to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nothing;

impl Decode for Nothing {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_object() {
            Some(object) if object.is_empty() => Some(Self),
            Some(_) => at.error("has fields, expected {}"),
            None => at.mismatch("{}"),
        }
    }
}

/// Text that must be there.
fn read_required(at: Cursor<'_>) -> Option<String> {
    if at.value().is_null() {
        return at.error("is missing");
    }
    let text = String::decode(at)?;
    if text.is_empty() { at.error("is empty") } else { Some(text) }
}

/// A key or a value of a descriptor, which must be there.
fn read_descriptor_text(at: Cursor<'_>) -> Option<String> {
    read_required(at)?;
    read_descriptor_text_if_any(at)
}

/// The same, if it is there.
fn read_descriptor_text_if_any(at: Cursor<'_>) -> Option<String> {
    let text = String::decode_or_absent(at)?;
    match text.len() {
        0..=LONGEST => Some(text),
        length => at.error(format_args!("has {length} bytes, expected at most {LONGEST}")),
    }
}

/// A request header's name as the header map has it; `:method` and the like are names, too.
fn read_header_name(at: Cursor<'_>) -> Option<std::rc::Rc<[u8]>> {
    let name = read_required(at)?;
    check_name(at, name.strip_prefix(':').unwrap_or(&name))?;
    Some(names::in_map(&name))
}
