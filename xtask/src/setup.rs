//! `cargo xtask setup`: the programs and headers that the other commands need, installed where that is possible.

use crate::sh::{self, Res};
use std::process::{Command, Stdio};

struct Need {
    what: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
    there: fn() -> bool,
    optional: bool,
}

const NEEDS: [Need; 10] = [
    Need { what: "C compiler (cc)", package: "build-essential", there: || sh::has("cc"), optional: false },
    Need { what: "C++ compiler (c++)", package: "build-essential", there: || sh::has("c++"), optional: false },
    Need { what: "cmake", package: "cmake", there: || sh::has("cmake"), optional: false },
    Need { what: "pkg-config", package: "pkg-config", there: || sh::has("pkg-config"), optional: false },
    Need { what: "valgrind", package: "valgrind", there: || sh::has("valgrind"), optional: false },
    Need {
        what: "jsmn.h",
        package: "libjsmn-dev",
        there: || compiles("#include <stddef.h>\n#include <jsmn.h>\n"),
        optional: false,
    },
    Need { what: "openssl", package: "openssl", there: || sh::has("openssl"), optional: false },
    Need {
        what: "python3 with venv",
        package: "python3-venv",
        there: || quiet("python3", &["-c", "import ensurepip, venv"]),
        optional: false,
    },
    Need { what: "abidiff", package: "abigail-tools", there: || sh::has("abidiff"), optional: false },
    Need { what: "clang", package: "clang", there: || sh::has("clang"), optional: true },
];

/// For `cargo xtask bench`, asked for there.
const BENCH_NEEDS: [Need; 2] = [
    Need {
        what: "libcurl's header",
        package: "libcurl4-openssl-dev",
        there: || compiles("#include <curl/curl.h>\n"),
        optional: false,
    },
    Need { what: "taskset", package: "util-linux", there: || sh::has("taskset"), optional: false },
];

/// What the floor of the performance lab links besides.
const LAB_NEEDS: [Need; 3] = [
    Need { what: "isa-l", package: "libisal-dev", there: || compiles("#include <isa-l.h>\n"), optional: false },
    Need {
        what: "libdeflate",
        package: "libdeflate-dev",
        there: || compiles("#include <libdeflate.h>\n"),
        optional: false,
    },
    Need { what: "zlib", package: "zlib1g-dev", there: || compiles("#include <zlib.h>\n"), optional: false },
];

fn quiet(program: &str, args: &[&str]) -> bool {
    let mut c = Command::new(program);
    c.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    c.status().is_ok_and(|s| s.success())
}

fn compiles(source: &str) -> bool {
    use std::io::Write;
    let mut c = Command::new(sh::cc());
    c.args(["-xc", "-fsyntax-only", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
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

pub fn for_browser() -> Res<()> {
    ensure(&[Need { what: "chromium", package: "chromium", optional: false, there: || sh::has("chromium") }])
}

fn ensure(needs: &[Need]) -> Res<()> {
    let missing: Vec<&Need> = needs.iter().filter(|n| !(n.there)()).collect();
    if missing.is_empty() {
        println!("setup: everything needed is there");
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|n| n.package).collect();
    packages.dedup();
    println!("setup: missing {}", missing.iter().map(|n| n.what).collect::<Vec<_>>().join(", "));
    let by_hand = format!("sudo apt-get update && sudo apt-get install -y {}", packages.join(" "));
    match installer() {
        Some(sudo) => install(sudo, &packages)?,
        None => println!("setup: this account cannot install packages here"),
    }
    let still: Vec<&&Need> = missing.iter().filter(|n| !(n.there)()).collect();
    for need in still.iter().filter(|n| n.optional) {
        println!("setup: {} is not there; checks go on without it", need.what);
    }
    match still.iter().any(|n| !n.optional) {
        false => Ok(()),
        true => Err(format!(
            "missing: {}. On Debian and Ubuntu: {by_hand}",
            still.iter().map(|n| n.what).collect::<Vec<_>>().join(", ")
        )),
    }
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
