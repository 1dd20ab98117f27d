//! Tests in a real Envoy, all of them in one process with one Envoy.
//!
//! A test is an `async fn name(envoy: &Envoy) -> anyhow::Result<()>` and its name in its module's `tests()`; a module is
//! a line in `main`.

mod harness;
mod policies;
mod steering;
mod waits;

use std::process::ExitCode;

fn main() -> ExitCode {
    let tests = [harness::tests(), policies::tests(), steering::tests(), waits::tests()];
    envoy_test::run(tests.concat())
}
