//! Tests in a real Envoy, all of them in one process with one Envoy.
//!
//! A test is an `async fn name(envoy: &Envoy) -> anyhow::Result<()>` and its name in its module's `tests()`; a module is
//! a line in `main`.

mod bad_configurations;
mod claims;
mod configuration;
mod cors;
mod faults;
mod formats;
mod grpc_example;
mod harness;
mod header_operations;
mod hostile;
mod limits;
mod mirrors;
mod native;
mod policies;
mod redirects;
mod reloads;
mod resilience;
mod rewrites;
mod routing;
mod seam;
mod steering;
mod sticky;
mod waits;

use std::process::ExitCode;

/// Content types of gRPC, and of what is none to Envoy.
const GRPC_OR_NOT: [&str; 7] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc;charset=utf8",
    "application/grpcx",
    "application/grpc-web",
    "APPLICATION/GRPC",
    "text/plain",
];

fn main() -> ExitCode {
    let tests = [
        bad_configurations::tests(),
        claims::tests(),
        configuration::tests(),
        cors::tests(),
        faults::tests(),
        formats::tests(),
        grpc_example::tests(),
        harness::tests(),
        header_operations::tests(),
        hostile::tests(),
        limits::tests(),
        mirrors::tests(),
        native::tests(),
        policies::tests(),
        redirects::tests(),
        reloads::tests(),
        resilience::tests(),
        rewrites::tests(),
        routing::tests(),
        seam::tests(),
        steering::tests(),
        sticky::tests(),
        waits::tests(),
    ];
    envoy_test::run(tests.concat())
}
