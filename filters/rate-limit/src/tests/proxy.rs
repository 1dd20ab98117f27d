//! A proxy whose clock is one, and whose workers may be stopped in the middle of what they do.

use std::cell::{self, RefCell};
use std::collections::HashMap;

use pointsman_host::cells::{Cell, Changed};
use pointsman_host::{Host, Metric};
use pointsman_http::HeaderMap;

use pointsman_host::Random;

/// What all workers share.
pub struct Proxy {
    /// Nanoseconds.
    pub now: cell::Cell<u64>,
    pub cells: RefCell<HashMap<String, Cell>>,
    /// Reads of cells, and changes that were tried.
    pub calls: cell::Cell<(u32, u32)>,
    random: RefCell<Random>,
}

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;

impl Proxy {
    /// One that has been up for a while.
    pub fn new() -> Self {
        Self {
            now: cell::Cell::new(1_000 * SECOND),
            cells: RefCell::default(),
            calls: cell::Cell::default(),
            random: RefCell::new(Random::new(0)),
        }
    }

    /// A worker that nobody gets in the way of.
    pub fn worker(&self) -> Worker<'_> {
        self.raced(|| {})
    }

    /// One for which that happens before each of its changes, after it has made up its mind.
    pub fn raced<'a>(&'a self, happens: impl FnMut() + 'a) -> Worker<'a> {
        Worker { proxy: self, happens: RefCell::new(Box::new(happens)) }
    }

    pub fn pass(&self, nanos: u64) {
        self.now.set(self.now.get() + nanos);
    }

    /// What there were since the last time: reads of cells, and changes that were tried.
    pub fn take_calls(&self) -> (u32, u32) {
        self.calls.take()
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.cells.borrow().len()
    }

    /// How many bytes are in them.
    pub fn bytes(&self) -> usize {
        self.cells.borrow().iter().map(|(key, cell)| key.len() + cell.value.len()).sum()
    }

    pub fn value(&self, key: &str) -> Vec<u8> {
        self.cells.borrow().get(key).map(|cell| cell.value.clone()).unwrap_or_default()
    }

    pub fn put(&self, key: &str, value: &[u8]) {
        let mut host = self.worker();
        let version = host.cell(key).version;
        host.set_cell(key, value, version).unwrap();
    }
}

pub struct Worker<'a> {
    proxy: &'a Proxy,
    happens: RefCell<Box<dyn FnMut() + 'a>>,
}

impl Host for Worker<'_> {
    fn monotonic(&self) -> u64 {
        self.proxy.now.get()
    }

    fn wall(&self) -> u64 {
        0
    }

    fn vm(&self) -> u64 {
        0
    }

    fn random(&mut self) -> u64 {
        self.proxy.random.borrow_mut().next()
    }

    fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
        None
    }

    fn response_headers(&mut self) -> Option<HeaderMap> {
        None
    }

    fn add(&mut self, _: &Metric, _: i64) {}

    fn cell(&self, key: &str) -> Cell {
        let (reads, changes) = self.proxy.calls.get();
        self.proxy.calls.set((reads + 1, changes));
        self.proxy.cells.borrow().get(key).cloned().unwrap_or_default()
    }

    fn set_cell(&mut self, key: &str, value: &[u8], version: u32) -> Result<Option<u32>, Changed> {
        let (reads, changes) = self.proxy.calls.get();
        self.proxy.calls.set((reads, changes + 1));
        self.happens.borrow_mut()();
        let mut cells = self.proxy.cells.borrow_mut();
        match cells.get_mut(key) {
            Some(cell) if cell.version != version => return Err(Changed),
            Some(cell) => *cell = Cell { value: value.to_vec(), version: version + 1 },
            None if version != 0 => return Err(Changed),
            None => drop(cells.insert(key.into(), Cell { value: value.to_vec(), version: 1 })),
        }
        Ok(Some(version + 1))
    }
}
