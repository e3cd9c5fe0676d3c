//! `cargo xtask conformance`: replays recorded vectors against the library through its C driver.
//!
//! The vectors say what a client is told to do, what a scripted server answers, and what the official Python SDK was
//! observed to do. Written from the kit's description, sections 2 to 8 (tests/conformance/README.md names it).

mod compare;
mod differences;
pub mod fixtures;
pub mod http;
mod macros;
mod normal;
pub mod parity;
mod places;
mod proto;
mod rules;
mod run;
mod send;
mod server;

use crate::json::Json;
use crate::sh::{self, Res};
use differences::Differences;
use run::{Bench, Verdict};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const AT_A_TIME: usize = 4;

#[derive(Default)]
struct Options {
    vectors: Option<PathBuf>,
    area: Option<String>,
    only: Option<String>,
    driver: Option<String>,
    without: Vec<String>,
    strict_quirks: bool,
    verbose: bool,
    release: bool,
}

impl Options {
    fn read(args: &[String]) -> Res<Options> {
        let mut o = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--vectors" => o.vectors = Some(value()?.into()),
                "--area" => o.area = Some(value()?),
                "--only" => o.only = Some(value()?),
                "--driver" => o.driver = Some(value()?),
                "--without" => o.without.push(value()?),
                "--strict-quirks" => o.strict_quirks = true,
                "--verbose" => o.verbose = true,
                "--release" => o.release = true,
                _ => return Err(format!("conformance: unknown option {arg}")),
            }
        }
        Ok(o)
    }
}

#[derive(Default)]
struct Row {
    same: usize,
    deliberate: usize,
    deviates: usize,
    unsupported: usize,
    wrong: usize,
}

pub fn command(args: &[String]) -> Res<()> {
    let o = Options::read(args)?;
    let here = sh::root().join("tests/conformance");
    let vectors = load(&o, o.vectors.as_deref().unwrap_or(&here.join("vectors")))?;
    let differences = match o.driver {
        None => Differences::load(&here.join("differences.json"), &sh::root().join("PARITY.md"))?,
        Some(_) => Differences::default(),
    };
    if o.vectors.is_none() && o.area.is_none() && o.only.is_none() && o.without.is_empty() {
        differences.check_names(&vectors)?;
    }
    let scratch = sh::scratch("conformance")?;
    let driver = match &o.driver {
        Some(words) => words.split_whitespace().map(str::to_string).collect(),
        None => vec![build_driver(o.release)?.display().to_string()],
    };
    let fixtures = scratch.join("fixtures");
    let tls = fixtures::make(&fixtures)?;
    let bench = Bench { driver, fixtures, scratch, tls, limit: Duration::from_secs(60) };
    let verdicts = replay_all(&bench, &vectors);
    report(&o, &vectors, &verdicts, &differences)
}

fn load(o: &Options, dir: &Path) -> Res<Vec<Json>> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(|e| format!("vectors in {}: {e}", dir.display()))?
        .filter_map(|f| f.ok().map(|f| f.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    let mut out = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let doc = Json::parse(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        if doc.get("format_version").and_then(Json::as_i128) != Some(1) {
            return Err(format!("{}: not vectors of format 1", file.display()));
        }
        out.extend(doc.list_of("vectors").iter().cloned());
    }
    out.retain(|v| {
        let tagged = |t: &String| [v.list_of("requires"), v.list_of("tags")].concat().contains(&Json::str(t.as_str()));
        o.area.as_deref().is_none_or(|a| v.text_of("area") == Some(a))
            && o.only.as_deref().is_none_or(|n| name(v).contains(n))
            && !o.without.iter().any(tagged)
    });
    if out.is_empty() {
        return Err("no vector matches".into());
    }
    Ok(out)
}

fn name(vector: &Json) -> &str {
    vector.text_of("name").unwrap_or("?")
}

fn is_quirk(vector: &Json) -> bool {
    vector.list_of("tags").contains(&Json::str("quirk"))
}

/// The driver uses the public header only; jsmn.h comes from the Debian package libjsmn-dev.
fn build_driver(release: bool) -> Res<PathBuf> {
    let lib = sh::build_library(release)?;
    let out = sh::scratch("conformance")?.join("driver");
    let sources: Vec<PathBuf> = sh::files(&sh::root().join("tests/conformance"), "c")?;
    sh::compile_c(&sources, &out, &lib, &["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-pedantic", "-Werror"])?;
    Ok(out)
}

/// Four at a time; those whose duration is looked at come afterwards, one by one, undisturbed by the others.
fn replay_all(bench: &Bench, vectors: &[Json]) -> Vec<Verdict> {
    let (timed, free): (Vec<usize>, Vec<usize>) = (0..vectors.len()).partition(|&i| vectors[i].get("timing").is_some());
    let verdicts = Mutex::new((0..vectors.len()).map(|_| None).collect::<Vec<Option<Verdict>>>());
    let work = |queue: &[usize], next: &AtomicUsize| {
        while let Some(&i) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            let verdict = run::replay(bench, &vectors[i]);
            verdicts.lock().unwrap_or_else(PoisonError::into_inner)[i] = Some(verdict);
        }
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for _ in 0..AT_A_TIME {
            s.spawn(|| work(&free, &next));
        }
    });
    work(&timed, &AtomicUsize::new(0));
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.into_iter().map(|v| v.unwrap_or(Verdict::Differs(vec!["not replayed".into()]))).collect()
}

fn report(o: &Options, vectors: &[Json], verdicts: &[Verdict], differences: &Differences) -> Res<()> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut deviating = Vec::new();
    for (vector, verdict) in vectors.iter().zip(verdicts) {
        let name = name(vector);
        let row = rows.entry(vector.text_of("area").unwrap_or("?").to_string()).or_default();
        let entry = differences.entry(name);
        let (word, problems): (String, &[String]) = match (verdict, entry) {
            (Verdict::Same, None) => {
                row.same += 1;
                ("same".into(), &[])
            }
            (Verdict::Same, Some(id)) => {
                row.wrong += 1;
                println!("WRONG {name}\n    stale entry: listed as deliberate difference {id}, but nothing differs");
                continue;
            }
            (Verdict::Differs(p), Some(id)) => {
                row.deliberate += 1;
                (format!("deliberate difference {id}"), p)
            }
            (Verdict::Differs(p), None) if is_quirk(vector) && !o.strict_quirks => {
                row.deviates += 1;
                deviating.push(name);
                ("quirk, deviates".into(), p)
            }
            (Verdict::Differs(p), None) => {
                row.wrong += 1;
                ("WRONG".into(), p)
            }
            (Verdict::Unsupported(why), _) => {
                row.unsupported += 1;
                (format!("unsupported ({why})"), &[])
            }
        };
        if o.verbose || word == "WRONG" {
            println!("{word} {name}");
            for p in problems {
                println!("    {}", p.chars().take(if o.verbose { 20_000 } else { 1_500 }).collect::<String>());
            }
        }
    }
    println!(
        "\n{:<14}{:>6}{:>12}{:>16}{:>13}{:>7}",
        "area", "same", "deliberate", "quirk deviates", "unsupported", "wrong"
    );
    let mut all = Row::default();
    for (area, r) in &rows {
        print_row(area, r);
        all.same += r.same;
        all.deliberate += r.deliberate;
        all.deviates += r.deviates;
        all.unsupported += r.unsupported;
        all.wrong += r.wrong;
    }
    print_row("all", &all);
    differences.print_legend(vectors);
    if !deviating.is_empty() {
        println!(
            "\nquirks that deviate and are not in differences.json (counted as skipped): {}",
            deviating.join(", ")
        );
    }
    let (passed, skipped) = (all.same + all.deliberate, all.unsupported + all.deviates);
    println!("\n{passed} passed, {} failed, {skipped} skipped", all.wrong);
    if all.wrong == 0 { Ok(()) } else { Err(format!("conformance: {} vector(s) wrong", all.wrong)) }
}

fn print_row(area: &str, r: &Row) {
    println!("{area:<14}{:>6}{:>12}{:>16}{:>13}{:>7}", r.same, r.deliberate, r.deviates, r.unsupported, r.wrong);
}
