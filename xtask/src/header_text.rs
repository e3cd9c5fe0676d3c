//! The text of the public header, made from the sources of the library. Used by `cargo xtask header`, which writes it,
//! and by tests/header.rs, which compares.

use std::path::Path;

/// The header of the library whose package lies at `root`.
pub fn generate(root: &Path) -> Result<String, String> {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let builder = cbindgen::Builder::new().with_crate(root).with_config(config);
    let bindings = builder.generate().map_err(|e| format!("cbindgen: {e}"))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|e| format!("cbindgen: {e}"))?;
    Ok(readable(&text))
}

/// Four things cbindgen has no option for: both attributes of a function in one macro, as compilers differ in the order
/// they take them in, the typedef names of the handles in prototypes, intptr_t (a handle of the system) for isize, and
/// the tags of Arrow's structs.
fn readable(text: &str) -> String {
    let text = text
        .replace("COGNITE_API\nCOGNITE_NODISCARD\n", "COGNITE_CHECKED ")
        // Short prototypes come on one line.
        .replace("COGNITE_API COGNITE_NODISCARD ", "COGNITE_CHECKED ")
        .replace("COGNITE_API\ncognite_", "COGNITE_API cognite_")
        .replace("ptrdiff_t", "intptr_t")
        .replace(" ArrowSchema *schema", " struct ArrowSchema *schema")
        .replace(" ArrowArray *array", " struct ArrowArray *array");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("struct cognite_") {
        let name = &rest[at + "struct ".len()..];
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
        out.push_str(&rest[..at]);
        if !name[end..].starts_with(" *") {
            out.push_str("struct ");
        }
        out.push_str(&name[..end]);
        rest = &name[end..];
    }
    out + rest
}
