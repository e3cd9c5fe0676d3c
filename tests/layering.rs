//! Imports go one way: ffi -> api -> http -> {auth, config} -> runtime -> {sys, error}. Unsafe code stays in ffi and sys.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer with its height; a file may use layers below its own. `document` and `redact` are ground: plain functions
/// over text; `log` keeps records for the runtime to hand over. `config` may use `auth`, as a config holds credentials; never the other way.
const HEIGHTS: [(&str, u32); 11] = [
    ("ffi", 9),
    ("api", 8),
    ("http", 7),
    ("config", 6),
    ("auth", 5),
    ("runtime", 4),
    ("sys", 3),
    ("log", 3),
    ("document", 2),
    ("redact", 2),
    ("error", 1),
];

fn height(layer: &str) -> Option<u32> {
    HEIGHTS.iter().find(|(name, _)| *name == layer).map(|(_, h)| *h)
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn each_file(check: impl Fn(&str, &str, &str)) -> usize {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    for file in &files {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        let layer = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        // Tests may reach down and up as they like.
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        if name != "lib.rs" {
            check(&name, &layer, code);
        }
    }
    files.len()
}

#[test]
fn imports_go_down() {
    let files = each_file(|name, layer, code| {
        let own = height(layer).unwrap_or_else(|| panic!("{name}: the layer {layer} is not on the list"));
        let code = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            assert!(!rest.starts_with('{'), "{name}: write one `use crate::` line per layer");
            let used: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let theirs = height(&used).unwrap_or_else(|| panic!("{name}: crate::{used} is on no layer"));
            assert!(used == layer || theirs < own, "{name} (layer {layer}) imports crate::{used}, which lies above it");
        }
    });
    assert!(files > 30, "only {files} files found: does this test still look in the right place?");
}

#[test]
fn unsafe_code_stays_in_ffi_and_sys_with_its_reason() {
    each_file(|name, layer, code| {
        let lines: Vec<&str> = code.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let line = line.trim_start();
            let block = line.contains("unsafe {") || line.starts_with("unsafe impl");
            if line.starts_with("//") || !block {
                continue;
            }
            assert!(layer == "ffi" || layer == "sys", "{name}:{}: unsafe code outside ffi and sys", n + 1);
            let reason = lines[n.saturating_sub(8)..=n].iter().any(|l| l.contains("SAFETY:"));
            assert!(reason, "{name}:{}: unsafe without a SAFETY comment", n + 1);
        }
    });
}

#[test]
fn files_stay_small() {
    each_file(|name, _, code| assert!(code.lines().count() <= 600, "{name} is too large a room"));
}
