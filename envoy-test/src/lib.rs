//! Tests and measurements of the filters in a real Envoy.
//!
//! One Envoy serves all tests, concurrently; each test adds what it needs to the running process, which takes a few
//! milliseconds, and what it added goes when it is dropped.
//!
//! ```no_run
//! use envoy_test::{Envoy, ListenerConfig, Reply, module};
//! use serde_json::json;
//!
//! async fn a_header_chooses_the_version(envoy: &Envoy) -> anyhow::Result<()> {
//!     // Echo services with exactly these names, which are their clusters' too; tests share them. `default` is there.
//!     envoy.echoes(["reviews", "reviews-v2"]).await?;
//!     let listener = envoy
//!         .add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(json!({
//!             "virtualServices": [{"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "reviews-v2"}}]}]}],
//!         })))
//!         .await?; // active; or the error that Envoy and the module gave
//!     let answer = listener.get("/x").host("reviews").header("k", b"\xff").send().await?; // .http2() for h2c
//!     assert_eq!((answer.status, answer.service().as_str()), (200, "reviews-v2"));
//!     assert_eq!(answer.echo().header("x-pointsman-cluster"), None); // what the upstream saw
//!
//!     let why = listener.update_policy(json!({"virtualServices": 5})).await?.rejected(); // or .accepted()
//!     assert!(why.contains("virtualServices"), "{why}");
//!
//!     // A service of this test alone, to count and to script. Its cluster is `flaky-N`.
//!     let flaky = envoy.upstream("flaky").await?;
//!     flaky.script([Reply::status(503).times(2)]); // and then it echoes; also .held(), .after(…), Reply::close(), …
//!     let route = json!({"route": [{"destination": {"host": flaky.name()}}]});
//!     listener.update_policy(json!({"virtualServices": [{"hosts": ["*"], "http": [route]}]})).await?.accepted();
//!     assert_eq!(listener.get("/").send().await?.status, 503);
//!     assert_eq!(flaky.requests(), 1);
//!     Ok(())
//! }
//! ```
//!
//! A test is such a function, and its name in its module's `tests![…]`; see `tests/envoy/`. Nothing sleeps: whatever takes
//! its time has a method that waits for it ([`Listener::logged`], [`Listener::access_log`], [`Upstream::arrived`],
//! [`Admin::until`]). A module logs under its listener's name, so [`Listener::log_since`] shows no other test's lines.
//!
//! Each listener has a VM of its own (`vm_id`), so shared data and panics stay within a test. A test that needs other
//! workers, flags or a fresh process starts its own: `EnvoyConfig::new().concurrency(8).start().await?`.
//!
//! When a test fails, Envoy's folder is kept and named: `envoy.log`, the configuration as Envoy read it, access logs.

pub mod rls;
pub mod routes;

mod admin;
mod client;
mod discovery;
mod echo;
mod envoy;
mod example;
mod limitador;
mod listener;
mod listener_config;
mod log;
mod merge;
mod odds;
mod paths;
mod process;
mod rate_limit_service;
mod rate_limit_stub;
mod raw_client;
mod reply;
mod runner;
mod seen;
mod tls;
mod upstream;
mod wire;

pub use admin::Admin;
pub use client::{Answer, Connection, Request, send_raw, visible};
pub use echo::Echo;
pub use envoy::{Envoy, EnvoyConfig};
pub use example::{Example, Outcomes, RunningExample};
pub use limitador::Limitador;
pub use listener::{Listener, Update};
pub use listener_config::{ListenerConfig, Policy};
pub use log::{Log, Mark};
pub use odds::bounds;
pub use paths::{envoy_binary, module, test_module, workspace};
pub use rate_limit_service::RateLimitService;
pub use rate_limit_stub::RateLimitStub;
pub use raw_client::{Outcome, RawAnswer, RawHttp1, RawHttp2, literal};
pub use reply::Reply;
pub use runner::{Test, run};
pub use seen::seen;
pub use tls::Tls;
pub use upstream::{Upstream, UpstreamConfig};
