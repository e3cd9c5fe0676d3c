//! The library built for Windows, its unit tests and the queue's event there, in Wine.

use super::{Run, source, warnings};
use crate::setup;
use crate::sh::{self, Res};
use std::fs;
use std::path::Path;
use std::process::Command;

const TRIPLE: &str = "x86_64-pc-windows-gnu";
const CC: &str = "x86_64-w64-mingw32-gcc";

pub fn all(run: &mut Run) -> Res<()> {
    setup::for_windows()?;
    run.folder("hazards-windows")?;
    let mut cargo = sh::cargo();
    sh::run(cargo.args(["build", "--package", "cognite-c", "--lib", "--target", TRIPLE]))?;
    let built = sh::target().join(TRIPLE).join("debug");
    let library = run.dir.join("cognite.dll");
    fs::copy(built.join("cognite.dll"), &library).map_err(|e| format!("{}: {e}", library.display()))?;

    let mut random = Command::new(CC);
    random.args(["-shared", "-o"]).arg(run.dir.join("bcryptprimitives.dll"));
    sh::run(random.arg(source("hazards/windows/bcryptprimitives")).arg("-ladvapi32"))?;
    let (program, event) = (run.dir.join("event.exe"), source("hazards/windows/event"));
    let mut cc = Command::new(CC);
    warnings(&mut cc, &event);
    sh::run(cc.arg("-o").arg(&program).arg(&event).arg(&library))?;
    let mut c = wine(run)?;
    run.host("event, wine", c.arg(&program))?;

    let tests = test_program()?;
    let name = run.dir.join("unit.exe");
    fs::copy(&tests, &name).map_err(|e| format!("{}: {e}", name.display()))?;
    let mut c = wine(run)?;
    run.host("unit tests, wine", c.arg(&name))
}

fn wine(run: &Run) -> Res<Command> {
    let home = sh::scratch("wine")?;
    let mut c = Command::new("wine");
    c.current_dir(&run.dir).env("WINEPREFIX", home).env("WINEDEBUG", "-all");
    Ok(c)
}

/// The unit tests of the library, built; cargo tells where.
fn test_program() -> Res<String> {
    let mut c = sh::cargo();
    c.args(["test", "--package", "cognite-c", "--lib", "--target", TRIPLE, "--no-run", "--message-format=json"]);
    let told = sh::output(&mut c)?;
    let path = told.rsplit("\"executable\":\"").next().and_then(|rest| rest.split('"').next());
    path.filter(|p| Path::new(p).exists()).map(str::to_owned).ok_or("cargo built no test program".into())
}
