//! `cargo xtask hazards`: what endangers a library that lives in somebody else's process. Programs of tests/hazards play
//! the host, on a library built with the feature `testing`.

mod tls;

use crate::sh::{self, Res};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// C and C++ hosts that need nothing but the library.
const HOSTS: [&str; 5] = ["sigpipe", "fork", "restart", "exit", "mixed"];
/// Tests of the library that are worth a run under the address sanitizer as well.
const SANITIZED: [&str; 5] =
    ["c/test_queue", "c/test_cancel", "c/test_arguments", "c/test_arguments_requests", "c/test_hostile"];

struct Run {
    long: bool,
    asan: bool,
    dir: PathBuf,
    lib: PathBuf,
    done: Vec<String>,
}

pub fn command(args: &[String]) -> Res<()> {
    let mut run = Run { long: true, asan: false, dir: PathBuf::new(), lib: PathBuf::new(), done: Vec::new() };
    for arg in args {
        match arg.as_str() {
            "--short" => run.long = false,
            "--asan" => run.asan = true,
            other => return Err(format!("hazards: no option {other}; there are --short and --asan")),
        }
    }
    if run.asan { run.sanitized() } else { run.all() }?;
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
    fn all(&mut self) -> Res<()> {
        self.dir = sh::scratch("hazards")?;
        self.lib = sh::scratch("hazards/lib")?;
        let made = build_testing(sh::cargo(), &[], &sh::target().join("debug"), &self.lib);
        // The product goes back to where other steps look for it.
        sh::build_library(false)?;
        made?;
        for host in HOSTS {
            let program = self.compile(&format!("hazards/{host}"))?;
            self.host(host, &mut Command::new(program))?;
        }
        let unload = self.dir.join("unload");
        let source = sh::root().join("tests/hazards/unload.c");
        let mut cc = Command::new(sh::cc());
        cc.args(["-g", "-Wall"])
            .arg("-I")
            .arg(sh::root().join("include"))
            .arg("-o")
            .arg(&unload)
            .arg(source)
            .arg("-ldl");
        sh::run(&mut cc)?;
        self.host("unload", Command::new(unload).arg(self.lib.join("libcognite.so")))?;

        let broken = tls::Breaker::start()?;
        let calls = if self.long { 1000 } else { 200 };
        let mut sigpipe = Command::new(self.dir.join("hazards-sigpipe"));
        sigpipe.arg(format!("https://127.0.0.1:{}", broken.port)).arg(calls.to_string());
        self.host("sigpipe over TLS", &mut sigpipe)?;
        if broken.broken() != calls {
            return Err(format!("the TLS server broke {} connections, not {calls}", broken.broken()));
        }
        if sh::has("go") {
            let program = self.go()?;
            self.host("go", &mut Command::new(program))?;
        } else {
            println!("NOT RUN: the Go host, as there is no go on this machine");
        }
        if sh::has("mcs") && sh::has("mono") {
            // Beside the library: that is where Mono looks for it.
            let program = self.lib.join("Host.exe");
            let source = sh::root().join("tests/hazards/csharp/Host.cs");
            sh::run(Command::new("mcs").arg(format!("-out:{}", program.display())).arg(source))?;
            for mode in ["preemptive", "coop"] {
                let mut mono = Command::new("mono");
                self.host(&format!("csharp, {mode}"), mono.env("MONO_THREADS_SUSPEND", mode).arg(&program))?;
            }
        } else {
            println!("NOT RUN: the C# host, as there is no mcs and mono on this machine");
        }
        Ok(())
    }

    /// Under the address, leak and undefined behaviour sanitizers. The compiler of the host and rustc must agree on the
    /// sanitizer's run-time library, which clang brings.
    fn sanitized(&mut self) -> Res<()> {
        if !sh::has("clang") {
            return Err("hazards --asan needs clang and its libclang-rt".into());
        }
        self.dir = sh::scratch("hazards-asan")?;
        self.lib = sh::scratch("hazards-asan/lib")?;
        let target_dir = sh::target().join("asan");
        let triple = "x86_64-unknown-linux-gnu";
        let mut cargo = sh::cargo();
        // The feature of the compiler is not stable; a check may use it, the product does not.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address").env("CARGO_TARGET_DIR", &target_dir);
        build_testing(cargo, &["--target", triple], &target_dir.join(triple).join("debug"), &self.lib)?;
        let instrumented = sh::output(Command::new("nm").args(["-D"]).arg(self.lib.join("libcognite.so")))?;
        if !instrumented.contains("__asan_init") {
            return Err("the library was not built with the address sanitizer".into());
        }
        self.notices_a_leak()?;
        for test in SANITIZED {
            let program = self.compile(test)?;
            self.host(test, &mut Command::new(program))?;
        }
        for host in ["restart", "mixed"] {
            let program = self.compile(&format!("hazards/{host}"))?;
            self.host(host, &mut Command::new(program))?;
        }
        // Leaks count after a shutdown. These processes end without one, and are forked from the server's, whose threads
        // do not exist in them.
        let program = self.compile("hazards/exit")?;
        self.host("exit", Command::new(program).env("ASAN_OPTIONS", "detect_leaks=0"))?;
        Ok(())
    }

    /// The gate must be able to fail: a program that leaks a client is found out.
    fn notices_a_leak(&self) -> Res<()> {
        let source = self.dir.join("leak.c");
        let program = self.dir.join("leak");
        let text = "#include <cognite/cognite.h>\nint main(void) {\n  cognite_error *err = 0;\n  cognite_config *c = cognite_config_new();\n  \
            c = 0;\n  (void)c;\n  return (int)cognite_shutdown(&err);\n}\n";
        fs::write(&source, text).map_err(|e| e.to_string())?;
        sh::run(self.compiler(&source, &program).arg(&source).args(self.link()))?;
        let out = Command::new(&program).env_remove("LD_LIBRARY_PATH").output().map_err(|e| e.to_string())?;
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        if out.status.success() || !told.contains("LeakSanitizer") || !told.contains("cognite_config_new") {
            return Err(format!("a leaked config was not noticed ({}): {told}", out.status));
        }
        println!("a config that is leaked on purpose is noticed");
        Ok(())
    }

    fn compiler(&self, source: &Path, out: &Path) -> Command {
        let cpp = source.extension().is_some_and(|e| e == "cpp");
        let mut c = match (self.asan, cpp) {
            (true, true) => Command::new("clang++"),
            (true, false) => Command::new("clang"),
            (false, true) => Command::new("c++"),
            (false, false) => Command::new(sh::cc()),
        };
        c.arg(if cpp { "-std=c++17" } else { "-std=c99" });
        if self.asan {
            c.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]);
        }
        c.args(["-g", "-Wall", "-Wextra", "-Werror"]).arg("-I").arg(sh::root().join("include")).arg("-o").arg(out);
        c
    }

    fn link(&self) -> Vec<String> {
        let lib = self.lib.display();
        vec![format!("-L{lib}"), "-lcognite".into(), format!("-Wl,-rpath,{lib}"), "-lpthread".into()]
    }

    /// `name`: a source below tests/ without its extension.
    fn compile(&self, name: &str) -> Res<PathBuf> {
        let base = sh::root().join("tests").join(name);
        let c = base.with_extension("c");
        let source = if c.exists() { c } else { base.with_extension("cpp") };
        let out = self.dir.join(name.replace('/', "-"));
        sh::run(self.compiler(&source, &out).arg(&source).args(self.link()))?;
        Ok(out)
    }

    fn go(&self) -> Res<PathBuf> {
        let out = self.dir.join("go-host");
        let lib = self.lib.display();
        let mut go = Command::new("go");
        go.current_dir(sh::root().join("tests/hazards/go")).args(["build", "-o"]).arg(&out).arg(".");
        go.env("CGO_ENABLED", "1").env("CGO_CFLAGS", format!("-I{}", sh::root().join("include").display()));
        go.env("CGO_LDFLAGS", format!("-L{lib} -Wl,-rpath,{lib}"));
        sh::run(&mut go)?;
        Ok(out)
    }

    /// Runs a host. It passes when it ends by itself in time with status 0 and says that it checked something.
    fn host(&mut self, name: &str, program: &mut Command) -> Res<()> {
        println!("\n--- {name}");
        let limit = Duration::from_secs(if self.long || self.asan { 900 } else { 300 });
        program.env_remove("LD_LIBRARY_PATH").env_remove("COGNITE_HAZARDS_LONG");
        if self.long && !self.asan {
            program.env("COGNITE_HAZARDS_LONG", "1");
        }
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
        let summary = said.lines().rev().find(|l| verdict(l).is_none()).unwrap_or("");
        let checks = passed.unwrap_or(0);
        self.done.push(format!("{name}: {checks} checks, {:.1} s; {summary}", start.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// The number of checks in `N passed, 0 failed`; None where there was none, or one failed.
fn verdict(said: &str) -> Option<u32> {
    let line = said.lines().rev().find(|l| l.ends_with(" failed"))?;
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    let passed = passed.parse().ok()?;
    (failed == "0" && passed > 0).then_some(passed)
}

/// Builds the library with the feature `testing`, with `cargo` as it was set up, and puts it, under the names that
/// programs look for, into `lib`.
fn build_testing(mut cargo: Command, options: &[&str], built: &Path, lib: &Path) -> Res<()> {
    cargo.args(["build", "--package", "cognite-c", "--lib", "--features", "testing"]).args(options);
    sh::run(&mut cargo)?;
    let copy = lib.join("libcognite.so");
    let _ = fs::remove_file(&copy);
    fs::copy(built.join("libcognite.so"), &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let link = lib.join("libcognite.so.0");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink("libcognite.so", &link).map_err(|e| format!("{}: {e}", link.display()))?;
    let symbols = sh::output(Command::new("nm").args(["-D", "--defined-only"]).arg(&copy))?;
    if symbols.contains("cognite_testing_panic") { Ok(()) } else { Err("the library has no feature `testing`".into()) }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn a_host_must_have_checked_something() {
        assert_eq!(verdict("fork: fine\n84 passed, 0 failed\n"), Some(84));
        for bad in ["", "fork: fine\n", "0 passed, 0 failed\n", "5 passed, 1 failed\n", "x passed, 0 failed"] {
            assert_eq!(verdict(bad), None, "{bad}");
        }
    }
}
