//! `cargo xtask setup`: the programs and headers that the other commands need, installed where that is possible.

use crate::sh::{self, Res};
use std::process::{Command, Stdio};

struct Need {
    what: &'static str,
    /// The Debian package that brings it, or several.
    package: &'static str,
    there: fn() -> bool,
}

const NEEDS: [Need; 10] = [
    Need { what: "C compiler (cc)", package: "build-essential", there: || sh::has("cc") },
    Need { what: "C++ compiler (c++)", package: "build-essential", there: || sh::has("c++") },
    Need { what: "cmake", package: "cmake", there: || sh::has("cmake") },
    Need { what: "pkg-config", package: "pkg-config", there: || sh::has("pkg-config") },
    Need { what: "valgrind", package: "valgrind", there: || sh::has("valgrind") },
    Need { what: "jsmn.h", package: "libjsmn-dev", there: || compiles("#include <stddef.h>\n#include <jsmn.h>\n") },
    Need { what: "openssl", package: "openssl", there: || sh::has("openssl") },
    Need {
        what: "python3 with venv",
        package: "python3-venv",
        there: || quiet("python3", &["-c", "import ensurepip, venv"]),
    },
    Need { what: "abidiff", package: "abigail-tools", there: || sh::has("abidiff") },
    Need { what: "clang", package: "clang", there: || sh::has("clang") },
];

/// For `cargo xtask bench`, asked for there.
const BENCH_NEEDS: [Need; 2] = [
    Need { what: "libcurl's header", package: "libcurl4-openssl-dev", there: || compiles("#include <curl/curl.h>\n") },
    Need { what: "taskset", package: "util-linux", there: || sh::has("taskset") },
];

/// What the floor of the performance lab links besides.
const LAB_NEEDS: [Need; 3] = [
    Need { what: "isa-l", package: "libisal-dev", there: || compiles("#include <isa-l.h>\n") },
    Need { what: "libdeflate", package: "libdeflate-dev", there: || compiles("#include <libdeflate.h>\n") },
    Need { what: "zlib", package: "zlib1g-dev", there: || compiles("#include <zlib.h>\n") },
];

fn quiet(program: &str, args: &[&str]) -> bool {
    let mut c = Command::new(program);
    c.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    c.status().is_ok_and(|s| s.success())
}

fn compiles(source: &str) -> bool {
    let mut c = Command::new(sh::cc());
    c.args(["-xc", "-fsyntax-only", "-"]);
    compiles_with(c, source)
}

fn compiles_with(mut c: Command, source: &str) -> bool {
    use std::io::Write;
    c.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = c.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(source.as_bytes());
    }
    child.wait().is_ok_and(|s| s.success())
}

pub fn command(args: &[String]) -> Res<()> {
    match args {
        [] => ensure(&NEEDS),
        _ => Err("setup takes no options".into()),
    }
}

pub fn for_tests() -> Res<()> {
    ensure(&NEEDS)
}

pub fn for_bench(lab: bool) -> Res<()> {
    ensure(&NEEDS[..2])?;
    ensure(&BENCH_NEEDS)?;
    if lab { ensure(&LAB_NEEDS) } else { Ok(()) }
}

/// Hosts in other languages.
pub fn for_hosts() -> Res<()> {
    ensure(&[
        Need { what: "go", package: "golang-go", there: || sh::has("go") },
        Need { what: "mono", package: "mono-runtime", there: || sh::has("mono") },
        Need { what: "mcs", package: "mono-mcs", there: || sh::has("mcs") },
    ])
}

/// Programs of C that are built with a sanitizer.
pub fn for_sanitizers() -> Res<()> {
    let links = || {
        let mut c = Command::new("clang");
        c.args(["-fsanitize=address,undefined", "-xc", "-", "-o", "/dev/null"]);
        compiles_with(c, "int main(void) { return 0; }\n")
    };
    ensure(&[
        Need { what: "clang", package: "clang", there: || sh::has("clang") },
        Need { what: "clang's sanitizers", package: "libclang-rt-dev", there: links },
    ])
}

/// Building for Windows, and running what was built.
pub fn for_windows() -> Res<()> {
    ensure(&[
        Need { what: "mingw", package: "gcc-mingw-w64-x86-64", there: || sh::has("x86_64-w64-mingw32-gcc") },
        Need { what: "wine", package: "wine wine64", there: || sh::has("wine") },
    ])?;
    run_or_say(Command::new("rustup").args(["target", "add", "x86_64-pc-windows-gnu"]))
}

/// The nightly compiler with these components. Checks may need it; the product does not.
pub fn nightly(components: &[&str]) -> Res<()> {
    let mut c = Command::new("rustup");
    c.args(["toolchain", "install", "nightly", "--profile", "minimal", "--no-self-update"]);
    components.iter().for_each(|name| {
        c.args(["--component", name]);
    });
    let listed =
        sh::output(Command::new("rustup").args(["component", "list", "--installed", "--toolchain", "nightly"]));
    let there = |name: &&str| listed.as_ref().is_ok_and(|l| l.lines().any(|l| l.starts_with(*name)));
    if components.iter().all(there) { Ok(()) } else { run_or_say(&mut c) }
}

/// A program that cargo installs.
pub fn cargo_program(name: &str) -> Res<()> {
    let bin = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    let bin = bin.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).unwrap_or_default().join("bin").join(name);
    if sh::has(name) || bin.is_file() {
        return Ok(());
    }
    run_or_say(Command::new("cargo").args(["install", "--locked", name]))
}

/// A command that brings what is missing; where it cannot, it is for the reader to run.
fn run_or_say(c: &mut Command) -> Res<()> {
    sh::run(c).map_err(|e| format!("missing; this brings it: {} ({e})", sh::words(c)))
}

/// Programs in JavaScript.
pub fn for_js() -> Res<()> {
    ensure(&[
        Need { what: "node", package: "nodejs", there: || sh::has("node") },
        Need { what: "npm", package: "npm", there: || sh::has("npm") },
    ])
}

pub fn for_browser() -> Res<()> {
    ensure(&[Need { what: "chromium", package: "chromium", there: || sh::has("chromium") }])
}

fn ensure(needs: &[Need]) -> Res<()> {
    let missing: Vec<&Need> = needs.iter().filter(|n| !(n.there)()).collect();
    if missing.is_empty() {
        println!("setup: everything needed is there");
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().flat_map(|n| n.package.split(' ')).collect();
    packages.dedup();
    println!("setup: missing {}", missing.iter().map(|n| n.what).collect::<Vec<_>>().join(", "));
    let by_hand = format!("sudo apt-get update && sudo apt-get install -y {}", packages.join(" "));
    match installer() {
        Some(sudo) => install(sudo, &packages)?,
        None => println!("setup: this account cannot install packages here"),
    }
    let still: Vec<&str> = missing.iter().filter(|n| !(n.there)()).map(|n| n.what).collect();
    if still.is_empty() {
        return Ok(());
    }
    Err(format!("missing: {}. On Debian and Ubuntu: {by_hand}", still.join(", ")))
}

/// The words before apt-get that make it work without asking anybody; None where that is not so.
fn installer() -> Option<&'static [&'static str]> {
    if !sh::has("apt-get") {
        return None;
    }
    let root = sh::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    match root {
        true => Some(&[]),
        false if sh::has("sudo") && quiet("sudo", &["-n", "true"]) => Some(&["sudo", "-n"]),
        false => None,
    }
}

fn install(sudo: &[&str], packages: &[&str]) -> Res<()> {
    let apt = |args: &[&str]| {
        let mut words: Vec<&str> = sudo.to_vec();
        // env, as sudo does not hand variables on
        words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]);
        words.extend(args);
        sh::run(Command::new(words[0]).args(&words[1..]))
    };
    let mut wanted = vec!["install", "--no-install-recommends"];
    wanted.extend(packages);
    // The lists of packages may be absent or old: only then are they fetched.
    if apt(&wanted).is_err() {
        apt(&["update"])?;
        apt(&wanted)?;
    }
    Ok(())
}
