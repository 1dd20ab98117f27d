//! The filter of `no-op` with the one callback that a filter of requests needs: what the SDK's other exports cost.

#[path = "../../no-op/src/no_op.rs"]
mod no_op;

/// Packaging takes away every callback that is not named here.
#[used]
#[unsafe(link_section = "pointsman.callbacks")]
static CALLBACKS: [u8; 24] = *b"proxy_on_request_headers";
