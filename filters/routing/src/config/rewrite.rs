//! HTTPRewrite.

use std::rc::Rc;

use pointsman_http::Rewrite;
use pointsman_wire::{Cursor, Decode, message};

use super::answers::check_text;

message! {
    /// HTTPRewrite.
    pub struct HttpRewrite = "HTTPRewrite" {
        /// Replaces what of the path matched.
        uri: String = "uri",
        /// The new host.
        authority: String = "authority",
        /// Replaces every match of a regex in the path.
        regex: Option<RegexRewrite> = "uriRegexRewrite",
    }
    check check_rewrite;
}

fn check_rewrite(this: &HttpRewrite, at: Cursor<'_>) -> Option<()> {
    if this.uri.is_empty() && this.authority.is_empty() && this.regex.is_none() {
        return at.error("rewrites nothing: set uri, uriRegexRewrite or authority");
    }
    if !this.uri.is_empty() && this.regex.is_some() {
        return at.error("has both uri and uriRegexRewrite: keep one");
    }
    let uri = at.field("uri", |at| check_text(at, &this.uri));
    let authority = at.field("authority", |at| check_text(at, &this.authority));
    uri.and(authority)
}

/// RegexRewrite, compiled.
#[derive(Clone, Debug)]
pub struct RegexRewrite(pub Rc<Rewrite>);

message! {
    pub(crate) struct Written = "RegexRewrite" {
        pattern: String = "match",
        rewrite: String = "rewrite",
    }
}

impl Decode for RegexRewrite {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let written = Written::decode(at)?;
        for (field, value) in [("match", &written.pattern), ("rewrite", &written.rewrite)] {
            if value.is_empty() {
                return at.field(field, |at| at.error("is missing"));
            }
        }
        at.field("rewrite", |at| check_text(at, &written.rewrite))?;
        match Rewrite::compile(&written.pattern, &written.rewrite) {
            Ok(rewrite) => Some(Self(Rc::new(rewrite))),
            Err(why) => at.error(why),
        }
    }
}
