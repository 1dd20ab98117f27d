//! Lists of match entries that belong to things of a filter's own, such as experiments or limits.

use pointsman_host::Host;
use pointsman_http::HeaderMap;

use crate::Here;
use crate::conditions::{Conditions, View};
use crate::config::HttpMatchRequest;
use crate::index::Index;

/// Match entries, each of an owner: a number of the filter's.
pub struct Entries {
    list: Vec<Entry>,
    index: Index,
}

struct Entry {
    owner: usize,
    /// 0: any.
    port: u32,
    conditions: Conditions,
}

impl Entry {
    fn holds(&self, view: &View<'_>) -> bool {
        // The port last: it has to be asked for.
        self.conditions.failure(view).is_none() && (self.port == 0 || view.port() == Some(self.port))
    }
}

impl Entries {
    /// The `match` of each owner, in order. One without an entry is for every request, as a rule without is.
    pub fn new<'a>(of_owners: impl Iterator<Item = &'a [HttpMatchRequest]>, here: &Here) -> Self {
        let mut list = Vec::new();
        for (owner, matches) in of_owners.enumerate() {
            if matches.is_empty() {
                list.push(Entry { owner, port: 0, conditions: Conditions::default() });
            }
            let ours = matches.iter().filter(|entry| here.is_for_us(entry, None));
            list.extend(ours.map(|entry| Entry { owner, port: entry.port, conditions: Conditions::new(entry) }));
        }
        let conditions: Vec<_> = list.iter().map(|entry| &entry.conditions).collect();
        Self { index: Index::new(&conditions), list }
    }

    /// The first owner in order that a request is for, and that `accepts` says yes to.
    pub fn first(&self, headers: &HeaderMap, host: &dyn Host, mut accepts: impl FnMut(usize) -> bool) -> Option<usize> {
        if self.list.is_empty() {
            return None;
        }
        let view = View::new(headers, host);
        let holds = |number| self.entry(number).is_some_and(|entry| entry.holds(&view) && accepts(entry.owner));
        self.index.first(&view, holds).and_then(|number| self.entry(number)).map(|entry| entry.owner)
    }

    /// All owners that a request is for, in order.
    pub fn all(&self, headers: &HeaderMap, host: &dyn Host) -> Vec<usize> {
        let mut owners = Vec::new();
        if !self.list.is_empty() {
            let view = View::new(headers, host);
            self.index.each(&view, |number| {
                owners.extend(self.entry(number).filter(|entry| entry.holds(&view)).map(|entry| entry.owner));
            });
            owners.sort_unstable();
            owners.dedup();
        }
        owners
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.list.get(usize::try_from(number).ok()?)
    }
}
