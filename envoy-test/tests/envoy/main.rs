//! Tests in a real Envoy, all of them in one process with one Envoy.
//!
//! A test is an `async fn name(envoy: &Envoy) -> anyhow::Result<()>` and its name in its module's `tests()`; a module is
//! a line in `main`.

mod configuration;
mod grpc_example;
mod harness;
mod header_operations;
mod policies;
mod routing;
mod steering;
mod waits;

use std::process::ExitCode;

fn main() -> ExitCode {
    let tests = [
        configuration::tests(),
        grpc_example::tests(),
        harness::tests(),
        header_operations::tests(),
        policies::tests(),
        routing::tests(),
        steering::tests(),
        waits::tests(),
    ];
    envoy_test::run(tests.concat())
}
