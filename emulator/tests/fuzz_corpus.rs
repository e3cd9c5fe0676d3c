//! What fuzzing found worth keeping, replayed without a fuzzer.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

#[test]
fn every_file_of_the_corpus() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/emulator");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} files", files.len());
    for file in files {
        println!("{}", file.display());
        fuzz::emulator(&std::fs::read(file).unwrap());
    }
}
