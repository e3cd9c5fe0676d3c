//! `cargo xtask fuzz`: the targets of fuzz/ and emulator/fuzz/, each for a while, on the nightly compiler with libFuzzer and the address
//! sanitizer. What is found is a failure. With --keep, the inputs that reach most become the corpus that `cargo test`
//! replays.

use crate::setup;
use crate::sh::{self, Res};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SECONDS: u32 = 600;
/// Files of one corpus that are kept, and the largest of them.
const KEPT: usize = 40;
const LARGEST: u64 = 4096;
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

pub fn command(args: &[String]) -> Res<()> {
    let (mut seconds, mut keep, mut names) = (SECONDS, false, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let n = args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                seconds = n.ok_or("fuzz: --seconds needs a number above 0")?;
            }
            "--keep" => keep = true,
            option if option.starts_with('-') => return Err(format!("fuzz: no option {option}")),
            name => names.push(name.to_owned()),
        }
    }
    let all = targets()?;
    if let Some(unknown) = names.iter().find(|n| !all.contains(n)) {
        return Err(format!("fuzz: no target {unknown}; there are: {}", all.join(", ")));
    }
    let chosen = if names.is_empty() { all } else { names };
    setup::nightly(&["rust-src"])?;
    setup::cargo_program("cargo-fuzz")?;
    for folder in chosen.iter().map(|name| folder(name)).collect::<BTreeSet<_>>() {
        build(&folder)?;
    }
    let mut done = Vec::new();
    for name in &chosen {
        println!("\n--- {name}, {seconds} s");
        done.push(run(name, seconds)?);
        if keep {
            done.push(format!("  {}", keep_best(name)?));
        }
    }
    println!("\nfuzz: nothing found\n{}", done.join("\n"));
    Ok(())
}

/// The library's targets, and the emulator's.
const FOLDERS: [&str; 2] = ["fuzz", "emulator/fuzz"];

/// The one that has a target.
fn folder(name: &str) -> PathBuf {
    let all = FOLDERS.map(|f| sh::root().join(f));
    let has = |f: &&PathBuf| f.join("fuzz_targets").join(name).with_extension("rs").is_file();
    all.iter().find(has).unwrap_or(&all[0]).clone()
}

/// The programs of the folders' fuzz_targets.
fn targets() -> Res<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for folder in FOLDERS {
        let files = sh::files(&sh::root().join(folder).join("fuzz_targets"), "rs")?;
        names.extend(files.iter().filter_map(|f| f.file_stem().map(|s| s.to_string_lossy().into_owned())));
    }
    if names.is_empty() { Err("fuzz: no targets".into()) } else { Ok(names) }
}

fn build(folder: &Path) -> Res<()> {
    let mut c = Command::new("cargo");
    c.current_dir(folder).args(["+nightly", "fuzz", "build", "--target-dir"]).arg(sh::target().join("fuzz"));
    // This program was started by another compiler, whose choice must not be inherited.
    c.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("CARGO_TARGET_DIR").env_remove("RUSTC");
    sh::run(&mut c)
}

fn program(name: &str) -> PathBuf {
    sh::target().join("fuzz").join(TRIPLE).join("release").join(name)
}

/// Where a target's inputs grow, from the committed ones.
fn working_corpus(name: &str) -> Res<PathBuf> {
    sh::scratch(&format!("fuzz-work/{name}"))
}

fn run(name: &str, seconds: u32) -> Res<String> {
    let (work, found) = (working_corpus(name)?, sh::scratch(&format!("fuzz-found/{name}"))?);
    let log = sh::target().join(format!("fuzz-{name}.log"));
    let file = fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let mut c = Command::new(program(name));
    c.arg(format!("-max_total_time={seconds}")).args(["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    c.arg("-max_len=8192").arg(format!("-artifact_prefix={}/", found.display()));
    c.arg(&work).arg(folder(name).join("corpus").join(name)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let status = c.status().map_err(|e| format!("{}: {e}", sh::words(&c)))?;
    let said = String::from_utf8_lossy(&fs::read(&log).map_err(|e| e.to_string())?).into_owned();
    if !status.success() {
        let what = said.lines().filter(|l| l.contains("ERROR") || l.contains("panicked") || l.contains("Test unit"));
        return Err(format!(
            "fuzz: {name} found something ({status}); when it is fixed, add the input to fuzz/corpus/{name}\n{}\nmore in {}",
            what.take(5).collect::<Vec<_>>().join("\n"),
            log.display()
        ));
    }
    let number = |after: &str| said.rsplit(after).next().and_then(|r| r.split_whitespace().next()?.parse::<u64>().ok());
    let executed = number("stat::number_of_executed_units:").unwrap_or(0);
    let coverage = number(" cov: ").unwrap_or(0);
    // A run that did nothing finds nothing.
    if executed < 100 || coverage < 100 {
        return Err(format!("fuzz: {name} ran {executed} times and reached {coverage} places; see {}", log.display()));
    }
    Ok(format!("{name}: {executed} executions in {seconds} s, {coverage} places reached"))
}

/// Writes the corpus anew: of all inputs the few that together reach most, and what was added by hand.
fn keep_best(name: &str) -> Res<String> {
    let (work, corpus) = (working_corpus(name)?, folder(name).join("corpus").join(name));
    let (merged, control) = (sh::scratch(&format!("fuzz-merged/{name}"))?, work.with_extension("control"));
    for old in [&merged, &control] {
        let _ = if old.is_dir() { fs::remove_dir_all(old) } else { fs::remove_file(old) };
    }
    fs::create_dir_all(&merged).map_err(|e| e.to_string())?;
    let mut c = Command::new(program(name));
    c.args(["-merge=1", "-use_counters=0"]).arg(format!("-merge_control_file={}", control.display()));
    c.arg(&merged).arg(&corpus).arg(&work).stdout(Stdio::null()).stderr(Stdio::null());
    sh::run(&mut c)?;
    let reached = read_control(&fs::read_to_string(&control).map_err(|e| e.to_string())?);
    let chosen = best(&reached);
    let by_hand = |p: &Path| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("seed-"));
    let old = fs::read_dir(&corpus).map_err(|e| e.to_string())?.filter_map(|f| f.ok().map(|f| f.path()));
    let contents: Vec<Vec<u8>> = chosen.iter().filter_map(|p| fs::read(p).ok()).collect();
    for file in old.filter(|p| !by_hand(p) && !p.to_string_lossy().contains("/found-")) {
        fs::remove_file(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    for (i, content) in contents.iter().enumerate() {
        fs::write(corpus.join(format!("kept-{i:02}")), content).map_err(|e| e.to_string())?;
    }
    Ok(format!("{} of {} inputs kept", contents.len(), reached.len()))
}

/// What each input of a merge reached.
fn read_control(text: &str) -> Vec<(PathBuf, BTreeSet<u32>)> {
    let mut lines = text.lines();
    let count: usize = lines.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    lines.next();
    let mut all: Vec<_> = lines.by_ref().take(count).map(|path| (PathBuf::from(path), BTreeSet::new())).collect();
    for line in lines.filter_map(|l| l.strip_prefix("COV ")) {
        let mut numbers = line.split(' ').filter_map(|n| n.parse::<u32>().ok());
        if let Some((_, places)) = numbers.next().and_then(|i| all.get_mut(i as usize)) {
            places.extend(numbers);
        }
    }
    all
}

/// Again and again the small input that adds most.
fn best(reached: &[(PathBuf, BTreeSet<u32>)]) -> Vec<PathBuf> {
    let small = |p: &Path| fs::metadata(p).is_ok_and(|m| m.len() <= LARGEST);
    let mut left: Vec<_> = reached.iter().filter(|(p, _)| small(p)).collect();
    let (mut seen, mut chosen) = (BTreeSet::new(), Vec::new());
    while chosen.len() < KEPT {
        let adds = |places: &BTreeSet<u32>| places.difference(&seen).count();
        let Some(i) = (0..left.len()).max_by_key(|i| adds(&left[*i].1)).filter(|i| adds(&left[*i].1) > 0) else {
            break;
        };
        let (path, places) = left.swap_remove(i);
        seen.extend(places.iter().copied());
        chosen.push(path.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_files() {
        let text = "2\n0\n/a\n/b\nSTARTED 0 5\nFT 0 1\nCOV 0 7 8\nSTARTED 1 5\nCOV 1 8\n";
        let read = read_control(text);
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].1.len(), read[1].1.len(), read[1].0.as_path()), (2, 1, Path::new("/b")));
    }
}
