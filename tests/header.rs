//! The header is the product: it is what the sources say, it agrees with Cargo.toml, and every function is documented.

use std::path::Path;

#[path = "../xtask/src/header_text.rs"]
mod header_text;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn committed() -> String {
    std::fs::read_to_string(root().join("include/cognite/cognite.h")).unwrap()
}

fn generated() -> String {
    header_text::generate(root()).unwrap()
}

#[test]
fn header_is_what_the_sources_say() {
    assert!(committed() == generated(), "include/cognite/cognite.h is stale: run `cargo xtask header` and commit it");
}

#[test]
fn version_macros_agree_with_cargo_toml() {
    let header = committed();
    let part = |name: &str| -> u32 {
        let line =
            header.lines().find(|l| l.starts_with(&format!("#define {name} "))).unwrap_or_else(|| panic!("{name}"));
        let text = line.rsplit(' ').next().unwrap().trim_end_matches('u');
        match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
            None => text.parse().unwrap(),
        }
    };
    let (major, minor, patch) =
        (part("COGNITE_VERSION_MAJOR"), part("COGNITE_VERSION_MINOR"), part("COGNITE_VERSION_PATCH"));
    assert_eq!(format!("{major}.{minor}.{patch}"), env!("CARGO_PKG_VERSION"));
    assert_eq!(part("COGNITE_VERSION_NUMBER"), major << 16 | minor << 8 | patch);
    assert_eq!(part("COGNITE_VERSION_NUMBER"), cognite::ffi::version::cognite_version_number());
    assert!(header.contains(&format!("#define COGNITE_VERSION \"{}\"", env!("CARGO_PKG_VERSION"))));
}

/// Prototypes with the comment before each.
fn functions(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut comment, mut inside) = (String::new(), false);
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("/**") {
            comment.clear();
            inside = true;
        } else if line.contains("*/") {
            inside = false;
        } else if inside {
            comment.push_str(line.strip_prefix(" *").unwrap_or(line).trim_start());
            comment.push('\n');
        } else if line.starts_with("COGNITE_") && line.contains('(') {
            let name = line.split('(').next().unwrap().rsplit([' ', '*']).next().unwrap();
            let mut prototype = line.to_owned();
            while !prototype.ends_with(';') {
                prototype.push_str(lines.next().unwrap().trim());
            }
            found.push((name.to_owned(), format!("{comment}\u{0}{prototype}")));
            comment.clear();
        }
    }
    found
}

#[test]
fn every_function_is_documented_in_the_same_order() {
    let header = committed();
    let functions = functions(&header);
    assert!(functions.len() > 60, "only {} functions found: does this test still read the header?", functions.len());
    let mut faults = Vec::new();
    for (name, text) in &functions {
        let (comment, prototype) = text.split_once('\u{0}').unwrap();
        let words = comment.replace('\n', " ");
        let mut wanted = vec!["**Blocks:**", "**Threads:**", "**Owns:**", "**Since:**"];
        if !prototype.starts_with("COGNITE_API void cognite_") {
            wanted.insert(0, "@return");
        }
        let mut from = 0;
        for want in wanted {
            match words[from..].find(want) {
                Some(at) => from += at,
                None => faults.push(format!("{name}: {want} is missing or out of order")),
            }
        }
        let parameters = prototype.split_once('(').unwrap().1.trim_end_matches(");");
        for parameter in parameters.split(',').filter(|p| !p.trim().is_empty() && p.trim() != "void") {
            let parameter = parameter.rsplit([' ', '*']).next().unwrap();
            let named = ["@param ", "@param[out] "].iter().any(|tag| words.contains(&format!("{tag}{parameter} ")));
            if !named {
                faults.push(format!("{name}: @param {parameter} is missing"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What waits for the network can also be told later, with the same inputs.
#[test]
fn every_operation_has_both_faces() {
    let header = committed();
    let functions = functions(&header);
    let inputs = |prototype: &str, until: &str| {
        let parameters = prototype.split_once('(').unwrap().1.trim_end_matches(");").to_owned();
        parameters.split(',').map(|p| p.trim().to_owned()).take_while(|p| !p.contains(until)).collect::<Vec<_>>()
    };
    let mut found = 0;
    for (name, text) in &functions {
        let (comment, prototype) = text.split_once('\u{0}').unwrap();
        if !comment.replace('\n', " ").contains("**Blocks:** on ") {
            continue;
        }
        found += 1;
        let twin = functions.iter().find(|(other, _)| *other == format!("{name}_async"));
        let (_, text) = twin.unwrap_or_else(|| panic!("{name} waits for the network and has no {name}_async"));
        let (comment, told) = text.split_once('\u{0}').unwrap();
        assert!(comment.replace('\n', " ").contains("**Blocks:** no"), "{name}_async");
        assert_eq!(inputs(prototype, "**"), inputs(told, "cognite_notify"), "{name}");
    }
    assert!(found > 15 && functions.iter().filter(|(name, _)| name.ends_with("_async")).count() == found, "{found}");
}

/// Booleans, C enums, long, structs by value and their like differ between compilers or are costly for other languages.
#[test]
fn signatures_hold_only_types_that_every_language_has() {
    for (name, text) in functions(&committed()) {
        let prototype = text.split_once('\u{0}').unwrap().1;
        for word in prototype.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            assert!(
                !["bool", "_Bool", "long", "enum", "union", "time_t", "FILE", "intmax_t"].contains(&word),
                "{name}: {word}"
            );
        }
        assert!(!prototype.contains("..."), "{name} is variadic");
    }
}

#[test]
fn status_constants_are_the_cores() {
    for line in committed().lines().filter(|l| l.starts_with("#define COGNITE_ERR_")) {
        let mut words = line.split_whitespace().skip(1);
        let (name, number) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let core = cognite::error::Status::name_of(number).to_str().unwrap();
        assert_eq!(name, format!("COGNITE_ERR_{core}"));
    }
}

/// Nothing leaves the header that is not ours by name, but for Arrow's interface, which is the same in every header.
#[test]
fn every_name_has_our_prefix() {
    let header = committed();
    let (before, rest) = header.split_once("#ifndef ARROW_C_DATA_INTERFACE\n").unwrap();
    let (arrow, after) = rest.split_once("\n#endif\n").unwrap();
    assert!(arrow.lines().all(|l| !l.starts_with("#define ") || l.starts_with("#define ARROW_")));
    for line in before.lines().chain(after.lines()) {
        if let Some(rest) = line.strip_prefix("#define ") {
            assert!(rest.starts_with("COGNITE_"), "{line}");
        }
        if let Some(rest) = line.strip_prefix("typedef ") {
            assert!(rest.contains("cognite_"), "{line}");
        }
    }
}

#[test]
fn every_cause_is_in_the_header() {
    let named = std::fs::read_to_string(root().join("src/error.rs")).unwrap();
    let mut named: Vec<&str> = named
        .lines()
        .filter_map(|l| l.trim().strip_prefix("Cause::")?.split_once("=> \"")?.1.strip_suffix("\","))
        .collect();
    let header = committed();
    let (_, rest) = header.split_once("\"cause\":\"").unwrap();
    let list = rest.split_once('"').unwrap().0.replace([' ', '\n', '*'], "");
    let mut listed: Vec<&str> = list.split('|').collect();
    named.sort_unstable();
    listed.sort_unstable();
    assert!(named.len() > 10 && named == listed, "src/error.rs has {named:?}, the header {listed:?}");
}
