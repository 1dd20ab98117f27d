//! The files through which Envoy learns of listeners, clusters and policies (xDS without a control plane).
//!
//! Envoy looks at a file when something is renamed into its folder, so a file is written elsewhere first and then
//! renamed: Envoy never reads half of one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// One such file and the resources in it, by name.
#[derive(Debug)]
pub(crate) struct ResourceFile {
    folder: PathBuf,
    staging: PathBuf,
    resources: Mutex<BTreeMap<String, Value>>,
}

impl ResourceFile {
    /// A file in a folder of its own under `root`, at first without resources.
    pub(crate) fn new(root: &Path, name: &str) -> Result<Self> {
        let file = Self { folder: root.join(name), staging: root.join("staging"), resources: Mutex::default() };
        for folder in [&file.folder, &file.staging] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        file.write(&file.lock())?;
        Ok(file)
    }

    /// The `config_source` that makes Envoy read this file.
    pub(crate) fn config_source(&self) -> Value {
        json!({
            "path_config_source": {"path": self.path(), "watched_directory": {"path": self.folder}},
            "resource_api_version": "V3",
        })
    }

    /// Adds the resource or replaces the one of that name.
    pub(crate) fn insert(&self, name: &str, resource: Value) -> Result<()> {
        let mut resources = self.lock();
        resources.insert(name.to_owned(), resource);
        self.write(&resources)
    }

    /// Takes the resource out.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let mut resources = self.lock();
        if resources.remove(name).is_some() {
            self.write(&resources)?;
        }
        Ok(())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("resources.json")
    }

    fn write(&self, resources: &BTreeMap<String, Value>) -> Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let staged = self.staging.join(format!("{}.json", NEXT.fetch_add(1, Ordering::Relaxed)));
        let text = json!({"resources": resources.values().collect::<Vec<_>>()}).to_string();
        fs::write(&staged, text).with_context(|| format!("cannot write {}", staged.display()))?;
        fs::rename(&staged, self.path()).with_context(|| format!("cannot replace {}", self.path().display()))
    }

    /// A poisoned lock is as good as any: every change under it is a single step.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
