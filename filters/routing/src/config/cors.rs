//! CorsPolicy.

use std::time::Duration;

use pointsman_routes::config::{StringCondition, check_name, is_empty};
use pointsman_wire::{Cursor, Decode, list, message};

message! {
    /// CorsPolicy: which pages of other origins may see the answers.
    pub struct CorsPolicy = "CorsPolicy" {
        /// Whose pages.
        allow_origins: Vec<StringCondition> = "allowOrigins" as read_origins,
        /// The same as exact values; deprecated, and not looked at beside `allowOrigins`.
        allow_origin: Vec<String> = "allowOrigin",
        /// What a preflight is told of methods.
        allow_methods: Vec<String> = "allowMethods" as read_methods,
        /// What a preflight is told of request headers.
        allow_headers: Vec<String> = "allowHeaders" as read_names,
        /// Which response headers a page may read.
        expose_headers: Vec<String> = "exposeHeaders" as read_names,
        /// How long a browser may keep a preflight's answer.
        max_age: Option<Duration> = "maxAge" as read_age,
        /// Whether a page may send credentials.
        allow_credentials: Option<bool> = "allowCredentials",
        /// What becomes of a preflight of any other origin.
        unmatched_preflights: UnmatchedPreflights = "unmatchedPreflights",
    }
    check check_cors;
}

/// `CorsPolicy.UnmatchedPreflights`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnmatchedPreflights {
    /// It goes to the destination: `FORWARD`, and `UNSPECIFIED`.
    #[default]
    Forward,
    /// It is answered here, without a word about origins: `IGNORE`.
    Ignore,
}

impl Decode for UnmatchedPreflights {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        match at.value().as_str() {
            Some("UNSPECIFIED" | "FORWARD") => Some(Self::Forward),
            Some("IGNORE") => Some(Self::Ignore),
            _ => at.mismatch("`FORWARD` or `IGNORE`"),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// The methods that Istio's validation knows.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

fn read_origins(at: Cursor<'_>) -> Option<Vec<StringCondition>> {
    list(at, |at| match StringCondition::decode(at)? {
        StringCondition::Anything => at.error("needs one of exact, prefix and regex; for any origin: `exact: \"*\"`"),
        StringCondition::Exact(text) | StringCondition::Prefix(text) if text.is_empty() => {
            at.error("is empty: no origin is; for any origin: `exact: \"*\"`")
        }
        origin => Some(origin),
    })
}

fn read_methods(at: Cursor<'_>) -> Option<Vec<String>> {
    list(at, |at| {
        let method = String::decode(at)?;
        if METHODS.contains(&method.as_str()) {
            return Some(method);
        }
        let known = METHODS.join(", ");
        at.error(format_args!("`{method}` is not a method that Istio knows, expected one of {known}"))
    })
}

fn read_names(at: Cursor<'_>) -> Option<Vec<String>> {
    list(at, |at| {
        let name = String::decode(at)?;
        check_name(at, &name).map(|()| name) // `*` is a name, too
    })
}

fn read_age(at: Cursor<'_>) -> Option<Option<Duration>> {
    match Option::<Duration>::decode_or_absent(at)? {
        Some(age) if age.is_zero() || age.subsec_nanos() != 0 => at.error("is not one or more whole seconds"),
        age => Some(age),
    }
}

fn check_cors(at: Cursor<'_>, _: bool) {
    let has = |field| at.value().get(field).is_some_and(|value| !is_empty(value));
    if has("allowOrigin") && has("allowOrigins") {
        at.field("allowOrigin", |at| at.warning("has no effect: allowOrigins is set, too"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_wire::decode;
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn findings(value: &Value) -> Vec<String> {
        let (policy, report) = decode::<CorsPolicy>(value);
        assert_eq!(policy.is_some(), report.errors().is_empty());
        let all = report.errors().iter().chain(report.warnings());
        all.map(ToString::to_string).collect()
    }

    #[test]
    fn what_istio_takes() {
        for value in [
            json!({}),
            json!({"allowOrigins": [{"exact": "http://x"}, {"prefix": "h"}, {"regex": ".*"}, {"exact": "*"}]}),
            json!({"allowOrigin": ["http://x", "*", ""]}),
            json!({"allowMethods": METHODS}),
            json!({"allowHeaders": ["X-a", "*"], "exposeHeaders": ["x_y", "*"]}),
            json!({"maxAge": "1h", "allowCredentials": false}),
            json!({"unmatchedPreflights": "UNSPECIFIED"}),
            json!({"unmatchedPreflights": "FORWARD"}),
            json!({"unmatchedPreflights": "IGNORE"}),
        ] {
            assert_eq!(findings(&value), [""; 0], "{value}");
        }
    }

    #[test]
    fn what_it_refuses() {
        for (value, expected) in [
            (json!({"allowOrigins": [{}]}), "allowOrigins[0]: needs one of"),
            (json!({"allowOrigins": [{"regex": "*"}]}), "allowOrigins[0]: needs one of"),
            (json!({"allowOrigins": [{"exact": ""}]}), "allowOrigins[0]: is empty"),
            (json!({"allowOrigins": [{"prefix": ""}]}), "allowOrigins[0]: is empty"),
            (json!({"allowOrigins": [{"regex": ""}]}), "allowOrigins[0].regex: is empty"),
            (json!({"allowOrigins": [{"regex": "["}]}), "allowOrigins[0].regex: "),
            (json!({"allowMethods": ["*", "get"]}), "allowMethods[1]: `get` is not a method"),
            (json!({"allowMethods": [""]}), "allowMethods[0]: `` is not a method"),
            (json!({"allowHeaders": [""]}), "allowHeaders[0]: a header's name is empty"),
            (json!({"exposeHeaders": ["a b"]}), "exposeHeaders[0]: `a b` is not a header's name"),
            (json!({"exposeHeaders": ["ü"]}), "exposeHeaders[0]: `ü` is not a header's name"),
            (json!({"maxAge": "0s"}), "maxAge: is not one or more whole seconds"),
            (json!({"maxAge": "1.5s"}), "maxAge: is not one or more whole seconds"),
            (json!({"maxAge": "500ms"}), "maxAge: is not one or more whole seconds"),
            (json!({"unmatchedPreflights": "ignore"}), "unmatchedPreflights: "),
            (json!({"allowOrigins": [{"exact": "a"}], "allowOrigin": ["b"]}), "allowOrigin: has no effect"),
        ] {
            let findings = findings(&value);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].starts_with(expected), "{findings:?}");
        }
    }
}
