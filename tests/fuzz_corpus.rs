//! The files that fuzzing found worth keeping, replayed without a fuzzer: every target of fuzz/ over its corpus.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus(name: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).expect(name).map(|f| f.expect(name).path()).collect();
    files.sort();
    files
}

/// One test, as settings and the engine are the process's.
#[test]
fn every_file_of_every_corpus() {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")).expect("corpora");
    assert_eq!(folders.count(), fuzz::TARGETS.len(), "a folder for each target");
    for target in &fuzz::TARGETS {
        let files = corpus(target.name);
        assert!(files.len() >= 10, "{} has {} files", target.name, files.len());
        for file in files {
            // Shown when the test fails, and only then.
            println!("{}", file.display());
            fuzz::run(target.name, &fs::read(&file).expect("a file of the corpus"));
        }
    }
}

/// A function that is added to the library is added to the sequences.
#[test]
fn every_exported_function_is_called() {
    let ledger: BTreeSet<&str> = include_str!("../abi/symbols.txt")
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .filter(|name| name.starts_with("cognite_"))
        .collect();
    let called: BTreeSet<&str> = fuzz::abi::functions().into_iter().collect();
    assert_eq!(called, ledger);
}

/// Each target is a program that cargo-fuzz knows.
#[test]
fn every_target_is_a_program() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for target in &fuzz::TARGETS {
        assert!(manifest.contains(&format!("\nname = \"{0}\"\npath = \"fuzz_targets/{0}.rs\"", target.name)));
    }
    assert_eq!(manifest.matches("[[bin]]").count(), fuzz::TARGETS.len());
}
