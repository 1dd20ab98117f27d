//! A module that makes the host calls its configuration asks for, and nothing else. What a filter costs above it is the
//! filter's own work.
//!
//! The configuration is text: `reads=1 writes=2 cluster=reviews`. `reads` is how often it reads the whole map of request
//! headers, `response-reads` the same for responses, `writes` how many headers it adds to the request: the first is
//! `x-pointsman-cluster`, with the cluster's name. With `cell=16` it asks what time it is, and sets a cell of so many bytes that
//! all workers share. Whatever else stands there is refused, with a line in the log.

use std::cell::RefCell;

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const PLUGIN_CONFIGURATION: u32 = 7;
const ERROR: u32 = 4;
const OK: u32 = 0;
const CONTINUE: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_get_buffer_bytes(kind: u32, start: usize, max: usize, data: *mut *const u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *const u8, size: *mut usize) -> u32;
    fn proxy_add_header_map_value(map: u32, name: *const u8, size: usize, value: *const u8, length: usize) -> u32;
    fn proxy_set_shared_data(key: *const u8, size: usize, data: *const u8, length: usize, cas: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, now: *mut u64) -> u16;
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[derive(Default)]
struct Calls {
    reads: u32,
    response_reads: u32,
    writes: u32,
    cell: usize,
    cluster: String,
}

thread_local! {
    static CALLS: RefCell<Calls> = RefCell::default();
    /// Where the host puts what it returns; each answer overwrites the one before.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Without it, the linker would run the constructors in front of every callback.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the host calls this once, before everything else.
    unsafe { __wasm_call_ctors() };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        buffer.as_mut_ptr()
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _parent: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_context: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_context: u32, size: usize) -> u32 {
    let mut text = String::new();
    if size > 0 {
        let (mut data, mut length) = (std::ptr::null(), 0);
        // SAFETY: the host writes to both places, and when it answers OK they name bytes in BUFFER.
        unsafe {
            if proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, &mut data, &mut length) == OK {
                text = String::from_utf8_lossy(std::slice::from_raw_parts(data, length)).into_owned();
            }
        }
    }
    match parse(&text) {
        Some(calls) => {
            CALLS.set(calls);
            1
        }
        None => {
            let complaint = format!("not a configuration: {text:?}");
            // SAFETY: the text lives until the call is over.
            unsafe { proxy_log(ERROR, complaint.as_ptr(), complaint.len()) };
            0
        }
    }
}

fn parse(text: &str) -> Option<Calls> {
    let mut calls = Calls::default();
    for word in text.split_whitespace() {
        match word.split_once('=')? {
            ("reads", number) => calls.reads = number.parse().ok()?,
            ("response-reads", number) => calls.response_reads = number.parse().ok()?,
            ("writes", number) => calls.writes = number.parse().ok()?,
            ("cell", size) => calls.cell = size.parse().ok()?,
            ("cluster", name) => name.clone_into(&mut calls.cluster),
            _ => return None,
        }
    }
    Some(calls)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    CALLS.with_borrow(|calls| {
        for _ in 0..calls.reads {
            read(REQUEST_HEADERS);
        }
        if calls.cell > 0 {
            take(calls.cell);
        }
        if calls.writes > 0 {
            add("x-pointsman-cluster", &calls.cluster);
        }
        for _ in 1..calls.writes {
            add("x-bare", "1");
        }
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    CALLS.with_borrow(|calls| {
        for _ in 0..calls.response_reads {
            read(RESPONSE_HEADERS);
        }
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_context: u32) {}

fn read(map: u32) {
    let (mut data, mut size) = (std::ptr::null(), 0);
    // SAFETY: the host writes to both places; nobody looks at what they then name.
    unsafe { proxy_get_header_map_pairs(map, &mut data, &mut size) };
}

fn add(name: &str, value: &str) {
    // SAFETY: both texts live until the call is over.
    unsafe { proxy_add_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn take(size: usize) {
    const MONOTONIC: u32 = 1;
    const WHATEVER_IT_WAS: u32 = 0;
    let key = "rate-limit/bucket/0";
    let mut now = 0;
    let value = [7; 136];
    // SAFETY: the host writes to one of these places and reads the others, all of which live until the calls are over.
    unsafe {
        clock_time_get(MONOTONIC, 0, &mut now);
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), size.min(value.len()), WHATEVER_IT_WAS);
    }
}
