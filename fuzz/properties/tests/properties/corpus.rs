//! The targets and what belongs to them agree, and every property holds for every file of its corpus.

use std::fs;

use crate::folders::{files, folder, stem};

/// So many files in a corpus, and so many bytes.
const MOST: (usize, u64) = (200, 100_000);

fn names(of: &str) -> Vec<String> {
    files(&folder(of)).iter().map(|path| stem(path)).collect()
}

#[test]
fn each_property_has_a_target_and_a_corpus() {
    let properties: Vec<String> = pointsman_properties::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), properties);
    assert_eq!(names("corpus"), properties);
    // Not each target needs one.
    assert!(names("dictionaries").iter().all(|name| properties.contains(name)));
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in properties {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not in fuzz/Cargo.toml");
        let target = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("pointsman_properties::{name}(data)")), "{name} runs another property");
    }
}

#[test]
fn corpora_are_small() {
    for corpus in files(&folder("corpus")) {
        let files = files(&corpus);
        let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        let is_small = !files.is_empty() && files.len() <= MOST.0 && bytes <= MOST.1;
        assert!(is_small, "{}: {} files, {bytes} bytes", corpus.display(), files.len());
    }
}

#[test]
fn every_property_holds_for_its_corpus() {
    for (name, property) in pointsman_properties::ALL {
        for file in files(&folder("corpus").join(name)) {
            println!("{}", file.display()); // Seen only when it fails.
            property(&fs::read(file).unwrap());
        }
    }
}
