//! Rate limits that let every request pass, in our words and in those of Envoy's own filter.

use serde_json::{Value, json};

use crate::rules::END_USER;

/// Whose bucket a request takes from.
#[derive(Clone, Copy)]
pub enum Limits {
    /// One for all requests.
    Everything,
    /// So many rules, each with a bucket, by a header's value. The request is for the last of them.
    Rules(usize),
    /// So many buckets in one rule, by a header's value. The request takes from the last of them.
    Values(usize),
    /// One for each value of a header that is seen.
    EachValue,
}

/// The header that has the value.
pub const HEADER: &str = "end-user";

impl Limits {
    /// As `rateLimits`.
    pub fn policy(self) -> Value {
        let limits = match self {
            Self::Everything => vec![json!({"local": {"tokenBucket": bucket()}})],
            Self::Rules(count) => texts(count).map(rule).collect(),
            Self::Values(count) => vec![by_value(texts(count), &bucket())],
            Self::EachValue => vec![by_value([String::new()].into_iter(), &bucket())],
        };
        json!({"rateLimits": limits})
    }

    /// As a filter of Envoy's own.
    pub fn filter(self) -> Value {
        let by_header = json!({"request_headers": {"header_name": HEADER, "descriptor_key": "user"}});
        let (key, values, rules) = match self {
            Self::Everything => ("", vec![], vec![]),
            Self::Rules(count) => ("header_match", texts(count).collect(), texts(count).map(own_rule).collect()),
            Self::Values(count) => ("user", texts(count).collect(), vec![json!({"actions": [by_header]})]),
            Self::EachValue => ("user", vec![String::new()], vec![json!({"actions": [by_header]})]),
        };
        let descriptors = values.into_iter().map(|value| {
            let entry = if value.is_empty() { json!({"key": key}) } else { json!({"key": key, "value": value}) };
            json!({"entries": [entry], "token_bucket": own_bucket()})
        });
        let always = json!({"default_value": {"numerator": 100}});
        json!({
            "name": "envoy.filters.http.local_ratelimit",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
                "stat_prefix": "own",
                "token_bucket": own_bucket(),
                "filter_enabled": always,
                "filter_enforced": always,
                "descriptors": descriptors.collect::<Vec<_>>(),
                "rate_limits": rules,
                // Each request takes from one bucket, as with us.
                "always_consume_default_token_bucket": matches!(self, Self::Everything),
            },
        })
    }
}

/// The values of the header: that of the request comes last.
fn texts(count: usize) -> impl Iterator<Item = String> {
    let others = (1..count).map(|number| format!("user-{}", number + 1000));
    others.chain([END_USER.to_owned()])
}

/// A limit with a bucket for each of these values of the header; an empty one stands for all others.
pub fn by_value(values: impl Iterator<Item = String>, bucket: &Value) -> Value {
    let descriptors = values.map(|value| json!({"entries": [{"key": "user", "value": value}], "tokenBucket": bucket}));
    json!({
        "actions": [{"requestHeaders": {"headerName": HEADER, "descriptorKey": "user"}}],
        "local": {"descriptors": descriptors.collect::<Vec<_>>()},
    })
}

fn rule(text: String) -> Value {
    json!({"match": [{"headers": {HEADER: {"exact": text}}}], "local": {"tokenBucket": bucket()}})
}

fn own_rule(text: String) -> Value {
    let header = json!({"name": HEADER, "string_match": {"exact": text}});
    json!({"actions": [{"header_value_match": {"descriptor_value": text, "headers": [header]}}]})
}

/// A bucket that is never empty.
pub fn bucket() -> Value {
    json!({"maxTokens": TOKENS, "tokensPerFill": TOKENS, "fillInterval": "1s"})
}

fn own_bucket() -> Value {
    json!({"max_tokens": TOKENS, "tokens_per_fill": TOKENS, "fill_interval": "1s"})
}

const TOKENS: u32 = 1_000_000_000;
