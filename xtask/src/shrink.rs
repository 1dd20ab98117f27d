//! Takes out of a module what nobody needs at run time: exports that are not kept, the functions that only those reached,
//! and the custom sections (names, producers, target features, debug information).

use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, ExportSection, FunctionSection, ImportSection, Module, NameMap, NameSection};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, Export, ExportSectionReader, FunctionSectionReader, ImportSectionReader,
    KnownCustom, Name, Parser, TypeRef,
};

use crate::callbacks::Keep;
use crate::reach::reachable;

/// Keeps the exports in `keep`, under the names that they have there; with `names`, the functions keep their own, for
/// backtraces that can be read.
pub fn shrink(wasm: &[u8], keep: &Keep, names: bool) -> Result<Vec<u8>> {
    let kept = reachable(wasm, |export| keep.values().any(|own| own == export))?;
    let mut shrinker = Shrinker { new_index: renumbered(&kept), imported: 0, exports: keep, names };
    let mut module = Module::new();
    shrinker.parse_core_module(&mut module, Parser::new(0), wasm).context("cannot rewrite the module")?;
    let shrunk = module.finish();
    wasmparser::validate(&shrunk).context("the module is no longer valid once unused parts are gone")?;
    Ok(shrunk)
}

/// The new index of each function that is kept.
fn renumbered(kept: &[bool]) -> Vec<Option<u32>> {
    let mut next = 0..;
    kept.iter().map(|&kept| if kept { next.next() } else { None }).collect()
}

struct Shrinker<'a> {
    new_index: Vec<Option<u32>>,
    /// Functions among the imports; known once those are read, which stand before everything that asks.
    imported: usize,
    exports: &'a Keep,
    names: bool,
}

impl Shrinker<'_> {
    /// The part of a section with one entry for each function that the module itself defines, that stays.
    fn kept<T>(&self, entries: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let own = self.new_index.iter().skip(self.imported);
        entries.zip(own).filter_map(|(entry, new)| new.map(|_| entry))
    }
}

impl Reencode for Shrinker<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        // Whatever mentions a function and stays has made it reachable, so only a malformed module takes the other way,
        // and it is found out by the validation.
        Ok(self.new_index.get(function as usize).copied().flatten().unwrap_or(u32::MAX))
    }

    fn parse_import_section(&mut self, out: &mut ImportSection, section: ImportSectionReader<'_>) -> Result<(), Error> {
        for import in section.into_imports() {
            let import = import?;
            let mut kept = true;
            if matches!(import.ty, TypeRef::Func(_)) {
                kept = self.new_index[self.imported].is_some();
                self.imported += 1;
            }
            if kept {
                self.parse_import(out, import)?;
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        out: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        for function_type in self.kept(section.into_iter()) {
            out.function(function_type?);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, out: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        for body in self.kept(section.into_iter()).collect::<Vec<_>>() {
            self.parse_function_body(out, body?)?;
        }
        Ok(())
    }

    fn parse_export_section(&mut self, out: &mut ExportSection, section: ExportSectionReader<'_>) -> Result<(), Error> {
        for export in section {
            let export = export?;
            let keep = self.exports;
            for (name, _) in keep.iter().filter(|(_, own)| *own == export.name) {
                self.parse_export(out, Export { name, ..export })?;
            }
        }
        Ok(())
    }

    fn parse_custom_section(&mut self, out: &mut Module, section: CustomSectionReader<'_>) -> Result<(), Error> {
        let KnownCustom::Name(subsections) = section.as_known() else {
            return Ok(());
        };
        if !self.names {
            return Ok(());
        }
        let mut kept = NameMap::new();
        for subsection in subsections {
            let Name::Function(functions) = subsection? else {
                continue;
            };
            for function in functions {
                let function = function?;
                if let Some(index) = self.new_index[function.index as usize] {
                    kept.append(index, function.name);
                }
            }
        }
        let mut names = NameSection::new();
        names.functions(&kept);
        out.section(&names);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CustomSection, ElementSection, Elements, EntityType, ExportKind, Function, Instruction, RefType, TableSection,
        TableType, TypeSection,
    };

    use super::*;
    use crate::callbacks;

    /// Functions: 0 and 1 imported; 2 exported `used` calls 1 and 4; 3 exported `unused` calls 0 and 5; 4; 5; 6 in a table.
    fn module() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import("env", "first", EntityType::Function(0));
        imports.import("env", "second", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for calls in [vec![1, 4], vec![0, 5], vec![], vec![], vec![]] {
            functions.function(0);
            let mut body = Function::new([]);
            calls.into_iter().for_each(|index| {
                body.instruction(&Instruction::Call(index));
            });
            body.instruction(&Instruction::End);
            code.function(&body);
        }
        let mut tables = TableSection::new();
        let funcref = RefType::FUNCREF;
        let one = TableType { element_type: funcref, table64: false, minimum: 1, maximum: None, shared: false };
        tables.table(one);
        let mut exports = ExportSection::new();
        exports.export("used", ExportKind::Func, 2).export("unused", ExportKind::Func, 3);
        exports.export("table", ExportKind::Table, 0);
        let mut elements = ElementSection::new();
        elements.active(None, &wasm_encoder::ConstExpr::i32_const(0), Elements::Functions([6].as_slice().into()));
        let mut names = NameSection::new();
        let mut map = NameMap::new();
        (0..=6).zip(["i0", "i1", "f2", "f3", "f4", "f5", "f6"]).for_each(|(index, name)| map.append(index, name));
        names.functions(&map);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables).section(&exports);
        module.section(&elements).section(&code).section(&names);
        module.section(&CustomSection { name: "producers".into(), data: [0].as_slice().into() });
        module.finish()
    }

    fn function_names(wasm: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let wasmparser::Payload::CustomSection(section) = payload.unwrap() else {
                continue;
            };
            let KnownCustom::Name(subsections) = section.as_known() else { panic!("{} is left", section.name()) };
            for subsection in subsections {
                let Name::Function(names) = subsection.unwrap() else {
                    continue;
                };
                found.extend(names.into_iter().map(Result::unwrap).map(|name| format!("{} {}", name.index, name.name)));
            }
        }
        found
    }

    fn keep() -> Keep {
        ["table", "used"].map(|name| (name.to_owned(), name.to_owned())).into()
    }

    fn exports(wasm: &[u8]) -> Vec<String> {
        callbacks::exports(wasm).unwrap().into_iter().collect()
    }

    #[test]
    fn drops_what_only_unused_exports_reach() {
        let shrunk = shrink(&module(), &keep(), true).unwrap();
        assert_eq!(exports(&shrunk), ["table", "used"]);
        assert_eq!(function_names(&shrunk), ["0 i1", "1 f2", "2 f4", "3 f6"]);
    }

    #[test]
    fn a_replaced_export_goes_and_the_other_has_its_name() {
        let shrunk = shrink(&module(), &[("used".to_owned(), "unused".to_owned())].into(), true).unwrap();
        assert_eq!(exports(&shrunk), ["used"]);
        assert_eq!(function_names(&shrunk), ["0 i0", "1 f3", "2 f5", "3 f6"]);
        // Both, each in the place of the other, so nothing goes but the table's name.
        let swapped = [("used", "unused"), ("unused", "used")].map(|(name, own)| (name.to_owned(), own.to_owned()));
        let swapped = shrink(&module(), &swapped.into(), true).unwrap();
        assert_eq!((exports(&swapped), function_names(&swapped).len()), (vec!["unused".into(), "used".into()], 7));
        assert_eq!(exported_function(&swapped, "used"), Some(3));
    }

    /// The index of the function that has this name for the outside.
    fn exported_function(wasm: &[u8], name: &str) -> Option<u32> {
        for payload in Parser::new(0).parse_all(wasm) {
            if let wasmparser::Payload::ExportSection(section) = payload.unwrap() {
                return section.into_iter().map(Result::unwrap).find(|export| export.name == name).map(|it| it.index);
            }
        }
        None
    }

    #[test]
    fn without_names_no_custom_section_is_left() {
        let shrunk = shrink(&module(), &keep(), false).unwrap();
        assert_eq!(function_names(&shrunk), [""; 0]);
        assert!(shrunk.len() < shrink(&module(), &keep(), true).unwrap().len());
    }

    #[test]
    fn shrinking_twice_changes_nothing_more() {
        let once = shrink(&module(), &keep(), true).unwrap();
        assert_eq!(shrink(&once, &keep(), true).unwrap(), once);
    }
}
