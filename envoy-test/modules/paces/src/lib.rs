//! A filter that lets each response go at so many KiB a second, which is all of its configuration.
//!
//! It holds a chunk of a body by the ABI's answer "stop, and have the upstream wait", which the SDK has no word for: its own
//! "pause" has the whole body pile up. So the callback is not the SDK's; packaging puts it in the other's place.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

#[used]
#[unsafe(link_section = "pointsman.callbacks")]
static CALLBACKS: [u8; 91] =
    *b"proxy_on_tick\nproxy_on_response_trailers\nproxy_on_response_body=pointsman_on_response_body\n";

const CONTINUE: u32 = 0;
const STOP_AND_WATERMARK: u32 = 2;
const RESPONSE: u32 = 1;
const INFO: u32 = 2;
const OK: u32 = 0;
const MONOTONIC: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, now: *mut u64) -> u16;
}

/// As much as takes this long may go at once, in nanoseconds.
const SLICE: u64 = 50_000_000;

/// By their contexts' numbers.
type Streams = HashMap<u32, Stream>;

#[derive(Clone, Copy, Default)]
struct Stream {
    /// When all that went on is through, at the pace that is asked for.
    through: u64,
    /// How many bytes wait.
    held: u64,
}

thread_local! {
    static KIB_A_SECOND: Cell<u64> = const { Cell::new(0) };
    static STREAMS: RefCell<Streams> = RefCell::default();
}

/// How long so many bytes take.
fn duration(bytes: u64) -> u64 {
    bytes * 1_000_000_000 / (KIB_A_SECOND.get() * 1024)
}

impl Stream {
    /// Whether a chunk may go on at once. If not it is held, with all that comes until it is due.
    fn takes(&mut self, bytes: u64, now: u64) -> bool {
        if self.held == 0 {
            self.through = self.through.max(now.saturating_sub(SLICE));
            let due = self.through + duration(bytes);
            if due <= now || bytes == 0 {
                self.through = due;
                return true;
            }
        }
        // What went on now would take along what is held, an end without bytes would, too.
        self.held += bytes;
        false
    }

    /// What is due, if anything is.
    fn take_due(&mut self, now: u64) -> Option<u64> {
        let due = self.through + duration(self.held);
        if self.held == 0 || due > now {
            return None;
        }
        // From when it was due: a late tick slows nothing down.
        self.through = due;
        Some(std::mem::take(&mut self.held))
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let Some(rate) = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<u64>().ok()) else {
            return false;
        };
        KIB_A_SECOND.set(rate);
        // SAFETY: there are no pointers.
        rate > 0 && unsafe { proxy_set_tick_period_milliseconds(5) == OK }
    }

    fn on_tick(&mut self) {
        let now = now();
        STREAMS.with_borrow_mut(|streams| {
            for (context, stream) in streams {
                let Some(held) = stream.take_due(now) else { continue };
                log(&format!("lets {held} bytes go"));
                // Only what is held is resumed: before a response has headers, that would crash all of Envoy.
                // SAFETY: there are no pointers.
                unsafe {
                    if proxy_set_effective_context(*context) == OK {
                        proxy_continue_stream(RESPONSE);
                    }
                }
            }
        });
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        STREAMS.with_borrow_mut(|streams| streams.insert(context, Stream::default()));
        Some(Box::new(Http(context)))
    }
}

struct Http(u32);

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        // Trailers that went on would take along what is held.
        let held = STREAMS.with_borrow(|streams| streams.get(&self.0).is_some_and(|stream| stream.held > 0));
        if held { Action::Pause } else { Action::Continue }
    }
}

/// However the stream has ended. What is resumed now would be a stream that Envoy is taking apart.
impl Drop for Http {
    fn drop(&mut self) {
        STREAMS.with_borrow_mut(|streams| streams.remove(&self.0));
    }
}

#[unsafe(no_mangle)]
extern "C" fn pointsman_on_response_body(context: u32, size: usize, _end: u32) -> u32 {
    let now = now();
    STREAMS.with_borrow_mut(|streams| {
        let Some(stream) = streams.get_mut(&context) else { return CONTINUE };
        if stream.takes(size as u64, now) {
            return CONTINUE;
        }
        log(&format!("holds {} bytes", stream.held));
        STOP_AND_WATERMARK
    })
}

fn now() -> u64 {
    let mut now = 0;
    // SAFETY: the host writes to the place during the call.
    unsafe { clock_time_get(MONOTONIC, 1, &mut now) };
    now
}

fn log(text: &str) {
    // SAFETY: the text lives until the call is over.
    unsafe { proxy_log(INFO, text.as_ptr(), text.len()) };
}
