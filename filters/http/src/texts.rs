//! Many texts at once: which of them a value is, and with which of them it begins.

use std::ops::Range;

/// What a [`Texts`] is made of: a text that a value is, or begins with, and the number that is then found.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Text<'a> {
    /// The text.
    pub text: &'a [u8],
    /// Whether it is enough that a value begins with it.
    pub is_prefix: bool,
    /// Whose text it is.
    pub number: u32,
}

/// Numbers by texts. One binary search finds all that a value has, however many texts there are.
#[derive(Debug, Default)]
pub struct Texts {
    /// In the order of their texts, each once. All that begin with one text thus follow it, so the last that is not
    /// behind a value begins with every prefix of the value that is here.
    entries: Vec<Entry>,
    numbers: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    /// The longest prefix among the others with which this one begins.
    shorter: Option<usize>,
    exact: Range<usize>,
    prefix: Range<usize>,
}

impl Texts {
    /// Takes them in any order.
    pub fn new(mut texts: Vec<Text<'_>>) -> Self {
        texts.sort_unstable();
        let mut this = Self { entries: Vec::new(), numbers: texts.iter().map(|text| text.number).collect() };
        // The prefixes with which the entry in hand begins, the longest last.
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        for same in texts.chunk_by(|a, b| a.text == b.text) {
            let Some(first) = same.first() else { continue };
            let begins =
                |index: &usize| this.entries.get(*index).is_some_and(|entry| first.text.starts_with(&entry.text));
            open.truncate(open.iter().rposition(begins).map_or(0, |last| last.saturating_add(1)));
            let until = same.partition_point(|text| !text.is_prefix).saturating_add(at);
            let end = same.len().saturating_add(at);
            let entry =
                Entry { text: first.text.into(), shorter: open.last().copied(), exact: at..until, prefix: until..end };
            if !entry.prefix.is_empty() {
                open.push(this.entries.len());
            }
            this.entries.push(entry);
            at = end;
        }
        this
    }

    /// Hands out the numbers of the text that the value is, then of those that it begins with, the longest first. Each
    /// list ascends.
    #[inline]
    pub fn find<'a>(&'a self, value: &[u8], mut found: impl FnMut(&'a [u32])) {
        let behind = self.entries.partition_point(|entry| *entry.text <= *value);
        let Some(mut entry) = behind.checked_sub(1).and_then(|last| self.entries.get(last)) else {
            return;
        };
        let shared = entry.text.iter().zip(value).take_while(|(a, b)| a == b).count();
        if shared == value.len() && shared == entry.text.len() && !entry.exact.is_empty() {
            found(self.numbers.get(entry.exact.clone()).unwrap_or_default());
        }
        loop {
            if entry.text.len() <= shared && !entry.prefix.is_empty() {
                found(self.numbers.get(entry.prefix.clone()).unwrap_or_default());
            }
            match entry.shorter.and_then(|shorter| self.entries.get(shorter)) {
                Some(shorter) => entry = shorter,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn texts(texts: &[&'static str]) -> Texts {
        let text = |(number, text): (usize, &&'static str)| Text {
            text: text.trim_end_matches('*').as_bytes(),
            is_prefix: text.ends_with('*'),
            number: number as u32,
        };
        Texts::new(texts.iter().enumerate().map(text).collect())
    }

    fn found(texts: &Texts, value: &str) -> Vec<u32> {
        let mut all = Vec::new();
        texts.find(value.as_bytes(), |numbers| all.extend(numbers));
        all
    }

    #[test]
    fn the_value_itself_then_its_beginnings() {
        let texts = texts(&["/*", "/a", "/a*", "/a/b*", "/a/b/c", "/a", "/a/x*", "*"]);
        for (value, numbers) in [
            ("", &[7][..]),
            ("x", &[7]),
            ("/", &[0, 7]),
            ("/a", &[1, 5, 2, 0, 7]),
            ("/a/b/c", &[4, 3, 2, 0, 7]),
            ("/a/b/c/", &[3, 2, 0, 7]),
            ("/a/c", &[2, 0, 7]),
            ("/a/y", &[2, 0, 7]),
            ("/b", &[0, 7]),
        ] {
            assert_eq!(found(&texts, value), numbers, "{value}");
        }
        assert_eq!(found(&Texts::default(), "a"), [0; 0]);
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            /// Few letters, so that texts and values hit each other.
            #[test]
            fn what_is_found_is_what_each_text_says(
                written in prop::collection::vec(("[ab/]{0,5}", any::<bool>()), 0..30),
                values in prop::collection::vec("[ab/]{0,7}", 1..20),
            ) {
                let text = |(number, (text, is_prefix)): (usize, &'_ (String, bool))| (text.clone(), *is_prefix, number as u32);
                let owned: Vec<_> = written.iter().enumerate().map(text).collect();
                let texts = owned.iter().map(|(text, is_prefix, number)| {
                    Text { text: text.as_bytes(), is_prefix: *is_prefix, number: *number }
                });
                let texts = Texts::new(texts.collect());
                for value in &values {
                    let is_found = |(text, is_prefix, _): &&(String, bool, u32)| match is_prefix {
                        true => value.starts_with(text.as_str()),
                        false => value == text,
                    };
                    let mut expected: Vec<_> = owned.iter().filter(is_found).collect();
                    expected.sort_by_key(|(text, is_prefix, number)| (*is_prefix, std::cmp::Reverse(text.len()), *number));
                    let expected: Vec<u32> = expected.into_iter().map(|(_, _, number)| *number).collect();
                    prop_assert_eq!(found(&texts, value), expected, "{} of {:?}", value, owned);
                }
            }
        }
    }
}
