//! The floor: a module without any SDK, with the one callback that a filter of requests needs.

mod bare;

/// Packaging takes away every callback that is not named here.
#[used]
#[unsafe(link_section = "pointsman.callbacks")]
static CALLBACKS: [u8; 24] = *b"proxy_on_request_headers";
