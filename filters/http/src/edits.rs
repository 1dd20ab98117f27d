//! Header edits: collected while the filters run, and written with the fewest calls at the end.

use std::rc::Rc;

use crate::header_map::HeaderMap;

/// Edits of a header map, in order, as Envoy's `HeaderMutation`s would be applied.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    list: Vec<Edit>,
}

#[derive(Clone, Debug)]
struct Edit {
    /// In lower case.
    name: Rc<[u8]>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Remove,
    Set(Rc<[u8]>),
    Add(Rc<[u8]>),
}

/// One call to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// Appends a line.
    Add(&'a [u8], &'a [u8]),
    /// Replaces all lines of the name by one.
    Replace(&'a [u8], &'a [u8]),
    /// Removes all lines of the name.
    Remove(&'a [u8]),
}

impl Edits {
    /// Removes all lines of that name (in lower case).
    pub fn remove(&mut self, name: Rc<[u8]>) {
        self.list.push(Edit { name, change: Change::Remove });
    }

    /// Removes all lines of that name (in lower case) that were there before any edit.
    pub fn remove_first(&mut self, name: Rc<[u8]>) {
        self.list.insert(0, Edit { name, change: Change::Remove });
    }

    /// Makes that the only line of the name (in lower case), whether there was one or not.
    pub fn set(&mut self, name: Rc<[u8]>, value: Rc<[u8]>) {
        self.list.push(Edit { name, change: Change::Set(value) });
    }

    /// Appends a line of that name (in lower case).
    pub fn add(&mut self, name: Rc<[u8]>, value: Rc<[u8]>) {
        self.list.push(Edit { name, change: Change::Add(value) });
    }

    /// Appends those edits to these.
    pub fn extend(&mut self, other: &Self) {
        self.list.extend_from_slice(&other.list);
    }

    /// The names, as often as they occur.
    pub fn names(&self) -> impl Iterator<Item = &Rc<[u8]>> {
        self.list.iter().map(|edit| &edit.name)
    }

    /// Takes the edits of that name out, and says which lines they would make where there was none.
    pub fn take(&mut self, name: &[u8]) -> Vec<Rc<[u8]>> {
        let mut lines = Vec::new();
        for edit in self.list.extract_if(.., |edit| *edit.name == *name) {
            match edit.change {
                Change::Add(value) => lines.push(value),
                Change::Set(value) => lines = vec![value],
                Change::Remove => lines.clear(),
            }
        }
        lines
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first line of that name when the edits have been made to that map.
    pub fn first<'a>(&'a self, name: &[u8], map: &'a HeaderMap) -> Option<&'a [u8]> {
        let mut first = map.first(name);
        for edit in self.list.iter().filter(|edit| *edit.name == *name) {
            first = match &edit.change {
                Change::Remove => None,
                Change::Set(value) => Some(value),
                Change::Add(value) => first.or(Some(value)),
            };
        }
        first
    }

    /// The calls that make the proxy's map what the edits say. `map` is what the proxy has, if it was read: an absent
    /// name is then added, which costs less than replacing, and is not removed, which costs as much as a write.
    pub fn write<'a>(&'a self, map: Option<&HeaderMap>, mut call: impl FnMut(Write<'a>)) {
        for (index, edit) in self.list.iter().enumerate() {
            let earlier = self.list.get(..index).unwrap_or_default();
            // The names are few: a table of them would cost more than it saves.
            if earlier.iter().any(|other| other.name == edit.name) {
                continue;
            }
            let later = self.list.get(index..).unwrap_or_default().iter().filter(|other| other.name == edit.name);
            write_name(&edit.name, later, map, &mut call);
        }
    }
}

/// Writes what becomes of one name.
fn write_name<'a>(
    name: &'a [u8],
    edits: impl Iterator<Item = &'a Edit> + Clone,
    map: Option<&HeaderMap>,
    call: &mut impl FnMut(Write<'a>),
) {
    // The last edit that clears the name takes the original lines and all earlier edits with it.
    let clears = |edit: &&Edit| !matches!(edit.change, Change::Add(_));
    let cleared = edits.clone().filter(clears).count();
    let last = edits.clone().enumerate().filter(|(_, edit)| clears(edit)).last().map_or(0, |(index, _)| index);
    let mut values = edits.skip(last).filter_map(|edit| match &edit.change {
        Change::Set(value) | Change::Add(value) => Some(value.as_ref()),
        Change::Remove => None,
    });
    let present = map.is_none_or(|map| map.has(name));
    if cleared > 0 && present {
        match values.next() {
            Some(value) => call(Write::Replace(name, value)),
            None => call(Write::Remove(name)),
        }
    }
    values.for_each(|value| call(Write::Add(name, value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn edits(script: &str) -> Edits {
        let mut edits = Edits::default();
        for word in script.split_whitespace() {
            let (kind, rest) = word.split_at(1);
            let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
            match kind {
                "-" => edits.remove(name.as_bytes().into()),
                "=" => edits.set(name.as_bytes().into(), value.as_bytes().into()),
                _ => edits.add(name.as_bytes().into(), value.as_bytes().into()),
            }
        }
        edits
    }

    fn writes(script: &str, map: Option<&HeaderMap>) -> String {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        let mut calls = Vec::new();
        edits(script).write(map, |write| {
            calls.push(match write {
                Write::Add(name, value) => format!("add {}={}", text(name), text(value)),
                Write::Replace(name, value) => format!("replace {}={}", text(name), text(value)),
                Write::Remove(name) => format!("remove {}", text(name)),
            });
        });
        calls.join(", ")
    }

    /// `=` sets, `+` adds, `-` removes; the proxy has `a` twice and a hidden `h`.
    #[test]
    fn the_fewest_calls() {
        let mut map = HeaderMap::parse(HeaderMap::serialize(&[("a", "1"), ("a", "2"), ("h", "3")])).unwrap();
        map.hide(|name| name == b"h");
        for (script, with_map, without) in [
            ("", "", ""),
            ("=x=1", "add x=1", "replace x=1"),
            ("=a=9", "replace a=9", "replace a=9"),
            ("=h=9", "replace h=9", "replace h=9"),
            ("-x", "", "remove x"),
            ("-a", "remove a", "remove a"),
            ("-h", "remove h", "remove h"),
            ("-a +a=9", "replace a=9", "replace a=9"),
            ("-x +x=9", "add x=9", "replace x=9"),
            ("+a=9", "add a=9", "add a=9"),
            ("=x=1 =x=2 +x=3", "add x=2, add x=3", "replace x=2, add x=3"),
            ("+x=1 -x", "", "remove x"),
            ("+x=1 =y=2 +x=3", "add x=1, add x=3, add y=2", "add x=1, add x=3, replace y=2"),
            ("=a=1 -a", "remove a", "remove a"),
        ] {
            assert_eq!(writes(script, Some(&map)), with_map, "{script} with the map");
            assert_eq!(writes(script, None), without, "{script} without it");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use super::*;
        use proptest::prelude::*;

        type Lines = Vec<(Vec<u8>, Vec<u8>)>;

        /// What Envoy's header map does.
        fn clear(lines: &mut Lines, name: &[u8]) {
            lines.retain(|(other, _)| other != name);
        }

        fn sorted(mut lines: Lines) -> Lines {
            lines.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the order within a name counts
            lines
        }

        proptest! {
            /// The calls leave what the edits one by one would leave, with the map and without it.
            #[test]
            fn the_calls_do_what_the_edits_say(
                original in prop::collection::vec(("[abc]", "[0-9]"), 0..5),
                script in prop::collection::vec((0..3, "[abcd]", "[0-9]"), 0..8),
            ) {
                let original: Lines =
                    original.into_iter().map(|(n, v)| (n.into_bytes(), v.into_bytes())).collect();
                let mut edits = Edits::default();
                let mut expected = original.clone();
                for (kind, name, value) in script {
                    let (name, value) = (name.into_bytes(), value.into_bytes());
                    if kind != 2 {
                        clear(&mut expected, &name);
                    }
                    if kind != 0 {
                        expected.push((name.clone(), value.clone()));
                    }
                    match kind {
                        0 => edits.remove(name.into()),
                        1 => edits.set(name.into(), value.into()),
                        _ => edits.add(name.into(), value.into()),
                    }
                }
                let map = HeaderMap::parse(HeaderMap::serialize(&original)).unwrap();
                for map in [Some(&map), None] {
                    let mut lines = original.clone();
                    edits.write(map, |write| match write {
                        Write::Add(n, v) => lines.push((n.to_vec(), v.to_vec())),
                        Write::Replace(n, v) => {
                            clear(&mut lines, n);
                            lines.push((n.to_vec(), v.to_vec()));
                        }
                        Write::Remove(n) => clear(&mut lines, n),
                    });
                    prop_assert_eq!(sorted(lines), sorted(expected.clone()));
                }
            }
        }
    }
}
