//! HTTP/2 of which the half is missing.

use envoy_test::literal;

/// An answer that ends in the middle of its message: its headers, and a frame that says that it is longer. For the first
/// stream of a connection.
pub fn half_an_answer(message: &[u8]) -> Vec<u8> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const END_HEADERS: u8 = 4;
    let mut block = Vec::new();
    literal(&mut block, b":status", b"200");
    literal(&mut block, b"content-type", b"application/grpc");
    let mut bytes = Vec::new();
    frame(&mut bytes, HEADERS, END_HEADERS, block.len(), &block);
    let data = [&b"\0\0\0\0\x40"[..], message].concat();
    frame(&mut bytes, DATA, 0, data.len() + 100, &data);
    bytes
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, length: usize, payload: &[u8]) {
    bytes.extend(&u32::try_from(length).expect("it is short").to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(1u32.to_be_bytes());
    bytes.extend(payload);
}
