mod actions;
mod limits;
mod matchers;

use super::*;
use std::num::NonZeroU32;
use std::time::Duration;

use pointsman_wire::{Path as Place, Report};
use serde_json::{Value, json};

/// The limits, or all errors; and all warnings.
fn read(limits: &Value) -> (Result<Vec<RateLimit>, Vec<String>>, Vec<String>) {
    let report = std::cell::RefCell::new(Report::default());
    let path = Place::ROOT.field("rateLimits");
    let limits = read_rate_limits(Cursor::new(&limits.into(), &path, &report));
    let report = report.into_inner();
    let errors: Vec<String> = report.errors().iter().map(ToString::to_string).collect();
    assert_eq!(limits.is_some(), errors.is_empty(), "{errors:?}");
    (limits.ok_or(errors), report.warnings().iter().map(ToString::to_string).collect())
}

/// What is right, and what is warned of; without `rateLimits[0]`.
#[track_caller]
fn warns(limit: &Value, expected: &[&str]) -> RateLimit {
    let (limits, warnings) = read(&json!([limit]));
    let mut limits = limits.unwrap_or_else(|errors| panic!("{limit}: {errors:?}"));
    let warnings: Vec<&str> = warnings.iter().map(|said| said.trim_start_matches("rateLimits[0].")).collect();
    assert_eq!(warnings, expected, "{limit}");
    limits.remove(0)
}

#[track_caller]
fn right(limit: &Value) -> RateLimit {
    warns(limit, &[])
}

/// What is wrong; `expected` are whole messages, without `rateLimits[0]`.
#[track_caller]
fn wrong(limit: &Value, expected: &[&str]) {
    let (limits, _) = read(&json!([limit]));
    let errors = limits.unwrap_err();
    let strip = |said: &'static str| move |error: &String| error.strip_prefix(said).map(str::to_owned);
    let errors: Vec<String> = errors
        .iter()
        .map(|error| strip("rateLimits[0].")(error).or_else(|| strip("rateLimits[0]")(error)).unwrap_or(error.clone()))
        .collect();
    assert_eq!(errors, expected, "{limit}");
}

/// A limit with that, or without (null), what is in it.
fn with(base: &Value, fields: Value) -> Value {
    let mut limit = base.clone();
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => drop(limit.as_object_mut().unwrap().remove(name)),
            value => limit[name] = value.clone(),
        }
    }
    limit
}

fn bucket(max_tokens: u32, tokens_per_fill: u32, seconds: u64) -> crate::rate::TokenBucket {
    crate::rate::tests::token_bucket(max_tokens, tokens_per_fill, seconds * 1_000)
}
