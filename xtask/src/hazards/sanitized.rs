//! The library and its hosts under sanitizers. The compiler of the host and rustc must agree on the sanitizer's run-time
//! library: clang brings that of the address sanitizer, rustc that of the thread sanitizer (clang's is too old for it).

use super::{Run, build_testing, install, is_cpp, nightly_cargo, source, warnings};
use crate::emulator::Emulator;
use crate::setup;
use crate::sh::{self, Res};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

pub struct Sanitizer {
    name: &'static str,
    flags: &'static [&'static str],
    /// Of an instrumented library.
    symbol: &'static str,
    /// Tests and hosts that are worth a run.
    programs: &'static [&'static str],
    /// A program that does wrong on purpose, and what must be said of it: the gate must be able to fail.
    wrong: (&'static str, &'static str, [&'static str; 2]),
}

pub const ADDRESS: Sanitizer = Sanitizer {
    name: "asan",
    flags: &["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"],
    symbol: "__asan_init",
    programs: &[
        "c/test_aggregates",
        "c/test_arguments",
        "c/test_arguments_requests",
        "c/test_arrow",
        "c/test_async",
        "c/test_callers_thread",
        "c/test_cancel",
        "c/test_columns",
        "c/test_columns_pages",
        "c/test_config",
        "c/test_every_operation",
        "c/test_files",
        "c/test_files_network",
        "c/test_guest",
        "c/test_hostile",
        "c/test_log",
        "c/test_login",
        "c/test_metrics",
        "c/test_operations",
        "c/test_operations_write",
        "c/test_points",
        "c/test_queue",
        "c/test_requests",
        "c/test_round_trip",
        "c/test_settings",
        "c/test_subscriptions",
        "c/test_token",
        "cpp/test_cpp",
        "hazards/restart",
        "hazards/shutdown",
        "hazards/mixed",
        "hazards/exit",
    ],
    wrong: (
        "leak",
        "#include <cognite/cognite.h>\nint main(void) {\n  cognite_error *err = 0;\n  cognite_config *c = cognite_config_new();\n  \
         c = 0;\n  (void)c;\n  return (int)cognite_shutdown(&err);\n}\n",
        ["LeakSanitizer", "cognite_config_new"],
    ),
};

pub const THREAD: Sanitizer = Sanitizer {
    name: "tsan",
    flags: &["-fsanitize=thread"],
    symbol: "__tsan_write8",
    programs: &[
        "c/test_queue",
        "c/test_cancel",
        "c/test_callers_thread",
        "c/test_arguments",
        "c/test_arguments_requests",
        "c/test_hostile",
        "c/test_token",
        "hazards/sigpipe",
        "hazards/fork",
        "hazards/restart",
        "hazards/shutdown",
        "hazards/mixed",
    ],
    wrong: (
        "race",
        // They meet again and again, so that neither is over before the other begins.
        "#define _POSIX_C_SOURCE 200112L\n#include <cognite/cognite.h>\n#include <pthread.h>\n\
         static cognite_config *config;\nstatic pthread_barrier_t both;\nstatic void *change(void *name) {\n  \
         for (int i = 0; i < 1000; i++) {\n    if (i % 100 == 0) pthread_barrier_wait(&both);\n    \
         (void)cognite_config_set_project(config, name, 0);\n  }\n  return 0;\n}\n\
         int main(void) {\n  pthread_t a, b;\n  config = cognite_config_new();\n  pthread_barrier_init(&both, 0, 2);\n  \
         pthread_create(&a, 0, change, \"a\");\n  pthread_create(&b, 0, change, \"b\");\n  \
         pthread_join(a, 0);\n  pthread_join(b, 0);\n  return 0;\n}\n",
        ["ThreadSanitizer: data race", "cognite_config_set_project"],
    ),
};

/// tokio's registrations travel through the kernel: epoll_ctl on one copy of the descriptor, epoll_wait on another, which
/// the sanitizer takes for two things.
const SUPPRESSED: &str = "race:tokio::runtime::io::driver::dispatch_event\n";

pub fn all(run: &mut Run, sanitizer: &Sanitizer) -> Res<()> {
    setup::for_sanitizers()?;
    run.folder(&format!("hazards-{}", sanitizer.name))?;
    let target = sh::target().join(sanitizer.name);
    let runtime = if sanitizer.name == ADDRESS.name {
        let mut cargo = sh::cargo();
        // The feature of the compiler is not stable; a check may use it, the product does not.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address").env("CARGO_TARGET_DIR", &target);
        build_testing(cargo, &["--target", TRIPLE])?;
        None
    } else {
        // The standard library too: half of what synchronises is in it.
        setup::nightly(&["rust-src"])?;
        let mut cargo = nightly_cargo(&target);
        cargo.env("RUSTFLAGS", "-Zsanitizer=thread");
        build_testing(cargo, &["-Zbuild-std", "--target", TRIPLE])?;
        Some(thread_runtime()?)
    };
    if sanitizer.name == ADDRESS.name {
        names_all_tests(sanitizer)?;
    }
    install(&target.join(TRIPLE).join("debug"), &run.lib)?;
    let symbols = sh::output(Command::new("nm").arg("-D").arg(run.lib.join("libcognite.so")))?;
    if !symbols.contains(sanitizer.symbol) {
        return Err(format!("the library was not built with {}", sanitizer.flags[0]));
    }
    let built = Built { run, sanitizer, runtime };
    built.notices_what_is_wrong()?;
    let programs: Vec<(&str, Command)> = sanitizer
        .programs
        .iter()
        .map(|name| {
            let mut sources = vec![source(name)];
            if *name == "cpp/test_cpp" {
                sources.push(source("cpp/second_unit"));
            }
            let mut c = Command::new(built.compile(&sources, &name.replace('/', "-"))?);
            built.options(&mut c, name)?;
            if ["c/test_login", "c/test_every_operation"].contains(name) {
                c.arg(sh::root().join("tests/data"));
            }
            Ok((*name, c))
        })
        .collect::<Res<_>>()?;
    for (name, mut program) in programs {
        // Each begins with an emulator that holds nothing.
        let emulator = if needs_emulator(name)? { Some(Emulator::start()?) } else { None };
        program.envs(emulator.iter().flat_map(Emulator::env));
        run.host(&format!("{name}, {}", sanitizer.name), &mut program)?;
    }
    Ok(())
}

/// Whether the program wants to be told of a service by the environment.
fn needs_emulator(name: &str) -> Res<bool> {
    let path = source(name);
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(["connection.h", "COGNITE_BASE_URL"].iter().any(|word| text.contains(word)))
}

/// A test that is forgotten here has not passed.
fn names_all_tests(sanitizer: &Sanitizer) -> Res<()> {
    let stems = sh::files(&sh::root().join("tests/c"), "c")?;
    let stems = stems.iter().filter_map(|f| Some(f.file_stem()?.to_string_lossy().into_owned()));
    let tests: Vec<String> = stems.filter(|s| s.starts_with("test_")).map(|s| format!("c/{s}")).collect();
    match tests.iter().find(|t| !sanitizer.programs.contains(&t.as_str())) {
        Some(forgotten) => Err(format!("{}: tests/{forgotten}.c is not among the programs", sanitizer.name)),
        None if tests.len() < 20 => Err(format!("{}: only {} tests found in tests/c", sanitizer.name, tests.len())),
        None => Ok(()),
    }
}

/// Where rustc keeps the thread sanitizer's run-time library.
fn thread_runtime() -> Res<PathBuf> {
    let sysroot =
        sh::output(Command::new("rustc").args(["+nightly", "--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN"))?;
    let found = Path::new(sysroot.trim()).join("lib/rustlib").join(TRIPLE).join("lib/librustc-nightly_rt.tsan.a");
    if found.exists() { Ok(found) } else { Err(format!("{} is not there", found.display())) }
}

struct Built<'a> {
    run: &'a Run,
    sanitizer: &'a Sanitizer,
    /// Linked instead of clang's.
    runtime: Option<PathBuf>,
}

impl Built<'_> {
    fn compile(&self, sources: &[PathBuf], name: &str) -> Res<PathBuf> {
        let out = self.run.dir.join(name);
        let compiler = if sources.iter().any(|s| is_cpp(s)) { "clang++" } else { "clang" };
        let mut link = Command::new(compiler);
        link.arg("-o").arg(&out);
        for (i, source) in sources.iter().enumerate() {
            let object = out.with_extension(format!("{i}.o"));
            let mut c = Command::new(compiler);
            warnings(&mut c, source);
            sh::run(c.args(self.sanitizer.flags).arg("-c").arg("-o").arg(&object).arg(source))?;
            link.arg(&object);
        }
        match &self.runtime {
            None => link.args(self.sanitizer.flags),
            // The library finds the sanitizer in the program.
            Some(runtime) => link.arg("-Wl,--whole-archive").arg(runtime).args([
                "-Wl,--no-whole-archive",
                "-Wl,--export-dynamic",
                "-ldl",
                "-lm",
                "-lrt",
            ]),
        };
        let lib = self.run.lib.display();
        sh::run(link.args([format!("-L{lib}"), "-lcognite".into(), format!("-Wl,-rpath,{lib}"), "-lpthread".into()]))?;
        Ok(out)
    }

    fn options(&self, program: &mut Command, name: &str) -> Res<()> {
        program.env_remove("LD_LIBRARY_PATH").env_remove("COGNITE_HAZARDS_LONG");
        if self.runtime.is_some() {
            let file = self.run.dir.join("suppressed");
            fs::write(&file, SUPPRESSED).map_err(|e| format!("{}: {e}", file.display()))?;
            // Children of a program with threads are what some hosts are about.
            program.env("TSAN_OPTIONS", format!("die_after_fork=0 suppressions={}", file.display()));
            // The library runs several times slower with it, and on a busy machine more.
            program.env("COGNITE_TEST_SLOW", "1");
        } else {
            // Leaks count after a shutdown. Children of these processes end without one, or without their parent's threads.
            if ["hazards/exit", "c/test_guest"].contains(&name) {
                program.env("ASAN_OPTIONS", "detect_leaks=0");
            }
            // Everything takes longer, and more memory.
            if !name.starts_with("hazards/") {
                program.env("COGNITE_TEST_SLOW", "1");
            }
        }
        Ok(())
    }

    fn notices_what_is_wrong(&self) -> Res<()> {
        let (name, text, expected) = self.sanitizer.wrong;
        let source = self.run.dir.join(name).with_extension("c");
        fs::write(&source, text).map_err(|e| e.to_string())?;
        let mut program = Command::new(self.compile(&[source], name)?);
        self.options(&mut program, name)?;
        let out = program.output().map_err(|e| e.to_string())?;
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        if out.status.success() || !expected.iter().all(|e| told.contains(e)) {
            return Err(format!(
                "{}: a {name} on purpose was not noticed ({}): {told}",
                self.sanitizer.name, out.status
            ));
        }
        println!("{}: a {name} on purpose is noticed", self.sanitizer.name);
        Ok(())
    }
}
