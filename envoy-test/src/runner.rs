//! Runs test functions against one shared Envoy, and prints what cargo's own tests print.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::envoy::{Envoy, EnvoyConfig};
use crate::upstream::background;

/// A test that hangs fails after this time, and the others go on.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tests mostly wait for Envoy, so more of them run at once than there are cores.
const THREADS: usize = 4;

/// A test function: `async fn name(envoy: &Envoy) -> anyhow::Result<()>`. [`tests!`](crate::tests) makes a list of them.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// Its module and name.
    pub name: &'static str,
    /// The function.
    pub run: fn(&Envoy) -> Running<'_>,
}

/// A test that runs.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A module's tests, by the names of their functions: `pub fn tests() -> Vec<Test> { tests![one, two] }`.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        vec![$($crate::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            run: |envoy| Box::pin($name(envoy)),
        }),*]
    };
}

/// Runs the tests that the command line asks for (as cargo's own tests do: filters, `--list`, `--exact`, …) against one
/// Envoy, which starts with the first of them.
pub fn run(tests: Vec<Test>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let shared: Arc<tokio::sync::OnceCell<Envoy>> = Arc::default();
    let trials = tests.into_iter().map(|test| {
        let shared = Arc::clone(&shared);
        // The crate's own name in front says nothing.
        let name = test.name.split_once("::").map_or(test.name, |(_, name)| name);
        Trial::test(name, move || {
            let outcome = background().block_on(async {
                let envoy = shared.get_or_try_init(|| EnvoyConfig::new().start()).await?;
                let in_time = tokio::time::timeout(PATIENCE, (test.run)(envoy)).await;
                in_time.map_err(|_| anyhow!("not over after {PATIENCE:?}"))?
            });
            outcome.map_err(|error: anyhow::Error| Failed::from(format!("{error:?}")))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // The trials and their clones are gone, so this is the last.
    if let Some(envoy) = Arc::into_inner(shared).and_then(tokio::sync::OnceCell::into_inner)
        && conclusion.has_failed()
    {
        envoy.keep_folder();
    }
    conclusion.exit_code()
}
