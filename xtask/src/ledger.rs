//! abi/symbols.txt: every function and constant of the ABI, with the version that brought it. Values never change and names
//! are never taken away; this file is where a review sees it, and what the checks compare header and library with.

use crate::sh::Res;
use regex_lite::Regex;
use std::collections::BTreeMap;

fn regex(text: &str) -> Res<Regex> {
    Regex::new(text).map_err(|e| e.to_string())
}

/// The functions that a header declares as exported, sorted.
pub fn functions(header: &str) -> Res<Vec<String>> {
    let declaration = regex(r"(?m)^COGNITE_(?:API|CHECKED)[^;{]*?\b(cognite_\w+)\s*\(")?;
    let mut names: Vec<String> = declaration.captures_iter(header).map(|c| c[1].to_string()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { Err("the header declares no COGNITE_API function".into()) } else { Ok(names) }
}

/// Constants with their values. What names the version is none: it is to change.
pub fn constants(header: &str) -> Res<BTreeMap<String, String>> {
    let define = regex(r"(?m)^#define (COGNITE_\w+) (-?(?:0x)?[0-9A-Fa-f]+)[uUlL]*$")?;
    let found = define.captures_iter(header).map(|c| (c[1].to_string(), c[2].to_string()));
    Ok(found.filter(|(name, _)| !name.starts_with("COGNITE_VERSION")).collect())
}

/// The version each function's comment names.
fn since(header: &str) -> Res<BTreeMap<String, String>> {
    let comment =
        regex(r"\*\*Since:\*\*[\s*]+([0-9.]+[0-9])[^/]*?\*/\s*COGNITE_(?:API|CHECKED)[^;{]*?\b(cognite_\w+)\s*\(")?;
    Ok(comment.captures_iter(header).map(|c| (c[2].to_string(), c[1].to_string())).collect())
}

/// The ledger for a header. A constant keeps the version it has in `before`; a new one gets `version`.
pub fn text(header: &str, before: &str, version: &str) -> Res<String> {
    let known: BTreeMap<&str, &str> = before
        .lines()
        .filter_map(|l| l.split_once(" since "))
        .map(|(what, since)| (what.split(' ').next().unwrap_or(what), since))
        .collect();
    let documented = since(header)?;
    let mut out = String::new();
    for (name, value) in constants(header)? {
        out += &format!("{name} = {value} since {}\n", known.get(name.as_str()).unwrap_or(&version));
    }
    for name in functions(header)? {
        let since = documented.get(&name).ok_or(format!("{name}: no version after **Since:** in its comment"))?;
        out += &format!("{name} since {since}\n");
    }
    Ok(out)
}

/// The names of the functions in a ledger.
pub fn listed(ledger: &str) -> Vec<&str> {
    ledger.lines().filter(|l| l.starts_with("cognite_")).filter_map(|l| l.split(' ').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "#define COGNITE_OK 0\n#define COGNITE_MASK 0xFFu\n#define COGNITE_VERSION_MAJOR 7\n#define COGNITE_API\n\
        /**\n * **Owns:** x. **Since:**\n * 0.1.0\n */\nCOGNITE_API const char *cognite_version(void);\n\
        /**\n * **Since:** 0.2.0\n */\nCOGNITE_CHECKED cognite_status cognite_b(void (*destroy)(void *user_data),\n  cognite_error **err);\n\
        typedef void (*cognite_done)(void *user_data);\n";

    #[test]
    fn functions_and_constants_with_values_and_versions() {
        let ledger = text(HEADER, "COGNITE_OK = 0 since 0.0.9\n", "0.3.0").unwrap();
        assert_eq!(
            ledger,
            "COGNITE_MASK = 0xFF since 0.3.0\nCOGNITE_OK = 0 since 0.0.9\ncognite_b since 0.2.0\ncognite_version since 0.1.0\n"
        );
        assert_eq!(listed(&ledger), ["cognite_b", "cognite_version"]);
        assert!(text("int x;", "", "1").is_err());
        assert!(text("COGNITE_API int cognite_a(void);", "", "1").is_err());
    }
}
