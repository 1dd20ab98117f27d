//! `rateLimits`: the limits, each with the requests that it is for.

use pointsman_routes::config::HttpMatchRequest;
use pointsman_wire::{
    Cursor, Decode, Value, check_at_most_one, check_names, entry_name, list, message, optional, whole_if_any,
};

use super::{Global, Local, LocalDescriptor, Response, ShareAcross};
use crate::descriptors::{Action, Hits};
use crate::pool::{BUCKETS, SLOTS, TABLES};

/// A limit.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// What it is called in metrics, details and shared cells; empty: its place, such as `rateLimits[2]`.
    pub name: String,
    /// Which requests it is for and how it limits them, as it is written: what it is known by if it has no name.
    pub what: String,
    /// One of them must hold; none at all: it is for every request.
    pub matches: Vec<HttpMatchRequest>,
    /// Or it is for the requests that meet the rules of that name.
    pub route: Option<String>,
    /// What a request's descriptor is made of.
    pub actions: Vec<Action>,
    /// How many hits a request counts for.
    pub hits: Hits,
    /// What the proxy itself keeps; only its own part, if it shares it.
    pub local: Option<Local>,
    /// So many requests may be under way at once.
    pub concurrency: Option<u32>,
    /// What a service keeps.
    pub global: Option<Global>,
    /// Whether it only counts.
    pub shadow: bool,
    /// What a request over the limit gets.
    pub response: Response,
}

message! {
    /// As it is written.
    pub struct RateLimitFields = "RateLimit" {
        /// Its name.
        name: String = "name" as read_name,
        /// The requests that it is for.
        matches: Vec<HttpMatchRequest> = "match",
        /// Or the rules whose requests it is for. Ours.
        route: Option<String> = "route" as read_route,
        /// What a request's descriptor is made of.
        actions: Vec<Action> = "actions",
        /// How many hits a request counts for.
        hits_addend: Hits = "hitsAddend",
        /// What the proxy itself keeps.
        local: Option<Local> = "local",
        /// How many proxies share that.
        share_across: Option<ShareAcross> = "shareAcross",
        /// So many requests may be under way at once.
        concurrency: Option<u32> = "concurrency" as read_concurrency,
        /// What a service keeps.
        global: Option<Global> = "global",
        /// Whether it only counts.
        shadow: bool = "shadow",
        /// What a request over the limit gets.
        response: Option<Response> = "response",
    }
    refused {
        "tokenBucket": "it belongs into `local`",
        "descriptors": "they belong into `local`",
        "domain": "it belongs into `global`",
        "stage": "a limit has one place: which requests it is for says its match",
        "disableKey": "a filter cannot read Envoy's runtime: take the limit out, or set `shadow: true`",
        "limit": "limits are not overridden from metadata: use descriptors",
        "applyOnStreamDone": "responseHeader and responseTrailer of hitsAddend say so already",
        "xRatelimitOption": "use response.rateLimitHeaders",
    }
    check check_limit;
}

fn read_name(at: Cursor<'_>) -> Option<String> {
    entry_name(at, "a limit")
}

fn read_route(at: Cursor<'_>) -> Option<Option<String>> {
    optional(at, super::read_required)
}

fn read_concurrency(at: Cursor<'_>) -> Option<Option<u32>> {
    whole_if_any(at, 1, u32::MAX, &"is no number of requests, expected 1 or more")
}

fn check_limit(at: Cursor<'_>, all_known: bool) {
    let kinds = ["local", "global", "concurrency"];
    if all_known && !kinds.iter().any(|kind| at.has(kind)) {
        at.error::<()>(format_args!("limits nothing: it needs at least one of {}", kinds.join(", ")));
    }
    check_at_most_one(at, &["match", "route"]);
    if all_known && at.has("shareAcross") && !at.has("local") {
        at.field("shareAcross", |at| at.error::<()>("is for `local`: what a service keeps is shared anyway"));
    }
    let is_some = |list: Option<&Value<'_>>| list.is_some_and(|list| !pointsman_routes::config::is_empty(list));
    let has_descriptors = is_some(at.value().get("local").and_then(|local| local.get("descriptors")));
    let has_actions = is_some(at.value().get("actions"));
    if all_known && !has_actions && (has_descriptors || at.has("global")) {
        let who = if has_descriptors { "local.descriptors" } else { "global" };
        at.field("actions", |at| at.error::<()>(format_args!("is missing: without it {who} is for no request")));
    }
    if all_known && has_actions && !has_descriptors && !at.has("global") {
        at.field("actions", |at| at.warning("has no effect: neither local.descriptors nor global is there"));
    }
}

impl Decode for RateLimit {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = RateLimitFields::decode(at)?;
        if let Some(local) = &fields.local {
            at.field("local", |at| check_descriptors(local, &fields.actions, at));
        }
        let mut local = fields.local;
        if let Some(ShareAcross { replicas }) = fields.share_across {
            // It is there: that was checked.
            local = Some(at.field("local", |at| local?.shared(replicas, at))?);
        }
        if let Some(local) = &local {
            check_hits(local, &fields.hits_addend, at);
        }
        let what = ["match", "route", "actions", "local", "shareAcross", "concurrency"];
        let what = what.map(|field| at.value().get(field).map(Value::to_string));
        Some(Self {
            name: fields.name,
            what: what.into_iter().flatten().collect::<Vec<_>>().join(","),
            matches: fields.matches,
            route: fields.route,
            actions: fields.actions,
            hits: fields.hits_addend,
            local,
            concurrency: fields.concurrency,
            global: fields.global,
            shadow: fields.shadow,
            response: fields.response.unwrap_or_default(),
        })
    }
}

/// Descriptors that no request can have are easily overlooked: their requests pass.
fn check_descriptors(local: &Local, actions: &[Action], at: Cursor<'_>) {
    for (place, descriptor) in local.descriptors.iter().enumerate() {
        if !can_be_made(&descriptor.entries, actions) {
            let why = format!("is for no request: the actions make ({})", made_by(actions));
            at.field("descriptors", |at| at.element(place, |at| at.warning(why)));
        }
    }
}

/// Whether the actions can make just those entries, some of them left out if they may be.
fn can_be_made(entries: &[(String, String)], actions: &[Action]) -> bool {
    // After each action: whether it can be that so many entries are made.
    let mut made = vec![false; entries.len().saturating_add(1)];
    made.first_mut().into_iter().for_each(|none| *none = true);
    for action in actions {
        let mut next: Vec<bool> = made.iter().map(|can| *can && action.is_optional()).collect();
        for ((can, (key, value)), next) in made.iter().zip(entries).zip(next.iter_mut().skip(1)) {
            *next |= *can && action.can_make(key.as_bytes(), value.as_bytes());
        }
        made = next;
    }
    made.last() == Some(&true)
}

fn made_by(actions: &[Action]) -> String {
    let entry = |action: &Action| {
        let fixed = action.fixed().map(|value| format!("={}", value.escape_ascii())).unwrap_or_default();
        let maybe = if action.is_optional() { "?" } else { "" };
        format!("{}{fixed}{maybe}", action.key().escape_ascii())
    };
    actions.iter().map(entry).collect::<Vec<_>>().join(", ")
}

/// What costs more than fits in is never let pass.
fn check_hits(local: &Local, hits: &Hits, at: Cursor<'_>) {
    let Hits::Number(number) = hits else { return };
    let buckets = local.bucket.iter().chain(local.descriptors.iter().map(|descriptor| &descriptor.bucket));
    if let Some(least) = buckets.map(|bucket| bucket.max_tokens.get()).min().filter(|least| least < number) {
        at.field("hitsAddend", |at| {
            at.field("number", |at| {
                at.warning(format_args!("is more than fits into a bucket, {least}: none of its requests passes"));
            });
        });
    }
}

/// Reads `rateLimits`.
pub fn read_rate_limits(at: Cursor<'_>) -> Option<Vec<RateLimit>> {
    if at.value().is_null() {
        return Some(Vec::new());
    }
    let before = at.errors();
    check_names(at);
    let limits = list(at, RateLimit::decode)?;
    let locals = || limits.iter().filter_map(|limit| limit.local.as_ref());
    let descriptors = || locals().flat_map(|local| &local.descriptors);
    let keyed = descriptors().filter(|descriptor| LocalDescriptor::is_keyed(descriptor)).count();
    let default = locals().filter(|local| local.bucket.is_some()).count();
    let single = descriptors().count().saturating_sub(keyed).saturating_add(default);
    let in_flight = limits.iter().filter(|limit| limit.concurrency.is_some()).count();
    // The memory that all workers share has places for so many.
    for (count, pool, what) in [
        (keyed, &TABLES, "descriptors that leave a value open"),
        (single, &BUCKETS, "buckets"),
        (in_flight, &SLOTS, "limits of concurrency"),
    ] {
        if count > pool.most() {
            at.error::<()>(format_args!("has {count} {what}, expected at most {}", pool.most()));
        }
    }
    (at.errors() == before).then_some(limits)
}
