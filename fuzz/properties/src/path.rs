//! A `:path`, taken apart.

use pointsman_http::path::Target;

use crate::query;

/// Split as by reading it byte by byte: nothing is lost, decoded or changed.
pub fn path(bytes: &[u8]) {
    let (mut path, mut rest, mut query) = (Vec::new(), Vec::new(), Vec::new());
    let mut place = b'/';
    for byte in bytes {
        // The first of the two marks counts; in a query only a `#` does, and in a fragment none.
        match (place, byte) {
            (b'/', b'?' | b'#') | (b'?', b'#') => place = *byte,
            (b'?', _) => query.push(*byte),
            _ => {}
        }
        if place == b'/' { &mut path } else { &mut rest }.push(*byte);
    }
    let target = Target::parse(bytes);
    assert_eq!((target.path, target.rest, target.query()), (&path[..], &rest[..], &query[..]));
    let parameters = query::read(&query);
    for name in parameters.iter().map(|(name, _)| *name).chain([&b""[..], b"a", b"absent"]) {
        let first = parameters.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        assert_eq!(target.query_param(name), first);
    }
}
