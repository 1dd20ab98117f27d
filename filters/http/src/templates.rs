//! Many forms of paths, of which the one that a path has is found without a look at each.

use hashbrown::HashMap;

use crate::Template;
use crate::template::Segment;

/// Forms of paths. Where several are a path's, it is the one that says the most: segment by segment, a text goes before a
/// variable, and a variable before what stands for all the rest.
#[derive(Debug, Default)]
pub struct Templates {
    root: Node,
}

/// What may come behind the same beginnings.
#[derive(Debug, Default)]
struct Node {
    texts: HashMap<Box<[u8]>, Node>,
    variable: Option<Box<Node>>,
    /// All the rest may come.
    rest: Option<Box<[u8]>>,
    /// Nothing may come: the template, as it is written.
    end: Option<Box<[u8]>>,
}

impl Templates {
    /// Those. Of several that differ in the names of their variables alone, the first counts.
    pub fn new<'a>(templates: impl Iterator<Item = &'a Template>) -> Self {
        let mut this = Self::default();
        for template in templates {
            let mut node = &mut this.root;
            for segment in template.segments() {
                node = match segment {
                    Segment::Text(text) => node.texts.entry(text.clone()).or_default(),
                    Segment::Variable(_) => node.variable.get_or_insert_default(),
                };
            }
            let place = if template.has_rest() { &mut node.rest } else { &mut node.end };
            place.get_or_insert_with(|| template.text().into());
        }
        this
    }

    /// The form of a path, as it is written.
    pub fn find(&self, path: &[u8]) -> Option<&[u8]> {
        self.root.find(Some(path.strip_prefix(b"/")?))
    }
}

impl Node {
    /// `rest` is what comes behind the last slash that was passed; `None`: the path is over.
    fn find(&self, rest: Option<&[u8]>) -> Option<&[u8]> {
        let Some(rest) = rest else { return self.end.as_deref() };
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let (segment, behind) = (parts.next().unwrap_or_default(), parts.next());
        let by_text = || self.texts.get(segment)?.find(behind);
        let by_variable = || self.variable.as_ref().filter(|_| !segment.is_empty())?.find(behind);
        by_text().or_else(by_variable).or(self.rest.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn parsed(texts: &[&str]) -> Vec<Template> {
        texts.iter().map(|text| Template::parse(text).unwrap()).collect()
    }

    #[test]
    fn who_says_the_most() {
        let all = parsed(&[
            "/users/{id}",
            "/users/me",
            "/users/{id}/orders",
            "/users/{id}/orders/{order}",
            "/users/me/{what}/x",
            "/files/{**}",
            "/files/{name}/raw",
            "/",
            "/a/{b}",
            "/a/{c}",
        ]);
        let templates = Templates::new(all.iter());
        for (path, expected) in [
            ("/users/7", Some("/users/{id}")),
            ("/users/me", Some("/users/me")),
            ("/users/me/orders", Some("/users/{id}/orders")),
            ("/users/me/orders/x", Some("/users/me/{what}/x")),
            ("/users/me/orders/7", Some("/users/{id}/orders/{order}")),
            ("/users/", None),
            ("/users", None),
            ("/users/7/", None),
            ("/users//orders", None),
            ("/files/", Some("/files/{**}")),
            ("/files/a/raw", Some("/files/{name}/raw")),
            ("/files/a/raw/b", Some("/files/{**}")),
            ("/files", None),
            ("/", Some("/")),
            ("", None),
            ("x", None),
            ("*", None),
            ("/a/x", Some("/a/{b}")),
        ] {
            let found = templates.find(path.as_bytes()).map(|text| std::str::from_utf8(text).unwrap());
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(Templates::new([].iter()).find(b"/"), None);
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use super::*;
        use proptest::prelude::*;

        fn segment() -> impl Strategy<Value = String> {
            prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just(String::new()), Just("{v}".to_owned())]
        }

        proptest! {
            /// What is found is one that the path has; and if it has any, one is found.
            #[test]
            fn as_each_by_itself(
                texts in prop::collection::vec((prop::collection::vec(segment(), 1..4), any::<bool>()), 0..12),
                path in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just(""), Just("c")], 1..5),
            ) {
                let texts = texts.into_iter().map(|(mut segments, has_rest)| {
                    // A variable's name is there once.
                    for (place, segment) in segments.iter_mut().enumerate() {
                        *segment = segment.replace('v', &format!("v{place}"));
                    }
                    segments.extend(has_rest.then(|| "{*}".to_owned()));
                    format!("/{}", segments.join("/"))
                });
                let texts: Vec<String> = texts.collect();
                let all: Vec<Template> = texts.iter().map(|text| Template::parse(text).unwrap()).collect();
                let path = format!("/{}", path.join("/"));
                let of: Vec<&[u8]> = all.iter().filter_map(|template| template.value(path.as_bytes(), None)).collect();
                let found = Templates::new(all.iter()).find(path.as_bytes()).map(<[u8]>::to_vec);
                prop_assert_eq!(found.is_some(), !of.is_empty(), "{} {:?}", path, texts);
                prop_assert!(found.is_none_or(|found| of.contains(&&*found)), "{} {:?}", path, texts);
            }
        }
    }
}
