//! A proxy for tests: a clock that stands still until told, random numbers that are told, attributes that are told.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use pointsman_http::HeaderMap;

use crate::cells::{Cell, Changed};
use crate::{Host, Metric};

/// See the module. A clone is another worker of the same proxy: it shares cells and metrics.
#[derive(Clone, Debug, Default)]
pub struct FakeHost {
    /// What [`Host::monotonic`] says.
    pub now: u64,
    /// What [`Host::wall`] says.
    pub wall: u64,
    /// What [`Host::vm`] says.
    pub vm: u64,
    /// What [`Host::random`] says, one after the other; then 0.
    pub random: VecDeque<u64>,
    /// Attributes by their path, joined by dots.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// What [`Host::response_headers`] says.
    pub response: Vec<(String, String)>,
    /// Which attributes were asked for.
    pub asked: RefCell<Vec<String>>,
    /// Metrics by their names with labels.
    pub metrics: Rc<RefCell<BTreeMap<String, i64>>>,
    /// Another worker changes each cell before it can be set.
    pub is_contended: bool,
    /// Cells by their keys.
    pub cells: Rc<RefCell<BTreeMap<String, Cell>>>,
}

impl Host for FakeHost {
    fn monotonic(&self) -> u64 {
        self.now
    }

    fn wall(&self) -> u64 {
        self.wall
    }

    fn vm(&self) -> u64 {
        self.vm
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

    fn add(&mut self, metric: &Metric, amount: i64) {
        let mut metrics = self.metrics.borrow_mut();
        let value = metrics.entry(metric.name().to_owned()).or_default();
        *value = value.saturating_add(amount);
    }

    fn cell(&self, key: &str) -> Cell {
        self.cells.borrow().get(key).cloned().unwrap_or_default()
    }

    fn set_cell(&mut self, key: &str, value: &[u8], version: u32) -> Result<Option<u32>, Changed> {
        let mut cells = self.cells.borrow_mut();
        let known = cells.get(key).map_or(0, |cell| cell.version);
        if known != version || self.is_contended {
            return Err(Changed);
        }
        let version = known.saturating_add(1);
        cells.insert(key.to_owned(), Cell { value: value.to_vec(), version });
        Ok(Some(version))
    }
}
