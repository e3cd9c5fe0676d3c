//! An interactive login in a real browser: chromium opens the emulator's page, which presses its own button, and brings the
//! answer to the port of the library.

use crate::emulator::Emulator;
use crate::sh::{self, Res};
use crate::{setup, steps};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --virtual-time-budget=20000 --dump-dom";

pub fn login() -> Res<()> {
    setup::for_browser()?;
    let dir = sh::scratch("browser")?;
    let library = sh::build_library(false)?;
    let program = dir.join("test_login");
    let source = sh::root().join("tests/c/test_login.c");
    sh::compile_c(&[source], &program, &library, &["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"])?;
    let profile = dir.join("profile");
    let _ = fs::remove_dir_all(&profile);
    let emulator = Emulator::start()?;
    let mut test = Command::new(&program);
    test.arg("--browser").envs(emulator.env()).stdin(Stdio::null());
    test.env("BROWSER", format!("chromium {FLAGS} '--user-data-dir={}' %s", profile.display()));
    steps::timed(&mut test, Duration::from_secs(120))
}
