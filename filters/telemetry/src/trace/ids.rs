//! The ids of traces and spans.

use std::fmt;

use pointsman_host::Host;

/// The id of a trace: not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// The id of a span: not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// A new one.
    pub fn new(host: &mut dyn Host) -> Self {
        let number = (u128::from(host.random()) << 64) | u128::from(host.random());
        Self(number.max(1).to_be_bytes())
    }

    /// 32 digits; or 16, which are the lower half.
    pub fn parse(text: &[u8], are: Digits) -> Option<Self> {
        let mut id = [0; 16];
        match text.len() {
            32 => id = bytes(text, are)?,
            16 => id.get_mut(8..)?.copy_from_slice(&bytes::<8>(text, are)?),
            _ => return None,
        }
        (id != [0; 16]).then_some(Self(id))
    }
}

impl SpanId {
    /// A new one.
    pub fn new(host: &mut dyn Host) -> Self {
        Self(host.random().max(1).to_be_bytes())
    }

    /// 16 digits.
    pub fn parse(text: &[u8], are: Digits) -> Option<Self> {
        let id = bytes(text, are)?;
        (id != [0; 8]).then_some(Self(id))
    }
}

/// Which hexadecimal digits there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// As W3C has them.
    Lower,
    /// As B3's readers take them.
    Any,
}

/// Bytes in hexadecimal digits, two each.
pub fn bytes<const N: usize>(text: &[u8], are: Digits) -> Option<[u8; N]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high, are)? << 4) | digit(*low, are)?;
    }
    Some(bytes)
}

fn digit(digit: u8, are: Digits) -> Option<u8> {
    if are == Digits::Lower && digit.is_ascii_uppercase() {
        return None;
    }
    char::from(digit).to_digit(16).and_then(|digit| digit.try_into().ok())
}

/// Bytes as lower-case digits.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
