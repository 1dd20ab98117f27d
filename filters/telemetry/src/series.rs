//! Label sets that are in use, so many at most: what a metric is kept by, found again without a copy of anything.

use std::rc::Rc;

use hashbrown::HashMap;

/// Something for each label set that was seen; and one for all that came when there was no room any more.
#[derive(Debug)]
pub struct Series<T> {
    most: usize,
    sets: HashMap<Box<[u8]>, Rc<T>>,
    overflow: Option<Rc<T>>,
}

/// What a label set got.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// Its own.
    Own(Rc<T>),
    /// That of all sets for which there is no room.
    Overflow(Rc<T>),
}

impl<T> Series<T> {
    /// For so many label sets.
    pub fn new(most: usize) -> Self {
        Self { most, sets: HashMap::new(), overflow: None }
    }

    /// What that label set has; `make` makes it, of a set that is new (`true`) or of all that overflow.
    ///
    /// The key is the values, each so that its end can be told.
    pub fn find(&mut self, key: &[u8], make: impl FnOnce(bool) -> T) -> Found<T> {
        if let Some(known) = self.sets.get(key) {
            return Found::Own(known.clone());
        }
        if self.sets.len() < self.most {
            let made = Rc::new(make(true));
            self.sets.insert(key.into(), made.clone());
            return Found::Own(made);
        }
        Found::Overflow(self.overflow.get_or_insert_with(|| Rc::new(make(false))).clone())
    }

    /// How many sets have their own.
    pub fn len(&self) -> usize {
        self.sets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_overflows_is_one() {
        let mut series = Series::new(2);
        let mut made = Vec::new();
        for (key, expected) in
            [("a", "own a"), ("b", "own b"), ("a", "own a"), ("c", "overflow"), ("d", "overflow"), ("b", "own b")]
        {
            let found = series.find(key.as_bytes(), |is_own| {
                made.push(key);
                if is_own { format!("own {key}") } else { "overflow".into() }
            });
            let (Found::Own(found) | Found::Overflow(found)) = found;
            assert_eq!(*found, expected);
        }
        assert_eq!((made, series.len()), (vec!["a", "b", "c"], 2));
        assert_eq!(Series::new(0).find(b"a", |_| 1), Found::Overflow(Rc::new(1)));
    }
}
