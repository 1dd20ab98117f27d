//! HTTPMatchRequest: the conditions of a rule.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman_http::Pattern;
use pointsman_wire::{Cursor, Decode, Number, Value, map, message, number};

use super::{check_name, read_port};
use crate::claims;

message! {
    /// HTTPMatchRequest: all that is set must hold.
    pub struct HttpMatchRequest = "HTTPMatchRequest" {
        /// Appended to the route's name.
        name: String = "name",
        /// The path, without query and fragment.
        uri: Option<StringCondition> = "uri" as read_uri,
        /// `:scheme`.
        scheme: Option<StringCondition> = "scheme" as read_value,
        /// `:method`.
        method: Option<StringCondition> = "method" as read_value,
        /// `:authority`, with the port if the client sent it.
        authority: Option<StringCondition> = "authority" as read_value,
        /// By header name: one line of it must match.
        headers: BTreeMap<String, StringCondition> = "headers" as read_headers,
        /// By header name: no line of it may match; a missing header counts as an empty one.
        without_headers: BTreeMap<String, StringCondition> = "withoutHeaders" as read_headers,
        /// By parameter: the first of its name must match.
        query_params: BTreeMap<String, StringCondition> = "queryParams" as read_parameters,
        /// Whether `uri` ignores case; `exact` and `prefix` only.
        ignore_uri_case: bool = "ignoreUriCase",
        /// The port that the client connected to; 0: any.
        port: u32 = "port" as read_any_port,
        /// Only at these gateways.
        gateways: Vec<String> = "gateways",
        /// Only in a proxy whose workload has these labels.
        source_labels: BTreeMap<String, String> = "sourceLabels",
        /// Only in a proxy of this namespace.
        source_namespace: String = "sourceNamespace",
    }
    inert {
        "statPrefix": "a filter has no Envoy route whose statistics it could name",
    }
}

fn read_uri(at: Cursor<'_>) -> Option<Option<StringCondition>> {
    let condition = read_set(at)?;
    if let Some(StringCondition::Anything) = condition {
        at.warning("has no effect: none of exact, prefix and regex is set");
    }
    Some(condition)
}

fn read_value(at: Cursor<'_>) -> Option<Option<StringCondition>> {
    match read_set(at)? {
        Some(condition) => check_prefix(condition, at).map(Some),
        None => Some(None),
    }
}

fn read_set(at: Cursor<'_>) -> Option<Option<StringCondition>> {
    let condition = Option::<StringCondition>::decode_or_absent(at)?;
    // Istio reads it as "any value" where a header or a parameter may be absent, and nowhere else.
    if at.value().get("regex").and_then(Value::as_str) == Some("*") {
        return at.field("regex", |at| at.error("`*` is no regex; any value is `.*`"));
    }
    Some(condition)
}

/// Conditions on headers, by name.
pub fn read_headers(at: Cursor<'_>) -> Option<BTreeMap<String, StringCondition>> {
    map(at, |name, at| {
        let condition = StringCondition::decode(at);
        let is_named = check_header_name(name, at);
        let condition = check_prefix(condition?, at)?;
        if name.starts_with('@') && matches!(condition, StringCondition::Anything) {
            return at.error("needs one of exact, prefix and regex: Envoy has no condition that a claim is just there");
        }
        is_named.map(|()| condition)
    })
}

fn check_header_name(name: &str, at: Cursor<'_>) -> Option<()> {
    if name.starts_with('@') {
        return match claims::path(name) {
            Some(_) => Some(()),
            None => {
                at.error("is neither a header's name nor a claim's: `@request.auth.claims.NAME` or `…[NAME][NAME]`")
            }
        };
    }
    if ["uri", "scheme", "method", "authority"].contains(&name) {
        at.warning(format_args!("this matches a header named {name}; the field `{name}` stands beside `headers`"));
    }
    check_name(at, name.strip_prefix(':').unwrap_or(name))
}

fn read_parameters(at: Cursor<'_>) -> Option<BTreeMap<String, StringCondition>> {
    map(at, |name, at| {
        let condition = StringCondition::decode(at);
        if name.is_empty() {
            return at.error("a query parameter's name is empty");
        }
        check_prefix(condition?, at)
    })
}

/// 0 is any, as if it were absent.
fn read_any_port(at: Cursor<'_>) -> Option<u32> {
    match number(at.value()) {
        Some(Number::Whole(0)) => Some(0),
        _ => read_port(at).map(Option::unwrap_or_default),
    }
}

/// Envoy refuses an empty prefix everywhere but in a path.
fn check_prefix(condition: StringCondition, at: Cursor<'_>) -> Option<StringCondition> {
    match condition {
        StringCondition::Prefix(prefix) if prefix.is_empty() => {
            at.field("prefix", |at| at.error("is empty: leave the condition out if any value will do"))
        }
        condition => Some(condition),
    }
}

/// Istio's StringMatch.
#[derive(Clone, Debug)]
pub enum StringCondition {
    /// The whole value.
    Exact(String),
    /// The value's beginning.
    Prefix(String),
    /// An RE2 expression for the whole value.
    Regex(Rc<Pattern>),
    /// Nothing set, or `regex: "*"`, which Istio reads the same: it is enough that the value is there.
    Anything,
}

/// Istio's limit.
const LONGEST_REGEX: usize = 1024;

message! {
    /// StringMatch.
    pub struct StringMatch = "StringMatch" {
        /// The whole value.
        exact: Option<String> = "exact",
        /// The value's beginning.
        prefix: Option<String> = "prefix",
        /// An RE2 expression for the whole value.
        regex: Option<String> = "regex",
    }
}

impl Decode for StringCondition {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let message = StringMatch::decode(at)?;
        match (message.exact, message.prefix, message.regex) {
            (None, None, None) => Some(Self::Anything),
            (Some(exact), None, None) => Some(Self::Exact(exact)),
            (None, Some(prefix), None) => Some(Self::Prefix(prefix)),
            (None, None, Some(regex)) if regex == "*" => Some(Self::Anything),
            (None, None, Some(regex)) => at.field("regex", |at| compile(&regex, at)).map(Self::Regex),
            _ => at.error("has more than one of exact, prefix and regex: keep one"),
        }
    }
}

fn compile(regex: &str, at: Cursor<'_>) -> Option<Rc<Pattern>> {
    if regex.is_empty() {
        return at.error("is empty: an empty regex matches nothing but an empty value; say `exact: \"\"` for that");
    }
    if regex.chars().count() > LONGEST_REGEX {
        return at.error(format_args!("has more than {LONGEST_REGEX} characters, Istio's limit"));
    }
    Pattern::compile(regex).map_or_else(|why| at.error(why), Some)
}
