//! What needs a real browser, chromium. An interactive login: it opens the emulator's page, which presses its own button,
//! and brings the answer to the port of the library. And the page on which the emulator shows what there is.

use crate::emulator::Emulator;
use crate::sh::{self, Res};
use crate::{setup, steps};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --virtual-time-budget=20000 --dump-dom";

pub fn step() -> Res<()> {
    setup::for_browser()?;
    login()?;
    page()
}

fn login() -> Res<()> {
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

/// The page as the browser has it after its scripts ran.
fn page() -> Res<()> {
    let emulator = Emulator::with(&["--seed", "demo", "--token", "page"])?;
    // What is shown must not become part of the page.
    emulator.post("page", "/timeseries", r#"{"items": [{"externalId": "<img src=x>"}]}"#)?;
    let profile = sh::scratch("browser")?.join("page-profile");
    for (series, must) in [("40-PB-9002.TT", "<polyline points="), ("40-PB-9002.state", "stopped")] {
        let _ = fs::remove_dir_all(&profile);
        let mut browser = Command::new("chromium");
        browser
            .args(FLAGS.split_whitespace().filter(|f| !f.starts_with("--virtual")))
            .arg("--virtual-time-budget=6000");
        browser.arg(format!("--user-data-dir={}", profile.display())).arg(format!("{}/#{series}", emulator.url()));
        let text = sh::output(browser.stderr(Stdio::null()))?;
        let all = [
            "data-state=\"shown\"",
            "<td>assets</td><td class=\"n\">84</td>",
            "<td>instances</td><td class=\"n\">",
            "<td class=\"path\">/api/v1/projects/demo/timeseries</td>",
            ">&lt;img src=x&gt;</option>",
            "40-PB-9002 bearing temperature",
            must,
        ];
        let wanted = all.iter().filter(|w| series.ends_with("TT") || !w.contains("bearing"));
        if let Some(missing) = wanted.clone().find(|w| !text.contains(*w)) {
            let file = sh::scratch("browser")?.join("page.html");
            fs::write(&file, &text).map_err(|e| e.to_string())?;
            return Err(format!("the emulator's page does not have {missing}; it is in {}", file.display()));
        }
    }
    println!("the emulator's page: resources, a plot, texts and requests are shown");
    Ok(())
}
