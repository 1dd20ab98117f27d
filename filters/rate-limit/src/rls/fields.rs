//! The fields of a serialized protobuf message.

/// What a field holds, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A number of fixed length: no message of ours has one.
    Fixed,
}

/// The next field of a message that is not at its end: its number, and what it holds. `None`: this is no message of
/// proto3. (So it is with a group: a message that nests them is never walked into.)
pub fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u32, Payload<'a>)> {
    let tag = u32::try_from(varint(bytes)?).ok()?;
    let payload = match tag & 7 {
        0 => Payload::Varint(varint(bytes)?),
        1 => take(bytes, 8).map(|_| Payload::Fixed)?,
        2 => {
            let length = varint(bytes)?;
            Payload::Bytes(take(bytes, usize::try_from(length).ok()?)?)
        }
        5 => take(bytes, 4).map(|_| Payload::Fixed)?,
        _ => return None,
    };
    Some((tag >> 3, payload)).filter(|(number, _)| *number > 0)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Seven bits a byte, the lowest first; the eighth says that there are more.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << place;
        if *byte < 0x80 {
            // Of the tenth, one bit is left.
            return (place < 63 || *byte < 2).then_some(number);
        }
    }
    None
}

/// Appends a number that is not 0; a field that is not there is 0.
pub fn put_number(message: &mut Vec<u8>, field: u8, number: u64) {
    if number > 0 {
        message.push(field << 3);
        put_varint(message, number);
    }
}

/// Appends bytes: a text, or a message.
pub fn put_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push((field << 3) | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        message.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
