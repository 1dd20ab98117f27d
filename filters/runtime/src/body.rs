//! The callback for parts of response bodies, which is our own: what the SDK's may answer is to go on, or to have the
//! proxy buffer without end. Ours has it buffer and then stop reading.
//!
//! It is exported under a name that the proxy does not know; the packaging gives it the name that it does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;

use crate::abi::{self, Level};

/// The ABI's FilterDataStatus: the part goes on.
const CONTINUE: u32 = 0;
/// It is held back, and from the buffers' limit on nothing more is read.
const STOP_ITERATION_AND_WATERMARK: u32 = 2;

/// Whoever is told of a body.
pub(crate) trait Told {
    /// So many bytes have come. Says whether they are to be held back.
    fn on_response_body(&self, context: u32, bytes: usize) -> bool;
}

thread_local! {
    /// The requests whose responses' bodies somebody wants to be told of: few, and mostly none.
    static TOLD: RefCell<HashMap<u32, Rc<dyn Told>>> = RefCell::default();
}

/// From now on until the request's end.
pub(crate) fn tell(context: u32, told: Rc<dyn Told>) {
    TOLD.with(|all| all.try_borrow_mut().map(|mut all| all.insert(context, told)).ok());
}

/// The request has ended.
pub(crate) fn forget(context: u32) {
    TOLD.with(|all| {
        // Of most there is nothing to forget, and it would be looked for all the same.
        if let Ok(mut all) = all.try_borrow_mut()
            && !all.is_empty()
        {
            all.remove(&context);
        }
    });
}

/// The SDK's callback is called only in a module that was not packaged. Said once a worker.
pub(crate) fn warn_if_told() {
    thread_local! {
        static IS_SAID: Cell<bool> = const { Cell::new(false) };
    }
    let is_any = TOLD.with(|all| all.try_borrow().is_ok_and(|all| !all.is_empty()));
    if is_any && !IS_SAID.replace(true) {
        abi::log(Level::Error, "a response is not slowed down: this module was not packaged; use the one in dist/");
    }
}

/// What is exported; see [`module!`](crate::module!).
pub fn on_response_body(context: u32, bytes: usize) -> u32 {
    let told = TOLD.with(|all| {
        let all = all.try_borrow().ok()?;
        if all.is_empty() { None } else { all.get(&context).cloned() }
    });
    match told {
        Some(told) if told.on_response_body(context, bytes) => STOP_ITERATION_AND_WATERMARK,
        _ => CONTINUE,
    }
}
