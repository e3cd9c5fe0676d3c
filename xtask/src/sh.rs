//! Running programs, building, and where things are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub type Res<T> = Result<T, String>;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target folder, wherever it was moved to: this program lies two levels below it.
pub fn target() -> PathBuf {
    let exe = env::current_exe().ok();
    let above = |p: PathBuf| p.parent().and_then(Path::parent).map(Path::to_path_buf);
    exe.and_then(above).unwrap_or_else(|| root().join("target"))
}

/// `cargo run` puts its target folder into LD_LIBRARY_PATH, which goes before the run path of programs: they would be
/// tested and measured with whatever library lies there, not with the release build or the installed copy they were
/// linked to. To be called before any thread is started.
pub fn forget_cargo_library_path() {
    const NAME: &str = "LD_LIBRARY_PATH";
    let Some(paths) = env::var_os(NAME) else { return };
    let others: Vec<PathBuf> = env::split_paths(&paths).filter(|p| !p.starts_with(target())).collect();
    // SAFETY: main has started no thread yet, so nobody reads the environment meanwhile.
    unsafe {
        match env::join_paths(others) {
            Ok(paths) if !paths.is_empty() => env::set_var(NAME, paths),
            _ => env::remove_var(NAME),
        }
    }
}

/// `cargo run` also says which package it runs. Build scripts ask for these names of their own package, and cargo takes one
/// that comes from outside for a change: ring, and all that needs it, would be built anew each time a command of ours follows
/// one of cargo's. To be called before any thread is started.
pub fn forget_own_package() {
    let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|n| ours(n)) {
        // SAFETY: main has started no thread yet, so nobody reads the environment meanwhile.
        unsafe { env::remove_var(name) };
    }
}

/// A folder of one command for what it makes.
pub fn scratch(name: &str) -> Res<PathBuf> {
    let dir = target().join(name);
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(dir)
}

pub fn cargo() -> Command {
    let mut c = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    // The same target folder as this program's, also when it was given by --target-dir.
    c.current_dir(root()).env("CARGO_TARGET_DIR", target()).stdin(Stdio::null());
    c
}

/// In words, to be shown and to be repeated by hand.
pub fn words(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let arg = arg.to_string_lossy();
        text.push(' ');
        text.push_str(&if arg.contains(char::is_whitespace) { format!("'{arg}'") } else { arg.into_owned() });
    }
    text
}

/// Runs with its output shown.
pub fn run(command: &mut Command) -> Res<()> {
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("{}: {e}", words(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", words(command))) }
}

/// Runs and gives what it wrote to its standard output.
pub fn output(command: &mut Command) -> Res<String> {
    let out = command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", words(command)))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if out.status.success() {
        return Ok(text);
    }
    Err(format!("{}: {}\n{text}{}", words(command), out.status, String::from_utf8_lossy(&out.stderr)))
}

/// Whether a program can be started.
pub fn has(program: &str) -> bool {
    let dirs = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&dirs).any(|d| d.join(program).is_file())
}

pub fn cc() -> String {
    env::var("CC").unwrap_or_else(|_| "cc".into())
}

/// Files of a folder with this extension, sorted.
pub fn files(dir: &Path, extension: &str) -> Res<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(|e| format!("{}: {e}", dir.display()))?
        .filter_map(|f| f.ok().map(|f| f.path()))
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    Ok(found)
}

/// Builds the shared library; the folder it is in.
pub fn build_library(release: bool) -> Res<PathBuf> {
    let mut c = cargo();
    if release {
        // For itself: beside an rlib, everything public would have to stay in it, which is a sixth more.
        c.args(["rustc", "--package", "cognite-c", "--lib", "--release", "--crate-type", "cdylib"]);
    } else {
        c.args(["build", "--package", "cognite-c", "--lib"]);
    }
    run(&mut c)?;
    let dir = target().join(if release { "release" } else { "debug" });
    link_soname(&dir)?;
    Ok(dir)
}

/// Programs ask for the library by its SONAME, which cargo gives no file to.
pub fn link_soname(dir: &Path) -> Res<()> {
    let listed = output(Command::new("readelf").args(["-d"]).arg(dir.join("libcognite.so")))?;
    let Some(soname) = listed.split("Library soname: [").nth(1).and_then(|rest| rest.split(']').next()) else {
        return Ok(());
    };
    let link = dir.join(soname);
    if link.exists() {
        return Ok(());
    }
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink("libcognite.so", &link).map_err(|e| format!("{}: {e}", link.display()))
}

/// Compiles and links a C program against the shared library in `lib`, which it finds again by its run path.
pub fn compile_c(sources: &[PathBuf], out: &Path, lib: &Path, flags: &[&str]) -> Res<()> {
    let mut c = Command::new(cc());
    c.args(flags).arg("-I").arg(root().join("include")).arg("-o").arg(out).args(sources);
    c.arg("-L").arg(lib).arg("-lcognite").arg(format!("-Wl,-rpath,{}", lib.display())).args(["-lpthread", "-lm"]);
    run(&mut c)
}
