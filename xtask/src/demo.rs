//! `cargo xtask demo`: a machine's own signals through the C API into an emulated CDF and back, in about ten seconds.

use crate::emulator::Emulator;
use crate::sh::{self, Res};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub fn command(args: &[String]) -> Res<()> {
    let release = match args {
        [] => false,
        [one] if one == "--release" => true,
        _ => return Err("demo: the only option is --release".into()),
    };
    println!("building the library ...");
    let program = build_example("historian", release)?;
    println!("starting the emulator ...");
    let emulator = Emulator::start()?;
    println!("running examples-c/historian.c against {} ...\n", emulator.url());
    let written = run_historian(&program, &emulator, 10)?;
    println!("\nThe emulator holds {written} datapoints, as many as were written, read back and found equal.");
    Ok(())
}

/// Runs the historian and checks with the emulator that its figure is true. The number of datapoints.
pub fn run_historian(program: &Path, emulator: &Emulator, seconds: u32) -> Res<u64> {
    let before = emulator.datapoints()?;
    let mut command = Command::new(program);
    command
        .args(["--seconds", &seconds.to_string()])
        .envs(emulator.env())
        .env_remove("COGNITE_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
    let mut last = String::new();
    for line in BufReader::new(child.stdout.take().ok_or("no standard output")?).lines().map_while(Result::ok) {
        println!("{line}");
        last = line;
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("historian: {status}"));
    }
    let said = written_and_read(&last).ok_or(format!("historian's last line has no figures: {last}"))?;
    let held = emulator.datapoints()? - before;
    match said {
        (written, read) if written == read && written == held && held > 0 => Ok(held),
        (written, read) => {
            Err(format!("historian wrote {written} and read {read} datapoints, the emulator holds {held}"))
        }
    }
}

/// From `historian: 123 datapoints written, 123 read back, all equal`.
fn written_and_read(line: &str) -> Option<(u64, u64)> {
    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// Compiles examples-c/NAME.c, and of the other sources there those whose header it includes.
pub fn build_example(name: &str, release: bool) -> Res<PathBuf> {
    let dir = sh::root().join("examples-c");
    let lib = sh::build_library(release)?;
    let out = sh::scratch("examples")?.join(name);
    let mut sources = vec![dir.join(format!("{name}.c"))];
    let mut seen = 0;
    while let Some(source) = sources.get(seen).cloned() {
        seen += 1;
        for file in [source.clone(), source.with_extension("h")] {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            for header in text.lines().filter_map(|l| l.strip_prefix("#include \"")?.split('"').next()) {
                let other = dir.join(header).with_extension("c");
                if other.exists() && !sources.contains(&other) {
                    sources.push(other);
                }
            }
        }
    }
    sh::compile_c(&sources, &out, &lib, &["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-pedantic", "-Werror"])?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn figures() {
        assert_eq!(super::written_and_read("historian: 12 datapoints written, 11 read back, x"), Some((12, 11)));
        assert_eq!(super::written_and_read("historian: nothing"), None);
    }
}
