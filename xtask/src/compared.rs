//! `cargo xtask emulator`: the emulator under the official SDKs, and the account of what was compared with what.
//!
//! emulator/tests/compared.txt is that account: a line for each operation, with a letter for each that called it. The steps of
//! `cargo xtask test` hold it against what the emulator's journal says they did.

use crate::emulator::Emulator;
use crate::json::Json;
use crate::sh::{self, Res};
use crate::{setup, steps};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const JS_SDK: &str = "@cognite/sdk@10.5.0";
const JOURNAL: &str = "100000";
const BEGIN: &str = "<!-- written by cargo xtask emulator compared --write -->";
const END: &str = "<!-- end of what is written -->";

/// Who calls: the letter in compared.txt, small where all answers were refusals.
const PYTHON: usize = 0;
const JS: usize = 1;
const LIBRARY: usize = 2;
const LETTERS: [char; 3] = ['P', 'J', 'L'];

pub fn command(args: &[String]) -> Res<()> {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["js"] => js_step(),
        ["throughput"] => crate::throughput::command(),
        ["compared"] => compared(false),
        ["compared", "--write"] => compared(true),
        _ => Err("emulator: js, throughput, compared, or compared --write".into()),
    }
}

/// The line of an operation, and what was seen of it: 1 for refused, 2 for done.
type Seen = BTreeMap<String, u8>;

/// What the journal of an emulator and its report of violations say.
#[derive(Default)]
struct Observed {
    seen: Seen,
    /// With an API description: whether answers fitted it.
    fits: BTreeMap<String, bool>,
    unknown: Vec<String>,
}

/// The description is at hand only where this project is made; the rest works without.
fn description() -> Option<PathBuf> {
    let given = std::env::var_os("COGNITE_OPENAPI").map(PathBuf::from);
    given.or_else(|| Some(sh::root().join("../shared/contract/openapi.json"))).filter(|p| p.is_file())
}

fn start() -> Res<Emulator> {
    let dir = sh::scratch("emulator-tls")?.display().to_string();
    let mut options = vec!["--journal", JOURNAL, "--tls-dir", &dir];
    let file = description().map(|p| p.display().to_string());
    if let Some(file) = &file {
        options.extend(["--openapi", file]);
    }
    Emulator::with(&options)
}

/// Programs find the authority in the environment, each in its own way.
fn trusting<'a>(c: &'a mut Command, emulator: &Emulator) -> &'a mut Command {
    for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
        c.env(name, emulator.said("ca_file"));
    }
    c.env("EMULATOR", emulator.start_line()).stdin(Stdio::null())
}

fn run_python(observed: &mut Observed) -> Res<()> {
    let python = steps::venv()?;
    for script in ["python_sdk.py", "python_areas.py", "python_plant.py", "python_aggregates.py"] {
        let emulator = start()?;
        let mut c = Command::new(&python);
        c.args(["-W", "ignore"]).arg(sh::root().join("emulator/tests").join(script));
        steps::timed(trusting(&mut c, &emulator), Duration::from_secs(300))?;
        observe(&emulator, observed)?;
    }
    Ok(())
}

fn run_js(observed: &mut Observed) -> Res<()> {
    setup::for_js()?;
    let dir = sh::scratch("js")?;
    let done = dir.join(JS_SDK.replace('/', "-"));
    if !done.exists() {
        let mut npm = Command::new("npm");
        sh::run(npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&dir).arg(JS_SDK))?;
        fs::write(&done, "").map_err(|e| format!("{}: {e}", done.display()))?;
    }
    let emulator = start()?;
    let mut c = Command::new("node");
    c.arg(sh::root().join("emulator/tests/js_areas.mjs")).arg(&dir);
    steps::timed(trusting(&mut c, &emulator), Duration::from_secs(120))?;
    observe(&emulator, observed)
}

/// The library's own walk over its operations, over TLS too.
fn run_library(observed: &mut Observed) -> Res<()> {
    let library = sh::build_library(false)?;
    let program = sh::scratch("compared")?.join("test_every_operation");
    sh::compile_c(&[sh::root().join("tests/c/test_every_operation.c")], &program, &library, &["-std=c99"])?;
    let emulator = start()?;
    let mut c = Command::new(&program);
    c.arg(sh::root().join("tests/data")).envs(emulator.env());
    steps::timed(trusting(&mut c, &emulator), Duration::from_secs(300))?;
    observe(&emulator, observed)
}

/// The step of `cargo xtask test`: flows of the official Python SDK.
pub fn python_step() -> Res<()> {
    let mut observed = Observed::default();
    run_python(&mut observed)?;
    held_against_account(&observed, PYTHON)
}

pub fn js_step() -> Res<()> {
    let mut observed = Observed::default();
    run_js(&mut observed)?;
    held_against_account(&observed, JS)
}

struct Operation {
    /// Method and path as they are listed.
    line: String,
    method: String,
    segments: Vec<String>,
}

/// All that is routed, literal paths before those with parameters.
fn operations() -> Res<Vec<Operation>> {
    let mut all = Vec::new();
    for name in ["endpoints.txt", "endpoints_more.txt"] {
        let file = sh::root().join("emulator/tests").join(name);
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(method), Some(path)) = (words.next(), words.next()) else { continue };
            let path = path.split('?').next().unwrap_or(path);
            let whole = match path.strip_prefix('@') {
                Some(path) => path.to_owned(),
                None => format!("/api/v1/projects/{{project}}{path}"),
            };
            let segments = whole.split('/').skip(1).map(str::to_owned).collect();
            all.push(Operation { line: format!("{method} {path}"), method: method.into(), segments });
        }
    }
    all.sort_by_key(|o| o.segments.iter().map(|s| s.starts_with('{')).collect::<Vec<_>>());
    Ok(all)
}

fn line_of<'a>(operations: &'a [Operation], method: &str, path: &str) -> Option<&'a str> {
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    let fits = |o: &&Operation| {
        o.method == method
            && o.segments.len() == segments.len()
            && o.segments.iter().zip(&segments).all(|(have, s)| have.starts_with('{') || have == s)
    };
    operations.iter().find(fits).map(|o| o.line.as_str())
}

fn observe(emulator: &Emulator, into: &mut Observed) -> Res<()> {
    let operations = operations()?;
    let journal = Json::parse(&emulator.get("/_emulator/requests")?)?;
    if journal.get("lost").and_then(Json::as_i128) != Some(0) {
        return Err(format!("the journal of the emulator was too short for {JOURNAL} requests"));
    }
    let mut misfits = Vec::new();
    let strict = description().is_some();
    if strict {
        let report = Json::parse(&emulator.get("/_emulator/violations")?)?;
        let done = |i: &&Json| i.get("status").and_then(Json::as_i128).is_some_and(|s| s < 300);
        for item in report.list_of("items").iter().filter(|i| i.text_of("side") == Some("answer")).filter(done) {
            let path = format!("/api/v1/projects/demo/{}", item.text_of("path").unwrap_or(""));
            misfits.extend(line_of(&operations, item.text_of("method").unwrap_or(""), &path));
        }
        let absent = report.get("not_in_document").and_then(Json::as_map).unwrap_or(&[]);
        for (name, _) in absent {
            let (method, path) = name.split_once(' ').unwrap_or((name, ""));
            into.unknown
                .extend(line_of(&operations, method, &format!("/api/v1/projects/demo{path}")).map(str::to_owned));
        }
    }
    for request in journal.list_of("items") {
        let path = request.text_of("path").unwrap_or("");
        let Some(line) = line_of(&operations, request.text_of("method").unwrap_or(""), path) else { continue };
        let status = request.get("status").and_then(Json::as_i128).unwrap_or(0);
        let done = (200..300).contains(&status);
        let seen = into.seen.entry(line.to_owned()).or_default();
        *seen = (*seen).max(1 + u8::from(done));
        if strict && done {
            let fits = into.fits.entry(line.to_owned()).or_insert(true);
            *fits &= !misfits.contains(&line);
        }
    }
    Ok(())
}

fn account() -> PathBuf {
    sh::root().join("emulator/tests/compared.txt")
}

fn letter(who: usize, seen: u8) -> char {
    match seen {
        0 => '-',
        1 => LETTERS[who].to_ascii_lowercase(),
        _ => LETTERS[who],
    }
}

/// What compared.txt says of each operation.
fn read_account() -> Res<BTreeMap<String, Vec<char>>> {
    let text = fs::read_to_string(account()).map_err(|e| format!("{}: {e}", account().display()))?;
    let lines = text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(' '));
    Ok(lines.map(|(marks, line)| (line.to_owned(), marks.chars().collect())).collect())
}

fn held_against_account(observed: &Observed, who: usize) -> Res<()> {
    let mut differences = Vec::new();
    for (line, marks) in read_account()? {
        let now = letter(who, observed.seen.get(&line).copied().unwrap_or(0));
        let then = marks.get(who).copied().unwrap_or('-');
        if now != then {
            differences.push(format!("{line}: {then} is now {now}"));
        }
    }
    let called = observed.seen.values().filter(|s| **s > 1).count();
    println!(
        "{} called {called} operations with success",
        ["the Python SDK", "the JavaScript SDK", "the library"][who]
    );
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "emulator/tests/compared.txt is no longer true ({}); cargo xtask emulator compared --write",
        differences.join("; ")
    ))
}

fn compared(write: bool) -> Res<()> {
    let mut all: [Observed; 3] = Default::default();
    run_python(&mut all[PYTHON])?;
    run_js(&mut all[JS])?;
    run_library(&mut all[LIBRARY])?;
    if !write {
        return (0..3).try_for_each(|who| held_against_account(&all[who], who)).and_then(|()| table_is_true());
    }
    if description().is_none() {
        return Err("compared --write needs the API description: COGNITE_OPENAPI".into());
    }
    let mut text = String::from(
        "# Written by `cargo xtask emulator compared --write`. Before each operation: P the Python SDK, J the JavaScript SDK, L the\n\
         # library's walk (small: only refusals were seen), and whether answers fit the API description: + fit, ! some do not,\n\
         # ? it does not have the operation, - not seen.\n",
    );
    let mut lines: Vec<String> = operations()?.into_iter().map(|o| o.line).collect();
    lines.sort_by(|a, b| a.split(' ').nth(1).cmp(&b.split(' ').nth(1)).then(a.cmp(b)));
    for line in lines {
        let marks: String = (0..3).map(|who| letter(who, all[who].seen.get(&line).copied().unwrap_or(0))).collect();
        let known = || all.iter().filter_map(|o| o.fits.get(&line));
        let fits = match () {
            () if all.iter().any(|o| o.unknown.contains(&line)) => '?',
            () if known().any(|fits| !fits) => '!',
            () if known().next().is_some() => '+',
            () => '-',
        };
        let _ = writeln!(text, "{marks}{fits} {line}");
    }
    fs::write(account(), text).map_err(|e| format!("{}: {e}", account().display()))?;
    let readme = readme();
    let old = fs::read_to_string(&readme).map_err(|e| e.to_string())?;
    fs::write(&readme, with_table(&old, &table(&read_account()?))?).map_err(|e| e.to_string())?;
    println!("written: {} and the table of {}", account().display(), readme.display());
    Ok(())
}

fn readme() -> PathBuf {
    sh::root().join("emulator/README.md")
}

/// The table of the README follows from compared.txt.
pub fn table_is_true() -> Res<()> {
    let text = fs::read_to_string(readme()).map_err(|e| e.to_string())?;
    if with_table(&text, &table(&read_account()?))? == text {
        return Ok(());
    }
    Err("the table in emulator/README.md is not that of compared.txt; cargo xtask emulator compared --write".into())
}

fn with_table(text: &str, table: &str) -> Res<String> {
    let (before, rest) = text.split_once(BEGIN).ok_or("emulator/README.md has no place for the table")?;
    let (_, after) = rest.split_once(END).ok_or("emulator/README.md has no end of the table")?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

/// By the first part of the path.
fn table(account: &BTreeMap<String, Vec<char>>) -> String {
    let mut areas: BTreeMap<String, Vec<(&String, &Vec<char>)>> = BTreeMap::new();
    for (line, marks) in account {
        let path = line.split(' ').nth(1).unwrap_or("");
        let area = match path.strip_prefix("@") {
            Some(_) => "outside of projects",
            None => path.split('/').nth(1).unwrap_or(""),
        };
        areas.entry(area.to_owned()).or_default().push((line, marks));
    }
    let mut text = String::from(
        "| Area | Operations | Python SDK | JavaScript SDK | Library | Fit the description | Some answers do not | Not in it |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut sums = [0; 7];
    let mut never = Vec::new();
    for (area, lines) in &areas {
        let count = |test: &dyn Fn(&Vec<char>) -> bool| lines.iter().filter(|(_, m)| test(m)).count();
        let by = |who: usize| count(&|m: &Vec<char>| m.get(who) == Some(&LETTERS[who]));
        let described = |c: char| count(&|m: &Vec<char>| m.get(3) == Some(&c));
        let row = [lines.len(), by(PYTHON), by(JS), by(LIBRARY), described('+'), described('!'), described('?')];
        let _ = writeln!(text, "| {area} | {} |", row.map(|n| n.to_string()).join(" | "));
        sums.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
        let alone = |m: &Vec<char>| !m.iter().any(|c| LETTERS.contains(c));
        never.extend(lines.iter().filter(|(_, m)| alone(m)).map(|(line, _)| format!("`{line}`")));
    }
    let _ = writeln!(text, "| **all** | {} |", sums.map(|n| n.to_string()).join(" | "));
    let never = if never.is_empty() { "none".into() } else { never.join(", ") };
    let _ = writeln!(text, "\nNever called with success by any of them: {never}.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_and_the_table_counts() {
        let all = operations().unwrap();
        let line = |path: &str| line_of(&all, "POST", &format!("/api/v1/projects/demo{path}"));
        assert_eq!(line("/assets/list"), Some("POST /assets/list"));
        assert_eq!(line("/assets/list/"), Some("POST /assets/list"));
        assert_eq!(line("/nothing/list"), None);
        let account = BTreeMap::from([
            ("POST /assets".to_owned(), vec!['P', 'J', '-', '+']),
            ("GET /assets".to_owned(), vec!['-', '-', 'l', '-']),
        ]);
        let table = table(&account);
        assert!(table.contains("| assets | 2 | 1 | 1 | 0 | 1 | 0 | 0 |"), "{table}");
        assert!(table.contains("any of them: `GET /assets`."), "{table}");
        let text = format!("a\n{BEGIN}\nold\n{END}\nb");
        assert_eq!(with_table(&text, "new").unwrap(), format!("a\n{BEGIN}\n\nnew\n{END}\nb"));
    }

    #[test]
    fn the_table_in_the_readme_is_that_of_the_account() {
        table_is_true().unwrap();
    }
}
