//! Which functions of a module can still be called when some of its exports are gone. The linker could not know: to it
//! every export is used.

use anyhow::Result;
use wasmparser::{ElementItems, ExternalKind, FunctionBody, Operator, OperatorsReader, Parser, Payload, TypeRef};

/// For each function, imported ones first: whether an export that is kept, the start function or a table can reach it.
/// What is in a table counts as called: who calls through it is decided at run time.
pub fn reachable(wasm: &[u8], keeps_export: impl Fn(&str) -> bool) -> Result<Vec<bool>> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    let mut roots = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.kind == ExternalKind::Func && keeps_export(export.name) {
                        roots.push(export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => roots.push(func),
            Payload::GlobalSection(section) => {
                for global in section {
                    mentioned(global?.init_expr.get_operators_reader(), &mut roots)?;
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    match element?.items {
                        ElementItems::Functions(functions) => {
                            for function in functions {
                                roots.push(function?);
                            }
                        }
                        ElementItems::Expressions(_, expressions) => {
                            for expression in expressions {
                                mentioned(expression?.get_operators_reader(), &mut roots)?;
                            }
                        }
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    follow(imported, &bodies, roots)
}

fn follow(imported: usize, bodies: &[FunctionBody], mut queue: Vec<u32>) -> Result<Vec<bool>> {
    let mut reached = vec![false; imported + bodies.len()];
    while let Some(function) = queue.pop() {
        let function = function as usize;
        if !std::mem::replace(&mut reached[function], true) && function >= imported {
            mentioned(bodies[function - imported].get_operators_reader()?, &mut queue)?;
        }
    }
    Ok(reached)
}

fn mentioned(code: OperatorsReader, functions: &mut Vec<u32>) -> Result<()> {
    for operator in code {
        if let Operator::Call { function_index }
        | Operator::ReturnCall { function_index }
        | Operator::RefFunc { function_index } = operator?
        {
            functions.push(function_index);
        }
    }
    Ok(())
}
