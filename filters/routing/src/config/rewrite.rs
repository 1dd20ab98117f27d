//! HTTPRewrite.

use std::rc::Rc;

use pointsman_http::Rewrite;
use pointsman_wire::{Cursor, Decode, message};

use super::answers::header_text;

message! {
    /// HTTPRewrite.
    pub struct HttpRewrite = "HTTPRewrite" {
        /// Replaces what of the path matched.
        uri: String = "uri" as header_text,
        /// The new host.
        authority: String = "authority" as header_text,
        /// Replaces every match of a regex in the path.
        regex: Option<RegexRewrite> = "uriRegexRewrite",
    }
    check check_rewrite;
}

fn check_rewrite(at: Cursor<'_>, all_known: bool) {
    let has = |field: &str| {
        let value = at.value().get(field);
        value.is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
    };
    let (uri, regex) = (has("uri"), has("uriRegexRewrite"));
    if all_known && !uri && !regex && !has("authority") {
        at.error::<()>("rewrites nothing: set uri, uriRegexRewrite or authority");
    }
    if uri && regex {
        at.error::<()>("has both uri and uriRegexRewrite: keep one");
    }
}

/// RegexRewrite, compiled.
#[derive(Clone, Debug)]
pub struct RegexRewrite(pub Rc<Rewrite>);

message! {
    /// RegexRewrite, as it is written.
    pub struct Written = "RegexRewrite" {
        /// What of the path is replaced.
        pattern: String = "match" as read_pattern,
        /// By what.
        rewrite: String = "rewrite" as read_replacement,
    }
}

fn read_pattern(at: Cursor<'_>) -> Option<String> {
    let pattern = String::decode_or_absent(at)?;
    if pattern.is_empty() { at.error("is missing") } else { Some(pattern) }
}

fn read_replacement(at: Cursor<'_>) -> Option<String> {
    let replacement = header_text(at)?;
    if replacement.is_empty() { at.error("is missing") } else { Some(replacement) }
}

impl Decode for RegexRewrite {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let written = Written::decode(at)?;
        match Rewrite::compile(&written.pattern, &written.rewrite) {
            Ok(rewrite) => Some(Self(Rc::new(rewrite))),
            Err(why) => {
                let is_pattern = Rewrite::compile(&written.pattern, "").is_err();
                at.field(if is_pattern { "match" } else { "rewrite" }, |at| at.error(why))
            }
        }
    }
}
