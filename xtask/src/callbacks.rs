//! Which of a module's exports Envoy needs to find. It calls each callback that it finds, at a quarter of a microsecond a
//! call, used or not; so a module names those that it uses, in the custom section `pointsman.callbacks`, a line each.
//!
//! A line `proxy_on_response_body=our_function` has Envoy find another of the module's exports under that name, in the
//! place of the SDK's own: for answers that the SDK has no word for.

use std::collections::{BTreeMap, BTreeSet};

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

/// The exports to keep: under which name each is exported, and its name in the module, most often the same.
pub type Keep = BTreeMap<String, String>;

/// None for a module that names none.
pub fn of(wasm: &[u8]) -> Result<Option<Keep>> {
    let mut named = None;
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == SECTION
        {
            let text = std::str::from_utf8(section.data()).with_context(|| format!("{SECTION} is not text"))?;
            let keep = named.get_or_insert_with(Keep::new);
            // Newlines or NULs between the lines, and padding to the size of a static.
            for line in text.split(['\n', '\0']).filter(|line| !line.is_empty()) {
                let (name, own) = line.split_once('=').unwrap_or((line, line));
                let before = keep.insert(name.to_owned(), own.to_owned());
                if let Some(before) = before.filter(|before| before != own) {
                    bail!("{SECTION} has both {before} and {own} stand for {name}");
                }
            }
        }
    }
    let Some(mut keep) = named else { return Ok(None) };
    let exports = exports(wasm)?;
    if let Some(absent) = keep.values().find(|own| !exports.contains(*own)) {
        bail!("{SECTION} names {absent}, which the module does not export");
    }
    for name in ALWAYS {
        keep.entry(name.to_owned()).or_insert_with(|| name.to_owned());
    }
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

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, CustomSection, ExportKind, ExportSection, Function, FunctionSection, Instruction, Module,
        TypeSection,
    };

    use super::*;

    /// A module that exports `sdk`, `ours` and `other`, with these lines.
    fn module(lines: &[&str]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let (mut functions, mut exports, mut code) = (FunctionSection::new(), ExportSection::new(), CodeSection::new());
        for (index, name) in (0..).zip(["sdk", "ours", "other"]) {
            functions.function(0);
            exports.export(name, ExportKind::Func, index);
            let mut body = Function::new([]);
            body.instruction(&Instruction::End);
            code.function(&body);
        }
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&exports).section(&code);
        for line in lines {
            module.section(&CustomSection { name: SECTION.into(), data: line.as_bytes().into() });
        }
        module.finish()
    }

    /// What is kept besides what always is.
    fn named(lines: &[&str]) -> Vec<(String, String)> {
        let mut keep = of(&module(lines)).unwrap().unwrap();
        for name in ALWAYS {
            assert_eq!(keep.remove(name).as_deref(), Some(name));
        }
        keep.into_iter().collect()
    }

    fn pair(name: &str, own: &str) -> (String, String) {
        (name.to_owned(), own.to_owned())
    }

    #[test]
    fn a_module_may_name_none() {
        assert_eq!(of(&module(&[])).unwrap(), None);
    }

    #[test]
    fn a_line_names_an_export_or_what_takes_its_place() {
        assert_eq!(named(&["other\n\0\0"]), [pair("other", "other")]);
        assert_eq!(named(&["other\nsdk=ours\0", "other"]), [pair("other", "other"), pair("sdk", "ours")]);
        // The SDK need not have the callback at all.
        assert_eq!(named(&["absent=ours"]), [pair("absent", "ours")]);
    }

    #[test]
    fn what_always_stays_can_be_replaced() {
        let keep = of(&module(&["proxy_on_delete=ours"])).unwrap().unwrap();
        assert_eq!(keep.get("proxy_on_delete").map(String::as_str), Some("ours"));
    }

    #[test]
    fn an_export_that_is_not_there_is_an_error() {
        for (line, absent) in [("gone", "gone"), ("sdk=gone", "gone"), ("sdk=", "")] {
            let error = of(&module(&[line])).unwrap_err().to_string();
            assert_eq!(error, format!("{SECTION} names {absent}, which the module does not export"));
        }
    }

    #[test]
    fn two_for_one_name_are_an_error() {
        for lines in [&["sdk\nsdk=ours"][..], &["sdk=ours", "sdk=other"]] {
            let error = of(&module(lines)).unwrap_err().to_string();
            assert!(error.ends_with("stand for sdk"), "{error}");
        }
    }
}
