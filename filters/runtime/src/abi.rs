//! The raw layer: the Proxy-Wasm ABI's calls, each with its status as a `Result`. The only unsafe code there is.
//!
//! The SDK's own wrappers panic on every status that they do not list, and a panic kills the worker's VM. The SDK
//! keeps the life cycle and the call-outs, which cannot be had beside it.
#![allow(unsafe_code)]

use std::ptr::null_mut;

use pointsman_filter::LocalReply;
use pointsman_host::MetricKind;
use pointsman_http::{HeaderMap, Write};

/// Why a call failed: the ABI's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

/// The ABI's header maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Map {
    /// Of the request.
    Request = 0,
    /// Of the response.
    Response = 2,
    /// Behind the response's body.
    ResponseTrailers = 3,
    /// Of a call-out's answer.
    CallResponse = 6,
}

/// The ABI's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Buffer {
    /// The body of a call-out's answer.
    CallResponseBody = 4,
    /// The message of a gRPC call-out's answer.
    GrpcReceive = 5,
    /// The plugin's configuration.
    PluginConfiguration = 7,
}

/// The ABI's log levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Level {
    /// For whoever looks closer.
    Debug = 1,
    /// Something has no effect.
    Warn = 3,
    /// Something is wrong.
    Error = 4,
}

/// What the ABI calls the request's direction of an HTTP stream.
const REQUEST_STREAM: u32 = 0;
/// And the response's.
const RESPONSE_STREAM: u32 = 1;
/// No gRPC status of our own: Envoy derives it from the HTTP status.
const NO_GRPC_STATUS: i32 = -1;

fn check(status: u32) -> Result<(), Status> {
    if status == 0 { Ok(()) } else { Err(Status(status)) }
}

/// Takes over what the proxy had us allocate for it.
fn take(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (null_mut(), 0);
    check(call(&mut data, &mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the proxy got this block from the module's `proxy_on_memory_allocate`, which is the SDK's and makes it
    // from a boxed slice of exactly `size` bytes with the global allocator; the proxy has filled it and keeps no copy.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// The serialized header map.
pub fn read_map(map: Map) -> Result<Vec<u8>, Status> {
    // SAFETY: both pointers are valid for writes during the call.
    take(|data, size| unsafe { imports::proxy_get_header_map_pairs(map as u32, data, size) })
}

/// Changes a header.
pub fn write_map(map: Map, write: Write<'_>) -> Result<(), Status> {
    let map = map as u32;
    // SAFETY: the proxy only reads the slices, and only during the call.
    check(unsafe {
        match write {
            Write::Add(name, value) => {
                imports::proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
            }
            Write::Replace(name, value) => {
                imports::proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
            }
            Write::Remove(name) => imports::proxy_remove_header_map_value(map, name.as_ptr(), name.len()),
        }
    })
}

/// All of a buffer.
pub fn read_buffer(buffer: Buffer) -> Result<Vec<u8>, Status> {
    // SAFETY: both pointers are valid for writes during the call.
    take(|data, size| unsafe { imports::proxy_get_buffer_bytes(buffer as u32, 0, usize::MAX, data, size) })
}

/// An attribute.
pub fn property(path: &[&str]) -> Result<Vec<u8>, Status> {
    let path = path.join("\0");
    // SAFETY: the path is only read, and both pointers are valid for writes, during the call.
    take(|data, size| unsafe { imports::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Answers the request.
pub fn send_local_response(reply: &LocalReply) -> Result<(), Status> {
    let LocalReply { status, details, body, .. } = reply;
    let headers = HeaderMap::serialize(&reply.headers);
    // gRPC's statuses have no sign; the ABI's parameter has one.
    let grpc_status = reply.grpc_status.map_or(NO_GRPC_STATUS, u32::cast_signed);
    // SAFETY: the proxy only reads the slices, and only during the call.
    check(unsafe {
        imports::proxy_send_local_response(
            *status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// Lets a request that was paused go on.
pub fn continue_request() -> Result<(), Status> {
    // SAFETY: there are no pointers.
    check(unsafe { imports::proxy_continue_stream(REQUEST_STREAM) })
}

/// Lets a response go on of which a part is held back. There must be one: Envoy crashes where there are no headers yet.
pub fn continue_response() -> Result<(), Status> {
    // SAFETY: there are no pointers.
    check(unsafe { imports::proxy_continue_stream(RESPONSE_STREAM) })
}

/// Makes that context the one that calls are about. Fails if it is gone: then nothing may be done for it.
pub fn set_effective_context(context: u32) -> Result<(), Status> {
    // SAFETY: there are no pointers.
    check(unsafe { imports::proxy_set_effective_context(context) })
}

/// Sets how often the root context ticks; 0: never.
pub fn set_tick_period(milliseconds: u32) -> Result<(), Status> {
    // SAFETY: there are no pointers.
    check(unsafe { imports::proxy_set_tick_period_milliseconds(milliseconds) })
}

/// WASI's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Clock {
    /// Since 1970.
    Wall = 0,
    /// The same one for all workers; it never goes back.
    Monotonic = 1,
}

/// Nanoseconds on that clock.
pub fn now(clock: Clock) -> Result<u64, Status> {
    let mut now = 0;
    // SAFETY: the pointer is valid for writes during the call.
    check(unsafe { imports::clock_time_get(clock as u32, 1, &mut now) }.into())?;
    Ok(now)
}

/// Makes a metric known to the proxy. It gets a new number each time, so this is for the first time alone.
pub fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Status> {
    let mut number = 0;
    // SAFETY: the name is only read, and the pointer is valid for writes, during the call.
    check(unsafe { imports::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut number) })?;
    Ok(number)
}

/// Adds to a counter or a gauge.
pub fn increment_metric(number: u32, amount: i64) -> Result<(), Status> {
    // SAFETY: there are no pointers.
    check(unsafe { imports::proxy_increment_metric(number, amount) })
}

/// Enters a value into a histogram.
pub fn record_metric(number: u32, value: u64) -> Result<(), Status> {
    // SAFETY: there are no pointers.
    check(unsafe { imports::proxy_record_metric(number, value) })
}

/// Shared data and its version.
pub fn shared_data(key: &str) -> Result<(Vec<u8>, u32), Status> {
    let mut version = 0;
    // SAFETY: the key is only read, and the pointers are valid for writes, during the call.
    let data = take(|data, size| unsafe {
        imports::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut version)
    })?;
    Ok((data, version))
}

/// Changes shared data of that version. Envoy asks for no version where there is no data yet.
pub fn set_shared_data(key: &str, data: &[u8], version: u32) -> Result<(), Status> {
    // SAFETY: the proxy only reads the slices, and only during the call.
    check(unsafe { imports::proxy_set_shared_data(key.as_ptr(), key.len(), data.as_ptr(), data.len(), version) })
}

/// Writes a line into Envoy's log.
pub fn log(level: Level, message: &str) {
    // SAFETY: the proxy only reads the message, and only during the call. If it cannot log, nothing can be done.
    let _ = unsafe { imports::proxy_log(level as u32, message.as_ptr(), message.len()) };
}

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
        pub fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            most: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub fn proxy_continue_stream(stream: u32) -> u32;
        pub fn proxy_set_effective_context(context: u32) -> u32;
        pub fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub fn proxy_define_metric(kind: u32, name: *const u8, size: usize, number: *mut u32) -> u32;
        pub fn proxy_increment_metric(number: u32, amount: i64) -> u32;
        pub fn proxy_record_metric(number: u32, value: u64) -> u32;
        pub fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            version: *mut u32,
        ) -> u32;
        pub fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            data: *const u8,
            size: usize,
            version: u32,
        ) -> u32;
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub fn clock_time_get(clock: u32, precision: u64, now: *mut u64) -> u16;
    }
}

/// Outside a proxy every call fails, so that the crate links and its tests run.
#[cfg(not(target_arch = "wasm32"))]
mod imports {
    macro_rules! absent {
        ($($name:ident($($type:ty),*);)*) => {
            $(
                #[allow(clippy::too_many_arguments)] // They are the ABI's.
                pub unsafe fn $name($(_: $type),*) -> u32 {
                    12
                }
            )*
        };
    }
    pub unsafe fn clock_time_get(_: u32, _: u64, _: *mut u64) -> u16 {
        12
    }
    absent! {
        proxy_log(u32, *const u8, usize);
        proxy_get_header_map_pairs(u32, *mut *mut u8, *mut usize);
        proxy_add_header_map_value(u32, *const u8, usize, *const u8, usize);
        proxy_replace_header_map_value(u32, *const u8, usize, *const u8, usize);
        proxy_remove_header_map_value(u32, *const u8, usize);
        proxy_get_buffer_bytes(u32, usize, usize, *mut *mut u8, *mut usize);
        proxy_get_property(*const u8, usize, *mut *mut u8, *mut usize);
        proxy_send_local_response(u32, *const u8, usize, *const u8, usize, *const u8, usize, i32);
        proxy_continue_stream(u32);
        proxy_set_effective_context(u32);
        proxy_set_tick_period_milliseconds(u32);
        proxy_define_metric(u32, *const u8, usize, *mut u32);
        proxy_increment_metric(u32, i64);
        proxy_record_metric(u32, u64);
        proxy_get_shared_data(*const u8, usize, *mut *mut u8, *mut usize, *mut u32);
        proxy_set_shared_data(*const u8, usize, *const u8, usize, u32);
    }
}
