//! Global rate limits in a real Envoy with services: real ones, and one that says what no real one would.
//!
//! They need Go and Redis, so `cargo test` leaves them out: `make test-services` runs them. Tests are made as those of
//! `tests/envoy` are.

mod clients;
mod ends;
mod headers;
mod hostile;
mod lab;
mod limits;
mod native;
mod near_cache;
mod outages;
mod redis;
mod slow;

use std::process::ExitCode;

fn main() -> ExitCode {
    let tests = [
        clients::tests(),
        ends::tests(),
        headers::tests(),
        hostile::tests(),
        limits::tests(),
        native::tests(),
        near_cache::tests(),
        outages::tests(),
        redis::tests(),
        slow::tests(),
    ];
    envoy_test::run(tests.concat())
}
