//! Rate limits that are exact, however many workers there are, in the words of Envoy.
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]
// Until there is a filter that uses them.
#![allow(dead_code)]

mod bucket;
mod cell;
pub mod config;
pub mod descriptors;
mod fingerprint;
mod memory;
mod pool;
mod rate;
mod rls;
mod set;
mod table;
mod tenancy;
#[cfg(test)]
mod tests;
