//! `cargo xtask hazards`: what endangers a library that lives in somebody else's process. Programs of tests/hazards play
//! the host, on a library built with the feature `testing`.

mod hosts;
mod miri;
mod sanitized;
mod tls;
mod windows;

use crate::sh::{self, Res};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

type Part = (&'static str, fn(&mut Run) -> Res<()>);

const PARTS: [Part; 5] = [
    ("--hosts", hosts::all),
    ("--asan", |run| sanitized::all(run, &sanitized::ADDRESS)),
    ("--tsan", |run| sanitized::all(run, &sanitized::THREAD)),
    ("--miri", miri::all),
    ("--windows", windows::all),
];

#[derive(Default)]
struct Run {
    long: bool,
    /// What this part makes, and the library for its programs.
    dir: PathBuf,
    lib: PathBuf,
    done: Vec<String>,
}

pub fn command(args: &[String]) -> Res<()> {
    let mut run = Run { long: true, ..Run::default() };
    let mut chosen = Vec::new();
    for arg in args {
        match PARTS.iter().find(|(name, _)| name == arg) {
            Some(part) => chosen.push(part),
            None if arg == "--short" => {
                run.long = false;
                chosen.push(&PARTS[0]);
            }
            None => {
                let names = PARTS.map(|(name, _)| name).join(", ");
                return Err(format!("hazards: no option {arg}; there are --short, {names}"));
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(&PARTS);
    }
    for (name, part) in chosen {
        let before = run.done.len();
        part(&mut run)?;
        // A part that finds nothing to check has not passed.
        if run.done.len() == before {
            return Err(format!("hazards {name}: nothing was run"));
        }
    }
    println!("\nhazards: {} programs, all passed", run.done.len());
    for line in &run.done {
        println!("  {line}");
    }
    Ok(())
}

/// The short form, as a step of `cargo xtask test`.
pub fn short() -> Res<()> {
    command(&["--short".to_string()])
}

impl Run {
    /// Where a part works: `name`, and in it the library.
    fn folder(&mut self, name: &str) -> Res<()> {
        self.dir = sh::scratch(name)?;
        self.lib = sh::scratch(&format!("{name}/lib"))?;
        Ok(())
    }

    /// Runs a host. It passes when it ends by itself in time with status 0 and says that it checked something.
    fn host(&mut self, name: &str, program: &mut Command) -> Res<()> {
        println!("\n--- {name}");
        let limit = Duration::from_secs(if self.long { 900 } else { 300 });
        program.env_remove("LD_LIBRARY_PATH");
        let start = Instant::now();
        let mut child = program
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", sh::words(program)))?;
        let mut pipe = child.stdout.take().ok_or("no pipe")?;
        let reader = thread::spawn(move || {
            let mut said = String::new();
            let _ = pipe.read_to_string(&mut said);
            said
        });
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                break status;
            }
            if start.elapsed() > limit {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{name}: did not end within {} s", limit.as_secs()));
            }
            thread::sleep(Duration::from_millis(20));
        };
        let said = reader.join().unwrap_or_default();
        print!("{said}");
        let passed = verdict(&said);
        if !status.success() || passed.is_none() {
            return Err(format!("{name}: {status}, and it said: {}", said.lines().last().unwrap_or("nothing")));
        }
        let summary =
            said.lines().rev().map(str::trim_end).find(|l| verdict(l).is_none() && !l.is_empty()).unwrap_or("");
        let checks = passed.unwrap_or(0);
        self.done.push(format!("{name}: {checks} checks, {:.1} s; {summary}", start.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// The number of checks in `N passed, 0 failed`, or in cargo's `ok. N passed; 0 failed; …`; None where there was none, or
/// one failed.
fn verdict(said: &str) -> Option<u32> {
    let ours = |l: &str| {
        let (passed, failed) = l.strip_suffix(" failed")?.split_once(" passed, ")?;
        Some((passed.parse::<u32>().ok()?, failed == "0"))
    };
    let cargos = |l: &str| {
        let (passed, rest) = l.strip_prefix("test result: ok. ")?.split_once(" passed; ")?;
        Some((passed.parse::<u32>().ok()?, rest.starts_with("0 failed;")))
    };
    let told = |l: &str| l.ends_with(" failed") || l.starts_with("test result: ");
    let line = said.lines().rev().map(str::trim_end).find(|l| told(l))?;
    let (passed, good) = ours(line).or_else(|| cargos(line))?;
    (good && passed > 0).then_some(passed)
}

/// Puts what was built under the names that programs look for into `lib`. Fails for a library without the feature
/// `testing`.
fn install(built: &Path, lib: &Path) -> Res<()> {
    let copy = lib.join("libcognite.so");
    let _ = fs::remove_file(&copy);
    fs::copy(built.join("libcognite.so"), &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let link = lib.join("libcognite.so.0");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink("libcognite.so", &link).map_err(|e| format!("{}: {e}", link.display()))?;
    let symbols = sh::output(Command::new("nm").args(["-D", "--defined-only"]).arg(&copy))?;
    if symbols.contains("cognite_testing_panic") { Ok(()) } else { Err("the library has no feature `testing`".into()) }
}

/// A build of the library with the feature `testing`, with `cargo` as it was set up.
fn build_testing(mut cargo: Command, options: &[&str]) -> Res<()> {
    cargo.args(["build", "--package", "cognite-c", "--lib", "--features", "testing"]).args(options);
    sh::run(&mut cargo)
}

/// A cargo of the nightly compiler, for checks. This program was started by another, whose choice must not be inherited.
fn nightly_cargo(target: &Path) -> Command {
    let mut c = Command::new("cargo");
    c.arg("+nightly").current_dir(sh::root()).env("CARGO_TARGET_DIR", target).stdin(Stdio::null());
    c.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    c
}

/// The source of a program: `name` below tests/ without its extension.
fn source(name: &str) -> PathBuf {
    let base = sh::root().join("tests").join(name);
    let c = base.with_extension("c");
    if c.exists() { c } else { base.with_extension("cpp") }
}

fn is_cpp(source: &Path) -> bool {
    source.extension().is_some_and(|e| e == "cpp")
}

/// Warnings are errors; the dialect is that of the source.
fn warnings(c: &mut Command, source: &Path) {
    c.arg(if is_cpp(source) { "-std=c++17" } else { "-std=c99" });
    c.args(["-g", "-Wall", "-Wextra", "-Werror"]).arg("-I").arg(sh::root().join("include"));
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn a_host_must_have_checked_something() {
        assert_eq!(verdict("fork: fine\n84 passed, 0 failed\n"), Some(84));
        assert_eq!(verdict("x\r\n84 passed, 0 failed\r\n"), Some(84));
        assert_eq!(verdict("test result: ok. 8 passed; 0 failed; 0 ignored; 0 measured\n"), Some(8));
        for bad in [
            "",
            "fork: fine\n",
            "0 passed, 0 failed\n",
            "5 passed, 1 failed\n",
            "x passed, 0 failed",
            "test result: ok. 0 passed; 0 failed; 0 ignored",
            "test result: FAILED. 8 passed; 1 failed; 0 ignored",
        ] {
            assert_eq!(verdict(bad), None, "{bad}");
        }
    }
}
