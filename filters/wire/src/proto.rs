//! A serialized `google.protobuf.Struct` as a tree, in one pass. Of protobuf this is all that a filter needs; the types of
//! `prost-types` own all they hold, and took five times as long for ten thousand routes, during which a worker stands
//! still.

use crate::value::{Object, Value};

/// More lists and objects within each other than this are refused, so that no step runs out of stack.
const MAX_DEPTH: usize = 127;

/// Reads a serialized `google.protobuf.Struct`; `None`: it is none.
pub fn parse(bytes: &[u8]) -> Option<Value<'_>> {
    object(bytes, 0).map(Value::Object)
}

/// What a field holds, as far as `Struct` has such fields.
enum Payload<'a> {
    Varint(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

/// The next field: its number, and what it holds.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Payload<'a>)> {
    let tag = varint(bytes)?;
    let payload = match tag & 7 {
        0 => Payload::Varint(varint(bytes)?),
        1 => {
            let (double, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Payload::Double(f64::from_le_bytes(*double))
        }
        2 => {
            let length = varint(bytes)?;
            let (payload, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
            *bytes = rest;
            Payload::Bytes(payload)
        }
        _ => return None,
    };
    Some((tag >> 3, payload))
}

/// Seven bits a byte, the lowest first; the eighth says that there are more.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << place;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Struct: `map<string, Value> fields = 1`.
fn object(mut bytes: &[u8], depth: usize) -> Option<Object<'_>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (1, Payload::Bytes(mut entry)) = field(&mut bytes)? else { return None };
        let (mut name, mut of_name) = ("", Value::Null);
        while !entry.is_empty() {
            match field(&mut entry)? {
                (1, Payload::Bytes(text)) => name = std::str::from_utf8(text).ok()?,
                (2, Payload::Bytes(bytes)) => of_name = value(bytes, depth)?,
                _ => return None,
            }
        }
        entries.push((name.into(), of_name));
    }
    entries.shrink_to_fit();
    // As in any map of protobuf, the last of a name counts.
    Some(Object::new(entries).0)
}

/// Value: one of `null_value = 1`, `number_value = 2`, `string_value = 3`, `bool_value = 4`, `struct_value = 5` and
/// `list_value = 6`.
fn value(mut bytes: &[u8], depth: usize) -> Option<Value<'_>> {
    let mut value = Value::Null;
    while !bytes.is_empty() {
        let inner = depth.checked_add(1).filter(|inner| *inner <= MAX_DEPTH);
        value = match field(&mut bytes)? {
            (1, Payload::Varint(_)) => Value::Null,
            (2, Payload::Double(number)) => Value::Number(number.into()),
            (3, Payload::Bytes(text)) => Value::String(std::str::from_utf8(text).ok()?.into()),
            (4, Payload::Varint(boolean)) => Value::Bool(boolean != 0),
            (5, Payload::Bytes(fields)) => Value::Object(object(fields, inner?)?),
            (6, Payload::Bytes(values)) => Value::Array(list(values, inner?)?),
            _ => return None,
        };
    }
    Some(value)
}

/// ListValue: `repeated Value values = 1`.
fn list(mut bytes: &[u8], depth: usize) -> Option<Vec<Value<'_>>> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        let (1, Payload::Bytes(bytes)) = field(&mut bytes)? else { return None };
        list.push(value(bytes, depth)?);
    }
    list.shrink_to_fit();
    Some(list)
}
