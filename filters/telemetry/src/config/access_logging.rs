//! Which requests an access log is to tell of. The log itself is Envoy's.

use pointsman_wire::{Cursor, message};

use super::Mode;

message! {
    /// Istio's AccessLogging.
    pub struct AccessLogging = "AccessLogging" {
        /// Whom it is for.
        of: Option<LogSelector> = "match",
        /// Whether no request is marked.
        disabled: bool = "disabled",
        /// Which requests are marked; without it, all.
        filter: Option<Filter> = "filter",
    }
    inert {
        "providers": "logs are Envoy's to write: requests are marked for them",
    }
}

message! {
    /// Whom an entry is for.
    pub struct LogSelector = "LogSelector" {
        /// In which direction.
        mode: Mode = "mode",
    }
}

message! {
    /// Which requests.
    pub struct Filter = "AccessLogging.Filter" {
        /// In CEL, over Envoy's attributes.
        expression: String = "expression" as read_expression,
    }
}

impl AccessLogging {
    /// Whom it is for.
    pub fn mode(&self) -> Mode {
        self.of.as_ref().map_or(Mode::default(), |of| of.mode)
    }
}

/// Text in CEL. Whether it is, only Envoy can tell.
pub(super) fn read_expression(at: Cursor<'_>) -> Option<String> {
    match at.value().as_str() {
        Some(text) if text.trim().is_empty() => at.error("is empty, expected an expression in CEL"),
        Some(text) => Some(text.to_owned()),
        None if at.value().is_null() => at.error("is missing"),
        None => at.mismatch("an expression in CEL, as text"),
    }
}
