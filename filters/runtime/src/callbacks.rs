//! Which callbacks a module needs, as text for its custom section.

use crate::chain::Chain;

/// The names of the needed callbacks, a line each, padded with zeros; `NAME=OURS`, where the SDK's does not do.
// It runs when the module is compiled: a panic would be a compiler's error.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
pub const fn callbacks<C: Chain>() -> [u8; 256] {
    let uses = C::USES;
    let calls = uses.http_call || uses.grpc_call;
    let names: [(&str, bool); 8] = [
        ("proxy_on_request_headers\n", true),
        ("proxy_on_response_headers\n", uses.response || uses.response_body || calls),
        ("proxy_on_response_body=pointsman_on_response_body\n", uses.response_body),
        ("proxy_on_response_trailers\n", uses.response_body || uses.response_trailers),
        ("proxy_on_tick\n", uses.delay || uses.beat || uses.response_body),
        ("proxy_on_http_call_response\n", uses.http_call),
        ("proxy_on_grpc_receive\n", uses.grpc_call),
        ("proxy_on_grpc_close\n", uses.grpc_call),
    ];
    let mut text = [0; 256];
    let (mut name, mut end) = (0, 0);
    while name < names.len() {
        let bytes = names[name].0.as_bytes();
        let mut byte = 0;
        while names[name].1 && byte < bytes.len() {
            text[end] = bytes[byte];
            (byte, end) = (byte + 1, end + 1);
        }
        name += 1;
    }
    text
}
