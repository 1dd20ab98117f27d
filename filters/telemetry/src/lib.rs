//! Metrics, trace context and what access logs tell of a request, in the words of Istio's Telemetry API.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]
// Until there is a filter that uses them.
#![allow(dead_code)]

pub mod config;
mod expressions;
mod flags;
mod series;
mod trace;
