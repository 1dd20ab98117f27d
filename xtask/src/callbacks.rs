//! Which of a module's exports Envoy needs to find. It calls each callback that it finds, at a quarter of a microsecond a
//! call, used or not; so a module names those that it uses, in the custom section `pointsman.callbacks`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use wasmparser::{Parser, Payload};

pub const SECTION: &str = "pointsman.callbacks";

/// Kept wherever a module has it: what a module needs to be loaded, configured, and to forget a stream. `proxy_on_done` is not
/// among them: the host takes its absence for "done", and a module that delays the end of a stream names it.
pub const ALWAYS: [&str; 8] = [
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    // The SDK's table of contexts would grow by one entry a request.
    "proxy_on_delete",
];

/// The exports to keep, or None for a module that names none.
pub fn of(wasm: &[u8]) -> Result<Option<BTreeSet<String>>> {
    let mut named = None;
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == SECTION
        {
            let text = std::str::from_utf8(section.data()).with_context(|| format!("{SECTION} is not text"))?;
            // Newlines or NULs between the names, and padding to the size of a static.
            let names = text.split(['\n', '\0']).filter(|name| !name.is_empty());
            named.get_or_insert_with(BTreeSet::new).extend(names.map(str::to_owned));
        }
    }
    let Some(mut keep) = named else { return Ok(None) };
    let exports = exports(wasm)?;
    if let Some(absent) = keep.difference(&exports).next() {
        bail!("{SECTION} names {absent}, which the module does not export");
    }
    keep.extend(ALWAYS.map(str::to_owned));
    Ok(Some(keep))
}

pub fn exports(wasm: &[u8]) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                names.insert(export?.name.to_owned());
            }
        }
    }
    Ok(names)
}
