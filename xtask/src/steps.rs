//! The longer steps of `cargo xtask test`.

use crate::compared;
use crate::demo;
use crate::emulator::Emulator;
use crate::sh::{self, Res};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The version of the SDK whose behaviour the project compares itself with.
const PYTHON_SDK: &str = "cognite-sdk==8.22.0";

/// What CMakeLists.txt tests: the C and C++ tests, the examples, and an installed copy in use.
pub fn ctest() -> Res<()> {
    cmake_test("cmake", &["-DCOGNITE_TESTS_VALGRIND=OFF"])
}

/// The same under valgrind: memory errors and definite leaks fail.
pub fn valgrind() -> Res<()> {
    cmake_test("cmake-valgrind", &["-DCOGNITE_TESTS_VALGRIND=ON"])
}

/// With the target folder of all other steps, so that the library is not built again.
fn cmake_test(folder: &str, options: &[&str]) -> Res<()> {
    let dir = sh::target().join(folder);
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(sh::root()).arg("-B").arg(&dir).args(["-DCOGNITE_CARGO_PROFILE=dev"]).args(options);
    configure.arg(format!("-DCOGNITE_CARGO_TARGET_DIR={}", sh::target().display()));
    sh::run(&mut configure)?;
    sh::run(Command::new("cmake").arg("--build").arg(&dir).args(["--parallel", "2"]))?;
    sh::run(Command::new("ctest").arg("--test-dir").arg(&dir).args(["--output-on-failure", "--no-tests=error"]))
}

pub fn timed(c: &mut Command, limit: Duration) -> Res<()> {
    let mut child = c.spawn().map_err(|e| format!("{}: {e}", sh::words(c)))?;
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return if status.success() { Ok(()) } else { Err(format!("{}: {status}", sh::words(c))) };
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{}: not done within {} s", sh::words(c), limit.as_secs()));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The official SDK works with the emulator, and reads what the C library wrote; Arrow's library imports its columns.
pub fn python() -> Res<()> {
    compared::python_step()?;
    let python = venv()?;
    let program = demo::build_example("historian", false)?;
    let emulator = Emulator::start()?;
    let written = demo::run_historian(&program, &emulator, 3)?;
    let mut c = Command::new(&python);
    c.arg(sh::root().join("xtask/python/check_historian.py")).arg(written.to_string()).envs(emulator.env());
    timed(c.stdin(Stdio::null()), Duration::from_secs(120))?;

    let library = sh::build_library(false)?.join("libcognite.so");
    let mut c = Command::new(&python);
    c.arg(sh::root().join("xtask/python/check_arrow.py")).arg(library).envs(emulator.env());
    timed(c.stdin(Stdio::null()), Duration::from_secs(120))
}

/// The long form of one of its scripts: aggregates of many series at random, by definition and by the SDK.
pub fn aggregates(args: &[String]) -> Res<()> {
    let (mut rounds, mut seed) = ("1000".to_owned(), "1".to_owned());
    let mut args = args.iter();
    while let Some(name) = args.next() {
        let value = args.next().filter(|v| v.parse::<u32>().is_ok()).ok_or(format!("{name} needs a number"))?;
        match name.as_str() {
            "--rounds" => rounds.clone_from(value),
            "--seed" => seed.clone_from(value),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    let emulator = Emulator::start()?;
    let mut c = Command::new(venv()?);
    c.arg(sh::root().join("emulator/tests/python_aggregates.py")).args([rounds, seed]);
    sh::run(c.env("EMULATOR", emulator.start_line()))
}

/// A virtual environment with the SDK, kept in the target folder; its interpreter.
pub fn venv() -> Res<PathBuf> {
    let dir = sh::target().join("venv");
    let python = dir.join("bin/python");
    let done = dir.join([PYTHON_SDK, "pyarrow"].join("+"));
    if !done.exists() {
        sh::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
        let mut pip = Command::new(&python);
        // pandas: the SDK's own data frames, which its tests against the emulator use; pyarrow: imports what we export
        sh::run(pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            PYTHON_SDK,
            "pandas",
            "pyarrow",
        ]))?;
        fs::write(&done, "").map_err(|e| format!("{}: {e}", done.display()))?;
    }
    Ok(python)
}
