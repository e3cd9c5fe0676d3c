//! `cargo xtask header`: the public C header and the ledger of the ABI, made from the source of the library.

use crate::sh::{self, Res};
use crate::{header_text, ledger};
use std::fs;
use std::path::{Path, PathBuf};

fn header_path() -> PathBuf {
    sh::root().join("include/cognite/cognite.h")
}

fn symbols_path() -> PathBuf {
    sh::root().join("abi/symbols.txt")
}

/// With `--check` nothing is written; what lies there has to be what would be written.
pub fn command(args: &[String]) -> Res<()> {
    let check = match args {
        [] => false,
        [one] if one == "--check" => true,
        _ => return Err("header: the only option is --check".into()),
    };
    let header = header_text::generate(sh::root().as_ref())?;
    let before = fs::read_to_string(symbols_path()).unwrap_or_default();
    let symbols = ledger::text(&header, &before, env!("CARGO_PKG_VERSION"))?;
    let mut stale = Vec::new();
    for (path, text) in [(header_path(), header), (symbols_path(), symbols)] {
        let name = path.strip_prefix(sh::root()).unwrap_or(&path).display().to_string();
        let there = fs::read_to_string(&path).unwrap_or_default();
        if there == text {
            println!("{name} is up to date");
        } else if check {
            println!("{}", first_difference(&name, &there, &text));
            stale.push(name);
        } else {
            write(&path, &text)?;
            println!("{name} written");
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("{} out of date: run cargo xtask header", stale.join(" and "))) }
}

fn write(path: &Path, text: &str) -> Res<()> {
    let say = |e| format!("{}: {e}", path.display());
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(say)?;
    fs::write(path, text).map_err(say)
}

fn first_difference(name: &str, there: &str, wanted: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (there.lines().collect(), wanted.lines().collect());
    let n = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let line = |l: &[&str]| l.get(n).map_or("(end)", |s| s).to_string();
    format!("{name}:{}: has  {}\n{name}:{}: want {}", n + 1, line(&a), n + 1, line(&b))
}

/// The dynamic symbols of the built library are exactly those of abi/symbols.txt.
pub fn check_symbols(library: &Path) -> Res<()> {
    let wanted = fs::read_to_string(symbols_path()).map_err(|e| format!("abi/symbols.txt: {e}"))?;
    let wanted = ledger::listed(&wanted);
    let listed =
        sh::output(std::process::Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library))?;
    let mut have: Vec<&str> = listed.lines().filter_map(|l| l.split([' ', '@']).next()).collect();
    have.sort_unstable();
    have.dedup();
    if have.is_empty() || wanted.is_empty() {
        return Err(format!("{} and abi/symbols.txt: one of them names nothing", library.display()));
    }
    let missing: Vec<&&str> = wanted.iter().filter(|w| !have.contains(w)).collect();
    let extra: Vec<&&str> = have.iter().filter(|h| !wanted.contains(h)).collect();
    if missing.is_empty() && extra.is_empty() {
        println!("{} symbols, all of abi/symbols.txt and no other", have.len());
        return Ok(());
    }
    Err(format!("symbols of {}: missing {missing:?}, not listed {extra:?}", library.display()))
}

/// The header alone, in all languages it promises, by both compilers.
pub fn check_compiles() -> Res<()> {
    let dir = sh::scratch("header-alone")?;
    let include = sh::root().join("include");
    let compilers = [("gcc", "g++"), ("clang", "clang++")];
    let cases = [
        ("cognite.h", "alone.c", ["c99", "c11"].as_slice()),
        ("cognite.h", "alone.cpp", ["c++17"].as_slice()),
        ("cognite.hpp", "alone_hpp.cpp", ["c++17"].as_slice()),
        ("results.hpp", "alone_results.cpp", ["c++17"].as_slice()),
        ("datapoints.hpp", "alone_datapoints.cpp", ["c++17"].as_slice()),
        ("files.hpp", "alone_files.cpp", ["c++17"].as_slice()),
    ];
    for (header, file, standards) in cases {
        if !include.join("cognite").join(header).exists() {
            return Err(format!("include/cognite/{header} is not there"));
        }
        let source = dir.join(file);
        fs::write(&source, format!("#include <cognite/{header}>\nint main(void) {{ return 0; }}\n"))
            .map_err(|e| e.to_string())?;
        for standard in standards {
            for (c, cpp) in &compilers {
                let compiler = if file.ends_with(".c") { c } else { cpp };
                let mut command = std::process::Command::new(compiler);
                command.arg(format!("-std={standard}")).args([
                    "-Wall",
                    "-Wextra",
                    "-pedantic",
                    "-Werror",
                    "-fsyntax-only",
                ]);
                sh::run(command.arg("-I").arg(&include).arg(&source))?;
                println!("{header}: {compiler} -std={standard}");
            }
        }
    }
    Ok(())
}
