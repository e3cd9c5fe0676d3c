//! `cargo xtask abi`: does a program built for the last release still work with this library? Both headers become stub
//! libraries with debug information, which abidiff compares; constants, which leave no trace in a library, are compared
//! as text. Then what the release build is made of: size, symbols, what it needs.

use crate::sh::{self, Res};
use crate::{header, ledger};
use regex_lite::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The header of the last release; there is none yet.
const RELEASED: &str = "abi/released.h";
const MAX_STRIPPED: u64 = 5_000_000;
/// Libraries that every system of ours has.
const MAY_NEED: [&str; 8] = [
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
];

pub fn command(args: &[String]) -> Res<()> {
    let binary = match args {
        [] => true,
        [one] if one == "--header-only" => false,
        _ => return Err("abi: the only option is --header-only".into()),
    };
    if !sh::has("abidiff") {
        return Err("abidiff is not there: on Debian and Ubuntu, apt-get install abigail-tools".into());
    }
    let dir = sh::scratch("abi")?;
    let current = read(&sh::root().join("include/cognite/cognite.h"))?;
    self_test(&dir, &current)?;
    let released = sh::root().join(RELEASED);
    if released.exists() {
        compare(&dir, &read(&released)?, &current)?;
        println!("compatible with {RELEASED}");
    } else {
        println!("{RELEASED} is not there: no release to be compatible with yet");
    }
    if binary { release_build() } else { Ok(()) }
}

fn read(path: &Path) -> Res<String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Fails unless every program made for `old` works with `new`.
fn compare(dir: &Path, old: &str, new: &str) -> Res<()> {
    let now = ledger::constants(new)?;
    for (name, value) in ledger::constants(old)? {
        match now.get(&name) {
            Some(v) if *v == value => {}
            Some(v) => return Err(format!("the constant {name} was {value} and is {v}")),
            None => return Err(format!("the constant {name} is gone")),
        }
    }
    let new = without_appended_fields(old, new)?;
    let (a, b) = (stub(dir, "old", old)?, stub(dir, "new", &new)?);
    let mut diff = Command::new("abidiff");
    diff.arg("--no-added-syms").arg(a).arg(b);
    // Any other status than 0: not only what abidiff calls incompatible; a changed parameter is "changed" only.
    sh::output(&mut diff).map(|_| ())
}

/// The new header with structs that begin with their size cut to the fields they had: that is how far a program made for
/// the old one looks. (abidiff's own way to allow for appended fields, a suppression, hides reordered ones as well.)
fn without_appended_fields(old: &str, new: &str) -> Res<String> {
    let sized = Regex::new(r"(?m)^typedef struct (cognite_\w+) \{").map_err(|e| e.to_string())?;
    let mut out = new.to_owned();
    let mut cut = 0;
    for name in sized.captures_iter(old).map(|c| c[1].to_string()) {
        let (begin, end) = (format!("typedef struct {name} {{"), format!("\n}} {name};"));
        let body = |text: &str| {
            let from = text.find(&begin)? + begin.len();
            Some((from, from + text[from..].find(&end)?))
        };
        let (Some((from, to)), Some((new_from, new_to))) = (body(old), body(&out)) else { continue };
        let is_field = |l: &str| l.ends_with(';') && !l.trim_start().starts_with(['*', '/']);
        let first = old[from..to].lines().find(|l| is_field(l));
        if first.map(str::trim) != Some("size_t struct_size;") {
            continue;
        }
        cut += 1;
        let fields = old[from..to].lines().filter(|l| is_field(l)).count();
        let mut left = fields;
        let kept = out[new_from..new_to].lines().take_while(|l| {
            let more = left > 0;
            left -= usize::from(more && is_field(l));
            more
        });
        let kept = kept.collect::<Vec<_>>().join("\n");
        out.replace_range(new_from..new_to, &kept);
    }
    if cut == 0 { Err("no sized struct in the header: does this still read it?".into()) } else { Ok(out) }
}

/// A library with the functions of a header, which only has to be looked at.
fn stub(dir: &Path, name: &str, header: &str) -> Res<PathBuf> {
    let prototype =
        Regex::new(r"(?m)^(COGNITE_(?:API|CHECKED)[^;{#]*?\bcognite_\w+\s*\([^;{]*\));").map_err(|e| e.to_string())?;
    let bodies: Vec<String> =
        prototype.captures_iter(header).map(|c| format!("{} {{ __builtin_trap(); }}", &c[1])).collect();
    let wanted = ledger::functions(header)?.len();
    if bodies.len() != wanted {
        return Err(format!("{} of {wanted} prototypes understood", bodies.len()));
    }
    let (h, c, so) =
        (dir.join(format!("{name}.h")), dir.join(format!("{name}.c")), dir.join(name).join("libcognite.so"));
    fs::create_dir_all(dir.join(name)).map_err(|e| e.to_string())?;
    fs::write(&h, header).map_err(|e| e.to_string())?;
    fs::write(&c, format!("#include \"{name}.h\"\n{}\n", bodies.join("\n"))).map_err(|e| e.to_string())?;
    let mut cc = Command::new(sh::cc());
    cc.args(["-std=gnu11", "-g", "-O0", "-w", "-shared", "-fPIC", "-Wl,-soname,libcognite.so.0", "-o"])
        .arg(&so)
        .arg(&c);
    sh::run(&mut cc)?;
    Ok(so)
}

/// What it is called, replacements in the header, whether it may pass.
type Edit<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);

/// The comparison must see what it is there for, and pass what is allowed.
fn self_test(dir: &Path, header: &str) -> Res<()> {
    let edits: [Edit; 9] = [
        ("nothing", &[], true),
        (
            "a function added",
            &[(
                "COGNITE_API const char *cognite_version(void);",
                "COGNITE_API const char *cognite_version(void);\nCOGNITE_API int32_t cognite_added(void);",
            )],
            true,
        ),
        ("a field appended", &[("} cognite_completion;", "  uint64_t added;\n} cognite_completion;")], true),
        ("a function removed", &[("COGNITE_API const char *cognite_version(void);", "")], false),
        ("a parameter changed", &[("int64_t timeout_ms,\n", "int32_t timeout_ms,\n")], false),
        ("a constant changed", &[("#define COGNITE_ERR_BUSY 24", "#define COGNITE_ERR_BUSY 25")], false),
        ("a constant removed", &[("#define COGNITE_ERR_BUSY 24", "")], false),
        ("a field removed", &[("  uint32_t reserved;\n} cognite_completion;", "} cognite_completion;")], false),
        (
            "a struct reordered",
            &[
                ("  cognite_status status;\n", "  @\n"),
                ("  uint32_t reserved;\n} cognite_completion;", "  cognite_status status;\n} cognite_completion;"),
                ("  @\n", "  uint32_t reserved;\n"),
            ],
            false,
        ),
    ];
    for (what, edit, fine) in edits {
        let mut changed = header.to_owned();
        for (from, to) in edit {
            // The last one: the struct that is meant comes after others with fields of the same name.
            let at = changed.rfind(from).ok_or(format!("self-test: \"{from}\" is not in the header any more"))?;
            changed.replace_range(at..at + from.len(), to);
        }
        let outcome = compare(dir, header, &changed);
        if outcome.is_ok() != fine {
            let why = outcome.err().unwrap_or_else(|| "it passed".into());
            return Err(format!("the comparison does not judge \"{what}\" rightly: {why}"));
        }
        println!("self-test: {what}: {}", if fine { "passes" } else { "caught" });
    }
    Ok(())
}

/// What is given to people: no more than it should be, and nothing that is for tests only.
fn release_build() -> Res<()> {
    let library = sh::build_library(true)?.join("libcognite.so");
    header::check_symbols(&library)?;
    let stripped = sh::scratch("abi")?.join("stripped.so");
    sh::run(Command::new("strip").arg("-o").arg(&stripped).arg(&library))?;
    let size = fs::metadata(&stripped).map_err(|e| e.to_string())?.len();
    println!("stripped: {size} bytes of at most {MAX_STRIPPED}");
    if size > MAX_STRIPPED {
        return Err(format!("the library has grown to {size} bytes; at most {MAX_STRIPPED} are allowed"));
    }
    let dynamic = sh::output(Command::new("readelf").arg("-d").arg(&library))?;
    let needed: Vec<&str> = dynamic
        .lines()
        .filter(|l| l.contains("(NEEDED)"))
        .filter_map(|l| l.split('[').nth(1)?.split(']').next())
        .collect();
    println!("needs: {}", needed.join(", "));
    if needed.is_empty() {
        return Err("readelf told of nothing the library needs: does this still read it?".into());
    }
    match needed.iter().find(|n| !MAY_NEED.contains(n)) {
        Some(other) => Err(format!("the library needs {other}, which not every system has")),
        None if !dynamic.contains("NODELETE") => Err("the library may be unloaded: -z nodelete is lost".into()),
        None => Ok(()),
    }
}
