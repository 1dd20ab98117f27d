//! Envoy's HeaderMatcher and QueryParameterMatcher.

use std::rc::Rc;

use pointsman_http::{Pattern, StringMatch};
use pointsman_wire::{Cursor, Decode, Value, check_at_most_one, check_one, message, optional, whole};

use super::{read_header_name, read_required};
use crate::descriptors::{HeaderCondition, QueryCondition, TextMatch, Wanted};

message! {
    /// As it is written.
    pub struct HeaderMatcher = "HeaderMatcher" {
        /// The header's name.
        name: Rc<[u8]> = "name" as read_header_name,
        /// What the value is; nothing at all: any value, but it must be there.
        string_match: Option<TextMatch> = "stringMatch",
        /// Whether the header is there.
        present_match: Option<bool> = "presentMatch",
        /// The value is a whole number, not less than the start and less than the end.
        range_match: Option<Int64Range> = "rangeMatch",
        /// Whether it is to be otherwise.
        invert_match: bool = "invertMatch",
        /// Whether a header that is not there counts as an empty one.
        treat_missing_header_as_empty: bool = "treatMissingHeaderAsEmpty",
    }
    refused {
        "exactMatch": "Envoy has given it up: use `stringMatch: {exact: …}`",
        "prefixMatch": "Envoy has given it up: use `stringMatch: {prefix: …}`",
        "suffixMatch": "Envoy has given it up: use `stringMatch: {suffix: …}`",
        "containsMatch": "Envoy has given it up: use `stringMatch: {contains: …}`",
        "safeRegexMatch": "Envoy has given it up: use `stringMatch: {safeRegex: {regex: …}}`",
    }
    check check_header;
}

message! {
    /// As it is written.
    pub struct QueryParameterMatcher = "QueryParameterMatcher" {
        /// The parameter's name.
        name: String = "name" as read_required,
        /// What the value is; nothing at all: any value, but it must be there.
        string_match: Option<TextMatch> = "stringMatch",
        /// Whether the parameter is there.
        present_match: Option<bool> = "presentMatch",
    }
    check check_query;
}

message! {
    /// As it is written.
    pub struct StringMatcher = "StringMatcher" {
        /// The whole value.
        exact: Option<String> = "exact",
        /// Its beginning.
        prefix: Option<String> = "prefix" as read_part,
        /// Its end.
        suffix: Option<String> = "suffix" as read_part,
        /// A part of it.
        contains: Option<String> = "contains" as read_part,
        /// An RE2 expression for the whole value.
        safe_regex: Option<RegexMatcher> = "safeRegex",
        /// Whether letters of ASCII are the same in either case.
        ignore_case: bool = "ignoreCase",
    }
    refused {
        "custom": "a filter cannot run Envoy's extensions",
    }
    check check_string;
}

message! {
    /// An RE2 expression.
    pub struct RegexMatcher = "RegexMatcher" {
        /// For the whole value.
        regex: Rc<Pattern> = "regex" as read_regex,
    }
    inert {
        "googleRe2": "there is no other engine",
    }
}

message! {
    /// Whole numbers.
    pub struct Int64Range = "Int64Range" {
        /// The least of them.
        start: i64 = "start" as read_bound,
        /// The first that is none of them.
        end: i64 = "end" as read_bound,
    }
    check check_range;
}

fn read_part(at: Cursor<'_>) -> Option<Option<String>> {
    optional(at, |at| {
        let part = String::decode(at)?;
        if part.is_empty() { at.error("is empty: use presentMatch if any value will do") } else { Some(part) }
    })
}

fn read_regex(at: Cursor<'_>) -> Option<Rc<Pattern>> {
    Pattern::compile(&read_required(at)?).map_or_else(|why| at.error(why), Some)
}

fn read_bound(at: Cursor<'_>) -> Option<i64> {
    if at.value().is_null() { Some(0) } else { whole(at, i64::MIN, i64::MAX) }
}

fn check_header(at: Cursor<'_>, _: bool) {
    check_at_most_one(at, &["stringMatch", "presentMatch", "rangeMatch"]);
    if at.has("treatMissingHeaderAsEmpty") && !at.has("stringMatch") && !at.has("rangeMatch") {
        at.field("treatMissingHeaderAsEmpty", |at| {
            at.error::<()>("makes no sense where it is asked whether the header is there");
        });
    }
}

fn check_query(at: Cursor<'_>, _: bool) {
    check_at_most_one(at, &["stringMatch", "presentMatch"]);
}

fn check_string(at: Cursor<'_>, all_known: bool) {
    check_one(at, all_known, &["exact", "prefix", "suffix", "contains", "safeRegex"]);
    if at.has("safeRegex") && at.value().get("ignoreCase").is_some_and(|value| matches!(value, Value::Bool(true))) {
        at.field("ignoreCase", |at| at.error::<()>("is not for safeRegex: write `(?i)` before the regex"));
    }
}

fn check_range(at: Cursor<'_>, all_known: bool) {
    let bound = |name: &str| at.field(name, |at| read_bound(Cursor::new(at.value(), at.path(), &Default::default())));
    if let (true, Some(start), Some(end)) = (all_known, bound("start"), bound("end"))
        && end <= start
    {
        at.error::<()>("has no number in it: the end must be more than the start");
    }
}

impl Decode for TextMatch {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = StringMatcher::decode(at)?;
        let lower = fields.ignore_case;
        let bytes = |text: String| -> Box<[u8]> {
            if lower { text.to_ascii_lowercase().into_bytes().into() } else { text.into_bytes().into() }
        };
        let exact = fields.exact.map(bytes).map(|text| match lower {
            true => Self::Known(StringMatch::ExactIgnoreCase(text)),
            false => Self::Known(StringMatch::Exact(text)),
        });
        let prefix = fields.prefix.map(bytes).map(|text| match lower {
            true => Self::Known(StringMatch::PrefixIgnoreCase(text)),
            false => Self::Known(StringMatch::Prefix(text)),
        });
        let suffix = fields.suffix.map(bytes).map(|text| match lower {
            true => Self::SuffixIgnoreCase(text),
            false => Self::Known(StringMatch::Suffix(text)),
        });
        let contains = fields.contains.map(bytes).map(|text| match lower {
            true => Self::ContainsIgnoreCase(text),
            false => Self::Contains(text),
        });
        let regex = fields.safe_regex.map(|regex| Self::Known(StringMatch::Regex(regex.regex)));
        exact.or(prefix).or(suffix).or(contains).or(regex)
    }
}

impl Decode for HeaderCondition {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = HeaderMatcher::decode(at)?;
        let text = fields.string_match.map(Wanted::Text);
        let range = fields.range_match.map(|range| Wanted::Range(range.start..range.end));
        let wanted = text.or(range).unwrap_or(Wanted::Present(fields.present_match.unwrap_or(true)));
        Some(Self {
            name: fields.name,
            wanted,
            inverted: fields.invert_match,
            missing_is_empty: fields.treat_missing_header_as_empty,
        })
    }
}

impl Decode for QueryCondition {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = QueryParameterMatcher::decode(at)?;
        let present = Wanted::Present(fields.present_match.unwrap_or(true));
        Some(Self { name: fields.name.into_bytes().into(), wanted: fields.string_match.map_or(present, Wanted::Text) })
    }
}
