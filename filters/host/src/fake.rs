//! A proxy for tests: a clock that stands still until told, random numbers that are told, attributes that are told.

use std::collections::{BTreeMap, VecDeque};

use pointsman_http::HeaderMap;

use crate::Host;

/// See the module.
#[derive(Debug, Default)]
pub struct FakeHost {
    /// What [`Host::monotonic`] says.
    pub now: u64,
    /// What [`Host::random`] says, one after the other; then 0.
    pub random: VecDeque<u64>,
    /// Attributes by their path, joined by dots.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// What [`Host::response_headers`] says.
    pub response: Vec<(String, String)>,
    /// Which attributes were asked for.
    pub asked: std::cell::RefCell<Vec<String>>,
}

impl Host for FakeHost {
    fn monotonic(&self) -> u64 {
        self.now
    }

    fn random(&mut self) -> u64 {
        self.random.pop_front().unwrap_or(0)
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        let path = path.join(".");
        let value = self.properties.get(&path).cloned();
        self.asked.borrow_mut().push(path);
        value
    }

    fn response_headers(&mut self) -> Option<HeaderMap> {
        HeaderMap::parse(HeaderMap::serialize(&self.response)).ok()
    }
}
