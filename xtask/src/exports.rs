//! Holds what each module that ships exports: a callback more costs every request a quarter of a microsecond, a callback
//! less is a feature that silently does nothing.

use std::collections::BTreeMap;
use std::fs;

use crate::{callbacks, root};

/// Beyond callbacks::ALWAYS, a line a module: `pointsman: proxy_on_request_headers proxy_on_response_headers`.
const EXPECTED: &str = include_str!("../exports.txt");

#[test]
fn each_module_in_dist_exports_what_exports_txt_says() {
    let dist = root().join("dist");
    let found: BTreeMap<String, String> = fs::read_dir(&dist)
        .unwrap_or_else(|error| panic!("no modules to look at ({}: {error}): run `make build` first", dist.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), own_exports(&fs::read(&path).unwrap())))
        .collect();
    let expected: BTreeMap<String, String> = EXPECTED
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("xtask/exports.txt: no `NAME: ` in {line:?}")))
        .flat_map(|(name, exports)| [name.to_owned(), format!("{name}.debug")].map(|name| (name, exports.to_owned())))
        .collect();
    assert!(
        found == expected,
        "dist/ is not what xtask/exports.txt says. If dist/ is old, run `make build`; if the change is meant, correct \
         the file.\n dist/: {found:#?}\n exports.txt: {expected:#?}"
    );
}

fn own_exports(wasm: &[u8]) -> String {
    let exports = callbacks::exports(wasm).unwrap();
    let own = exports.iter().map(String::as_str).filter(|name| !callbacks::ALWAYS.contains(name));
    own.collect::<Vec<_>>().join(" ")
}
