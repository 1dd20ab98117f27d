//! One of each: what is compiled from a text, shared by all who hold it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use hashbrown::HashMap;

/// What was compiled from each text and is still held by somebody.
pub(super) struct Table<T>(RefCell<Entries<T>>);

struct Entries<T> {
    by_text: HashMap<Box<str>, Weak<T>>,
    /// So many entries, and those that nobody holds any more are thrown out: twice what was in use the last time, so
    /// that the table stays in proportion and sweeping costs little.
    sweep_at: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(RefCell::new(Entries { by_text: HashMap::new(), sweep_at: 0 }))
    }
}

impl<T> Table<T> {
    /// What was compiled from this text, or compiles it.
    pub(super) fn get_or_try_insert<E>(&self, text: &str, compile: impl FnOnce() -> Result<T, E>) -> Result<Rc<T>, E> {
        let found = self.0.borrow().by_text.get(text).and_then(Weak::upgrade);
        if let Some(found) = found {
            return Ok(found);
        }
        let new = Rc::new(compile()?);
        let Entries { by_text, sweep_at } = &mut *self.0.borrow_mut();
        by_text.insert(text.into(), Rc::downgrade(&new));
        if by_text.len() >= *sweep_at {
            by_text.retain(|_, entry| entry.strong_count() > 0);
            *sweep_at = by_text.len().saturating_mul(2);
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn insert(table: &Table<String>, text: &str) -> Rc<String> {
        table.get_or_try_insert(text, || Ok::<_, ()>(text.to_owned())).unwrap()
    }

    #[test]
    fn what_is_held_is_shared() {
        let table = Table::default();
        let first = insert(&table, "a");
        assert!(Rc::ptr_eq(&first, &insert(&table, "a")));
        assert!(!Rc::ptr_eq(&first, &insert(&table, "b")));
    }

    #[test]
    fn what_nobody_holds_is_compiled_anew() {
        let table = Table::default();
        drop(insert(&table, "a"));
        let mut compiled = false;
        table
            .get_or_try_insert("a", || {
                compiled = true;
                Ok::<_, ()>(String::new())
            })
            .unwrap();
        assert!(compiled);
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let table: Table<String> = Table::default();
        assert_eq!(table.get_or_try_insert("a", || Err("no")).unwrap_err(), "no");
        assert!(table.0.borrow().by_text.is_empty());
    }

    #[test]
    fn what_nobody_holds_does_not_pile_up() {
        let table = Table::default();
        let held: Vec<_> = (0..10).map(|n| insert(&table, &format!("held {n}"))).collect();
        for n in 0..10_000 {
            drop(insert(&table, &format!("dropped {n}")));
        }
        assert!(table.0.borrow().by_text.len() <= 22);
        assert!(held.iter().all(|held| Rc::ptr_eq(held, &insert(&table, held))));
    }
}
