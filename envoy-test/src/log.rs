//! Envoy's own log.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// A place in Envoy's log: what comes after it is what happened since.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

impl Mark {
    /// The log's beginning.
    pub const START: Self = Self(0);
}

/// Envoy's log, which grows in a file. Envoy's standard error is that file, so a line is there as soon as it is logged.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The log's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The log's present end.
    pub fn mark(&self) -> Mark {
        Mark(self.path.metadata().map_or(0, |file| file.len()))
    }

    /// The entries since the mark. An entry may have several lines (a message with line breaks in it).
    pub fn since(&self, mark: Mark) -> Vec<String> {
        let mut entries: Vec<String> = Vec::new();
        for line in self.text(mark).lines() {
            match entries.last_mut() {
                // Every entry of Envoy starts with its time: [2026-01-31 …
                Some(entry) if !line.starts_with("[20") => {
                    entry.push('\n');
                    entry.push_str(line);
                }
                _ => entries.push(line.to_owned()),
            }
        }
        entries
    }

    /// The entries since the mark that are worse than information, as one text.
    pub(crate) fn complaints(&self, mark: Mark) -> String {
        let entries = self.since(mark).into_iter().filter(|entry| !entry.contains("][info]["));
        entries.collect::<Vec<_>>().join("\n")
    }

    /// The last entries, for a report of what went wrong.
    pub fn tail(&self, entries: usize) -> Vec<String> {
        let mut all = self.since(Mark::START);
        all.split_off(all.len().saturating_sub(entries))
    }

    fn text(&self, mark: Mark) -> String {
        let mut bytes = Vec::new();
        // A log that cannot be read is an empty one: what waits for a line in it says that it did not come.
        let _ = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(mark.0))?;
            file.read_to_end(&mut bytes)
        });
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
