//! The life cycle, which is the SDK's: its contexts do nothing but forward who and what to the worker.

use std::cell::RefCell;
use std::rc::Rc;

use pointsman_host::Host;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::abi::{self, Buffer, Level};
use crate::body::{self, Told};
use crate::chain::Chain;
use crate::configuration;
use crate::proxy::{Envoy, Proxy};
use crate::worker::{Call, Flow, Outcome, Worker};

/// Registers the filters of a module with the SDK.
pub fn start<C: Chain>() {
    proxy_wasm::set_root_context(|context| Box::new(Root::<C>::new(context)));
}

struct State<C: Chain> {
    worker: Worker<C>,
    proxy: Envoy,
}

/// The worker, shared by the root context and its streams. Envoy defers what would call back into us until we have
/// returned, so it is never borrowed twice; if it ever were, doing nothing is better than a panic.
struct Shared<C: Chain>(Rc<RefCell<State<C>>>);

impl<C: Chain> Shared<C> {
    fn with<R: Default>(&self, then: impl FnOnce(&mut Worker<C>, &mut Envoy) -> R) -> R {
        let Ok(mut state) = self.0.try_borrow_mut() else {
            abi::log(Level::Error, "a callback came within a callback, and nothing was done for it");
            return R::default();
        };
        let State { worker, proxy } = &mut *state;
        then(worker, proxy)
    }
}

impl<C: Chain> Told for Shared<C> {
    fn on_response_body(&self, context: u32, bytes: usize) -> bool {
        self.with(|worker, envoy| worker.on_response_body(context, bytes, envoy) == Flow::Pause)
    }
}

struct Root<C: Chain>(Shared<C>);

impl<C: Chain> Root<C> {
    fn new(context: u32) -> Self {
        let state = State { worker: Worker::new(context), proxy: Envoy::new() };
        Self(Shared(Rc::new(RefCell::new(state))))
    }
}

impl<C: Chain> Context for Root<C> {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        on_http_answer(&self.0, token, headers);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, _: usize) {
        on_grpc_answer(&self.0, token, status);
    }
}

impl<C: Chain> RootContext for Root<C> {
    fn on_configure(&mut self, _: usize) -> bool {
        self.0.with(|worker, envoy| match load(envoy) {
            Some(filters) => {
                worker.configure(filters);
                true
            }
            None => false,
        })
    }

    fn on_tick(&mut self) {
        self.0.with(|worker, envoy| worker.on_tick(envoy));
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http { context, shared: Shared(self.0.0.clone()) }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Reads the configuration, and says in Envoy's log what is wrong with it: Envoy itself gives no reason.
fn load<C: Chain>(envoy: &mut Envoy) -> Option<C> {
    let started = envoy.monotonic();
    let bytes = abi::read_buffer(Buffer::PluginConfiguration).unwrap_or_default();
    let configuration = match configuration::parse(&bytes) {
        Ok(configuration) => configuration,
        Err(why) => {
            envoy.log(Level::Error, &format!("pointsman: the configuration is refused: {why}"));
            return None;
        }
    };
    let (filters, report) = configuration::build(configuration, &configuration::node(envoy));
    for warning in report.warnings() {
        envoy.log(Level::Warn, &format!("pointsman: {warning}"));
    }
    if !report.errors().is_empty() {
        let count = report.errors().len();
        let more = if report.dropped() == 0 { "" } else { ", and more that are not shown" };
        envoy.log(Level::Error, &format!("pointsman: the configuration is refused, errors: {count}{more}"));
    }
    for error in report.errors() {
        envoy.log(Level::Error, &format!("pointsman: {error}"));
    }
    drop(report);
    // So long this worker served nobody. Memory never shrinks: this is the most that was ever needed.
    let micros = envoy.monotonic().saturating_sub(started).checked_div(1_000).unwrap_or_default();
    envoy.log(Level::Debug, &format!("pointsman: configured in {micros} us, memory {} KiB", memory_kib()));
    filters
}

/// How much memory the VM has taken.
fn memory_kib() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size::<0>().saturating_mul(64);
    #[cfg(not(target_arch = "wasm32"))]
    0
}

struct Http<C: Chain> {
    context: u32,
    shared: Shared<C>,
}

impl<C: Chain> Context for Http<C> {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        on_http_answer(&self.shared, token, headers);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, _: usize) {
        on_grpc_answer(&self.shared, token, status);
    }
}

impl<C: Chain> HttpContext for Http<C> {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.shared.with(|worker, envoy| Verdict::from(worker.on_request(self.context, envoy))).0
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.shared.with(|worker, envoy| worker.on_response(self.context, envoy)) {
            body::tell(self.context, Rc::new(Shared(self.shared.0.clone())));
        }
        Action::Continue
    }

    /// The packaging puts our own in its place, which can hold a body back.
    fn on_http_response_body(&mut self, _: usize, _: bool) -> Action {
        body::warn_if_told();
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.shared.with(|worker, envoy| Verdict::from(worker.on_response_trailers(self.context, envoy))).0
    }
}

/// The SDK drops a context when the proxy deletes it, which it does however the stream has ended: so no further
/// callback is needed to see the end.
impl<C: Chain> Drop for Http<C> {
    fn drop(&mut self) {
        if C::USES.response_body {
            body::forget(self.context);
        }
        self.shared.with(|worker, envoy| worker.on_end(self.context, envoy));
    }
}

fn on_http_answer<C: Chain>(shared: &Shared<C>, token: u32, headers: usize) {
    // Envoy says by an empty header map that there is no answer.
    let outcome = Outcome::Http { answered: headers > 0 };
    shared.with(|worker, envoy| worker.on_answer(Call::Http(token), outcome, envoy));
}

fn on_grpc_answer<C: Chain>(shared: &Shared<C>, token: u32, status: u32) {
    shared.with(|worker, envoy| worker.on_answer(Call::Grpc(token), Outcome::Grpc { status }, envoy));
}

/// What Envoy is told; without a word, to go on.
struct Verdict(Action);

impl From<Flow> for Verdict {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue => Self(Action::Continue),
            Flow::Pause => Self(Action::Pause),
        }
    }
}

impl Default for Verdict {
    fn default() -> Self {
        Self(Action::Continue)
    }
}
