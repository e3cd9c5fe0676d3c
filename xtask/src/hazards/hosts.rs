//! Hosts in C, C++, Go and C#, on an ordinary build.

use super::{Run, build_testing, install, is_cpp, source, tls, warnings};
use crate::setup;
use crate::sh::{self, Res};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// C and C++ hosts that need nothing but the library.
const LINKED: [&str; 8] = ["sigpipe", "fork", "callback_fork", "restart", "shutdown", "exit", "mixed", "starved"];

pub fn all(run: &mut Run) -> Res<()> {
    setup::for_hosts()?;
    run.folder("hazards")?;
    let made = build_testing(sh::cargo(), &[]).and_then(|()| install(&sh::target().join("debug"), &run.lib));
    // The product goes back to where other steps look for it.
    sh::build_library(false)?;
    made?;
    for host in LINKED {
        let mut program = long(run, &compile(run, host, true)?);
        run.host(host, &mut program)?;
    }
    let library = run.lib.join("libcognite.so");
    let mut unload = long(run, &compile(run, "unload", false)?);
    run.host("unload", unload.arg(&library))?;
    let copy = run.lib.join("libcopy.so");
    fs::copy(&library, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let mut copies = long(run, &compile(run, "two_copies", false)?);
    run.host("two copies", copies.arg(&library).arg(&copy))?;

    let broken = tls::Breaker::start()?;
    let calls = if run.long { 1000 } else { 200 };
    let mut sigpipe = long(run, &run.dir.join("sigpipe"));
    sigpipe.arg(format!("https://127.0.0.1:{}", broken.port)).arg(calls.to_string());
    run.host("sigpipe over TLS", &mut sigpipe)?;
    if broken.broken() != calls {
        return Err(format!("the TLS server broke {} connections, not {calls}", broken.broken()));
    }

    let program = go(run)?;
    run.host("go", &mut Command::new(program))?;
    // Beside the library: that is where Mono looks for it.
    let program = run.lib.join("Host.exe");
    let source = sh::root().join("tests/hazards/csharp/Host.cs");
    sh::run(Command::new("mcs").arg(format!("-out:{}", program.display())).arg(source))?;
    for mode in ["preemptive", "coop"] {
        let mut mono = Command::new("mono");
        run.host(&format!("csharp, {mode}"), mono.env("MONO_THREADS_SUSPEND", mode).arg(&program))?;
    }
    Ok(())
}

fn long(run: &Run, program: &PathBuf) -> Command {
    let mut c = Command::new(program);
    c.env_remove("COGNITE_HAZARDS_LONG");
    if run.long {
        c.env("COGNITE_HAZARDS_LONG", "1");
    }
    c
}

/// A host, linked with the library or loading it by itself.
fn compile(run: &Run, name: &str, linked: bool) -> Res<PathBuf> {
    let (source, out) = (source(&format!("hazards/{name}")), run.dir.join(name));
    let mut c = Command::new(if is_cpp(&source) { "c++".into() } else { sh::cc() });
    warnings(&mut c, &source);
    c.arg("-o").arg(&out).arg(&source);
    if linked {
        let lib = run.lib.display();
        c.args([format!("-L{lib}"), "-lcognite".into(), format!("-Wl,-rpath,{lib}")]);
    }
    sh::run(c.args(["-ldl", "-lpthread"]))?;
    Ok(out)
}

fn go(run: &Run) -> Res<PathBuf> {
    let out = run.dir.join("go-host");
    let lib = run.lib.display();
    let mut go = Command::new("go");
    go.current_dir(sh::root().join("tests/hazards/go")).args(["build", "-o"]).arg(&out).arg(".");
    go.env("CGO_ENABLED", "1").env("CGO_CFLAGS", format!("-I{}", sh::root().join("include").display()));
    go.env("CGO_LDFLAGS", format!("-L{lib} -Wl,-rpath,{lib}"));
    sh::run(&mut go)?;
    Ok(out)
}
