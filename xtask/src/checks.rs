//! `cargo xtask test`: all checks of the project, each in a step with its time, and a summary at the end.

use crate::sh::{self, Res};
use crate::{abi, browser, compared, conformance, faults, hazards, header, setup, steps};
use std::time::{Duration, Instant};

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Res<()>,
}

const STEPS: [Step; 17] = [
    Step { name: "setup", what: "programs and headers that the checks need", run: setup::for_tests },
    Step {
        name: "fmt",
        what: "layout of the Rust code",
        run: || sh::run(sh::cargo().args(["fmt", "--all", "--check"])),
    },
    Step { name: "clippy", what: "lints", run: clippy },
    Step {
        name: "rust",
        what: "Rust tests of all crates",
        run: || sh::run(sh::cargo().args(["test", "--workspace", "--no-fail-fast"])),
    },
    Step {
        name: "header",
        what: "header and symbol list are those of the source",
        run: || header::command(&["--check".into()]),
    },
    Step { name: "languages", what: "header alone as C99, C11, C++17", run: header::check_compiles },
    Step { name: "symbols", what: "exported symbols", run: symbols },
    Step { name: "abi", what: "compatibility, size and needs of the release build", run: || abi::command(&[]) },
    Step { name: "ctest", what: "C and C++ tests, examples, an installed copy", run: steps::ctest },
    Step { name: "valgrind", what: "the same under valgrind", run: steps::valgrind },
    Step { name: "hazards", what: "the library as a guest in other processes, short form", run: hazards::short },
    Step {
        name: "conformance",
        what: "recorded behaviour of the official Python SDK",
        run: || conformance::command(&[]),
    },
    Step { name: "faults", what: "the quick part of the fault matrix", run: || faults::command(&["--fast".into()]) },
    Step {
        name: "parity",
        what: "scripts that were run through the Python SDK, replayed",
        run: || conformance::parity::command(&["--recorded".into()]),
    },
    Step { name: "python", what: "the official Python SDK against the emulator", run: steps::python },
    Step { name: "js", what: "the official JavaScript SDK against the emulator", run: compared::js_step },
    Step { name: "browser", what: "in chromium: an interactive login, and the emulator's page", run: browser::step },
];

fn clippy() -> Res<()> {
    sh::run(sh::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn symbols() -> Res<()> {
    header::check_symbols(&sh::build_library(false)?.join("libcognite.so"))
}

enum Outcome {
    Passed,
    Failed(String),
}

pub fn command(args: &[String]) -> Res<()> {
    let chosen: Vec<&Step> = match args {
        [] => STEPS.iter().collect(),
        names => names
            .iter()
            .map(|n| STEPS.iter().find(|s| s.name == n).ok_or(format!("no step {n}; there are: {}", names_of_all())))
            .collect::<Res<_>>()?,
    };
    let mut done: Vec<(&Step, Duration, Outcome)> = Vec::new();
    for (i, step) in chosen.iter().enumerate() {
        println!("\n=== {}/{} {}: {}", i + 1, chosen.len(), step.name, step.what);
        let start = Instant::now();
        let outcome = match (step.run)() {
            Ok(()) => Outcome::Passed,
            Err(e) => {
                println!("FAILED: {e}");
                Outcome::Failed(e)
            }
        };
        println!("=== {} took {:.1} s", step.name, start.elapsed().as_secs_f64());
        let without_it_nothing_works = step.name == "setup" && matches!(outcome, Outcome::Failed(_));
        done.push((step, start.elapsed(), outcome));
        if without_it_nothing_works {
            break;
        }
    }
    summary(&done, chosen.len())
}

fn names_of_all() -> String {
    STEPS.map(|s| s.name).join(", ")
}

fn summary(done: &[(&Step, Duration, Outcome)], chosen: usize) -> Res<()> {
    println!("\n=== summary");
    let mut failed = 0;
    for (step, took, outcome) in done {
        let word = match outcome {
            Outcome::Passed => "ok".to_string(),
            Outcome::Failed(e) => {
                failed += 1;
                format!("FAILED: {}", e.lines().next().unwrap_or(""))
            }
        };
        println!("{:<12}{:>8.1} s  {word}", step.name, took.as_secs_f64());
    }
    println!("steps: {} passed, {failed} failed, {} skipped", done.len() - failed, chosen - done.len());
    if failed == 0 { Ok(()) } else { Err(format!("{failed} step(s) of the checks failed")) }
}
