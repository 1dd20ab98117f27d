//! The header map as Envoy hands it over: one block of bytes, read in one call and parsed in place.

use std::fmt;

/// Headers (or trailers) of a message, in their order, repeated lines kept. Names are in lower case, as Envoy has them.
///
/// The block is the Proxy-Wasm ABI's serialized map: a count, then for each header the lengths of name and value, then
/// for each its name and value with a NUL behind each; all numbers u32, little-endian.
#[derive(Default)]
pub struct HeaderMap {
    block: Vec<u8>,
    lines: Vec<Line>,
    hidden: Vec<Line>,
}

/// Where in the block a header stands: name, NUL, value, NUL.
#[derive(Clone, Copy, Default)]
struct Line {
    name: u32,
    value: u32,
    /// Behind the value.
    end: u32,
}

impl Line {
    #[inline]
    fn name(self, block: &[u8]) -> &[u8] {
        part(block, self.name, self.value.wrapping_sub(1))
    }

    #[inline]
    fn value(self, block: &[u8]) -> &[u8] {
        part(block, self.value, self.end)
    }

    #[inline]
    fn is_named(self, name: &[u8], block: &[u8]) -> bool {
        // Most names differ in their lengths: then nothing else is looked at.
        self.value.wrapping_sub(self.name) as usize == name.len().wrapping_add(1) && self.name(block) == name
    }
}

/// Where a part of that length, which stands there, and its NUL are over.
#[inline]
fn behind(start: u32, length: [u8; 4]) -> Option<u32> {
    start.checked_add(u32::from_le_bytes(length))?.checked_add(1)
}

#[inline]
fn part(block: &[u8], start: u32, end: u32) -> &[u8] {
    block.get(start as usize..end as usize).unwrap_or_default()
}

/// The block is not a serialized map.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a serialized header map")
    }
}

impl std::error::Error for Malformed {}

impl HeaderMap {
    /// Takes the block over. An empty block is an empty map, as Envoy sends it.
    pub fn parse(block: Vec<u8>) -> Result<Self, Malformed> {
        if block.is_empty() {
            return Ok(Self::default());
        }
        let (count, rest) = block.split_first_chunk::<4>().ok_or(Malformed)?;
        // The count is not to be trusted before the lengths are seen to be there.
        let lengths_size = u32::from_le_bytes(*count).checked_mul(8).ok_or(Malformed)?;
        let lengths = rest.get(..lengths_size as usize).ok_or(Malformed)?;
        let mut lines = vec![Line::default(); lengths.len() / 8];
        let mut at = lengths_size.checked_add(4).ok_or(Malformed)?;
        for (line, [name, value]) in lines.iter_mut().zip(lengths.as_chunks::<4>().0.as_chunks::<2>().0) {
            line.name = at;
            line.value = behind(line.name, *name).ok_or(Malformed)?;
            at = behind(line.value, *value).ok_or(Malformed)?;
            line.end = at.wrapping_sub(1);
        }
        // They only grow, so the last one says it for all.
        if at as usize > block.len() {
            return Err(Malformed);
        }
        Ok(Self { block, lines, hidden: Vec::new() })
    }

    /// Builds the block of those headers: for tests, and for what is sent to the proxy.
    pub fn serialize<'a, N, V>(headers: &'a [(N, V)]) -> Vec<u8>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        // No header comes near 4 GiB.
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let parts = || headers.iter().flat_map(|(name, value): &'a (N, V)| [name.as_ref(), value.as_ref()]);
        let mut block = number(headers.len()).to_vec();
        parts().for_each(|part| block.extend(number(part.len())));
        parts().for_each(|part| {
            block.extend(part);
            block.push(0);
        });
        block
    }

    /// All lines, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (line.name(&self.block), line.value(&self.block)))
    }

    /// The values of all lines of that name (given in lower case).
    #[inline]
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().filter(move |line| line.is_named(name, &self.block)).map(|line| line.value(&self.block))
    }

    /// The value of the first line of that name.
    pub fn first(&self, name: &[u8]) -> Option<&[u8]> {
        self.lines.iter().find(|line| line.is_named(name, &self.block)).map(|line| line.value(&self.block))
    }

    /// `:path`, with the query; empty if there is none (CONNECT).
    pub fn path(&self) -> &[u8] {
        self.first(b":path").unwrap_or_default()
    }

    /// `:authority`, with the port if the client sent it.
    pub fn authority(&self) -> &[u8] {
        self.first(b":authority").unwrap_or_default()
    }

    /// Takes lines out of sight by their names. The proxy still has them: whether it does, [`has`](Self::has) tells.
    pub fn hide(&mut self, mut is_to_hide: impl FnMut(&[u8]) -> bool) {
        let block = &self.block;
        self.hidden.extend(self.lines.extract_if(.., |line| is_to_hide(line.name(block))));
    }

    /// The names of the hidden lines.
    pub fn hidden(&self) -> impl Iterator<Item = &[u8]> {
        self.hidden.iter().map(|line| line.name(&self.block))
    }

    /// Whether it is the head of what Envoy takes for gRPC.
    pub fn is_grpc(&self) -> bool {
        let rest = self.first(b"content-type").and_then(|kind| kind.strip_prefix(b"application/grpc"));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
    }

    /// Whether the proxy has a line of that name, hidden or not.
    pub fn has(&self, name: &[u8]) -> bool {
        let is_it = |line: &Line| line.is_named(name, &self.block);
        self.lines.iter().any(is_it) || self.hidden.iter().any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        HeaderMap::parse(HeaderMap::serialize(headers)).unwrap()
    }

    #[test]
    fn lines_keep_their_order_and_bytes() {
        let headers: [(&[u8], &[u8]); 4] = [(b":path", b"/a?b"), (b"x", b"\xff\x00"), (b"y", b""), (b"x", b"2")];
        let map = HeaderMap::parse(HeaderMap::serialize(&headers)).unwrap();
        assert!(map.iter().eq(headers));
        assert!(map.values(b"x").eq([b"\xff\x00" as &[u8], b"2"]));
        assert_eq!(map.first(b"y"), Some(b"" as &[u8]));
        assert_eq!(map.first(b"z"), None);
        assert_eq!((map.path(), map.authority()), (b"/a?b" as &[u8], b"" as &[u8]));
    }

    #[test]
    fn hidden_lines_are_out_of_sight_but_known() {
        let mut map = map(&[("x-pointsman-a", "1"), ("a", "2"), ("x-pointsman-a", "3")]);
        map.hide(|name| name.starts_with(b"x-pointsman-"));
        assert_eq!(map.first(b"x-pointsman-a"), None);
        assert!(map.has(b"x-pointsman-a") && map.has(b"a") && !map.has(b"b"));
        assert_eq!(map.hidden().count(), 2);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        assert!(HeaderMap::parse(vec![]).unwrap().iter().next().is_none());
        assert!(HeaderMap::parse(vec![0, 0, 0, 0]).unwrap().iter().next().is_none());
        let whole = HeaderMap::serialize(&[("name", "value"), ("n", "")]);
        for cut in 1..whole.len() {
            assert!(HeaderMap::parse(whole[..cut].to_vec()).is_err(), "{cut}");
        }
        for count in [u32::MAX, u32::MAX / 8, 1 << 29, 3] {
            let mut block = whole.clone();
            block[..4].copy_from_slice(&count.to_le_bytes());
            assert!(HeaderMap::parse(block).is_err(), "{count}");
        }
        let mut block = whole;
        block[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(HeaderMap::parse(block).is_err());
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn any_bytes_parse_or_are_refused(block: Vec<u8>) {
                if let Ok(map) = HeaderMap::parse(block) {
                    map.iter().for_each(drop);
                }
            }

            #[test]
            fn what_was_serialized_is_read_back(headers: Vec<(Vec<u8>, Vec<u8>)>) {
                let map = HeaderMap::parse(HeaderMap::serialize(&headers)).unwrap();
                prop_assert!(map.iter().eq(headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice()))));
            }
        }
    }
}
