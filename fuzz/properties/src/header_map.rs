//! The header map: what is parsed, and what is found in it.

use pointsman_http::HeaderMap;

use crate::choices::Choices;
use crate::envoy::{self, Lines};

/// A block is read as a plain reading of the ABI reads it, survives a round trip, and answers as its lines would.
pub fn header_map(bytes: &[u8]) {
    let map = HeaderMap::parse(bytes.to_vec());
    let expected = read(bytes);
    assert_eq!(map.is_ok(), expected.is_some());
    if let (Ok(map), Some(lines)) = (map, expected) {
        answers(map, &lines, &mut Choices::new(bytes));
    }
    // Few bytes are a block: the same for a block that is made of them.
    let mut choices = Choices::new(bytes);
    let lines: Lines = choices.list(8, |choices| (choices.raw(3).to_vec(), choices.raw(8).to_vec()));
    answers(envoy::parse(&lines), &lines, &mut choices);
}

/// The ABI's block, read word by word. What stands behind the last header is nobody's.
fn read(block: &[u8]) -> Option<Lines> {
    if block.is_empty() {
        return Some(Lines::new());
    }
    let word = |index: u64| -> Option<u64> {
        let start = usize::try_from(index * 4).ok()?;
        let bytes = block.get(start..start + 4)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let count = word(0)?;
    let mut start = 4 + 8 * count;
    let mut parts = Vec::new();
    for index in 0..2 * count {
        let end = start + word(1 + index)?;
        // With its NUL.
        if end >= block.len() as u64 {
            return None;
        }
        parts.push(block[start as usize..end as usize].to_vec());
        start = end + 1;
    }
    Some(parts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn answers(mut map: HeaderMap, lines: &Lines, choices: &mut Choices<'_>) {
    let block = HeaderMap::serialize(lines);
    let again = HeaderMap::parse(block.clone()).unwrap();
    for map in [&map, &again] {
        let found: Lines = map.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        assert_eq!(&found, lines);
        assert_eq!(HeaderMap::serialize(&found), block);
    }
    let mut names: Vec<Vec<u8>> = lines.iter().map(|(name, _)| name.clone()).collect();
    names.extend([b"".to_vec(), b"absent".to_vec(), b":path".to_vec(), b":authority".to_vec()]);
    finds(&map, lines, lines, &names);

    let hidden: Vec<Vec<u8>> = names.iter().filter(|_| choices.one_in(2)).cloned().collect();
    map.hide(|name| hidden.iter().any(|other| other == name));
    let (gone, seen): (Lines, Lines) = lines.iter().cloned().partition(|(name, _)| hidden.contains(name));
    finds(&map, &seen, lines, &names);
    assert!(map.hidden().eq(gone.iter().map(|(name, _)| name.as_slice())));
}

/// The map answers for each name as those lines would, of which only some are in sight.
fn finds(map: &HeaderMap, seen: &Lines, all: &Lines, names: &[Vec<u8>]) {
    for name in names {
        let expected = envoy::values(seen, name);
        assert_eq!(map.first(name), expected.first().copied());
        assert!(map.values(name).eq(expected));
        assert_eq!(map.has(name), !envoy::values(all, name).is_empty());
    }
    assert_eq!(map.path(), envoy::values(seen, b":path").first().copied().unwrap_or_default());
    assert_eq!(map.authority(), envoy::values(seen, b":authority").first().copied().unwrap_or_default());
    assert!(map.iter().eq(seen.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))));
}
