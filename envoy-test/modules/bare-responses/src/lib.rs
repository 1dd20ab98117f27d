//! The floor of a filter that also sees responses: `bare` with that callback, which costs even when it does nothing.

#[path = "../../bare/src/bare.rs"]
mod bare;

/// Packaging takes away every callback that is not named here.
#[used]
#[unsafe(link_section = "pointsman.callbacks")]
static CALLBACKS: [u8; 50] = *b"proxy_on_request_headers\nproxy_on_response_headers";
