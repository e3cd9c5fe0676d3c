//! `cargo xtask parity`: the same scripts through the official Python SDK and through the library, against the same
//! scripted server; what went over the wire and what came back is compared. A script is a vector without expectations
//! (tests/parity/README.md); what the SDK does with it becomes the expectation.

use super::differences::Differences;
use super::run::{self, Bench};
use super::{Options, build_driver, fixtures, name, replay_all, report};
use crate::json::Json;
use crate::sh::{self, Res};
use crate::steps;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Each is a Python process that loads the SDK.
const AT_A_TIME: usize = 3;
/// The two differ in name by nature (P8): any name and version will do.
const ANY_SDK: &str = r#"{"$regex":"^[A-Za-z][A-Za-z0-9_.-]*:\\d+\\.\\d+\\.\\d+.*$"}"#;

pub fn command(args: &[String]) -> Res<()> {
    let (mut record, mut recorded, mut rest) = (false, false, Vec::new());
    for arg in args {
        match arg.as_str() {
            "--record" => record = true,
            "--recorded" => recorded = true,
            "--area" | "--driver" | "--vectors" => return Err(format!("parity: unknown option {arg}")),
            _ => rest.push(arg.clone()),
        }
    }
    let o = Options::read(&rest)?;
    if record && (recorded || o.only.is_some()) {
        return Err("--record writes all scripts anew: it goes with neither --recorded nor --only".into());
    }
    let dir = sh::root().join("tests/parity");
    let mut scripts = load(&dir)?;
    let differences = Differences::load(&dir.join("differences.json"), &sh::root().join("PARITY.md"))?;
    differences.check_names(&scripts)?;
    scripts.retain(|s| o.only.as_deref().is_none_or(|n| name(s).contains(n)));
    if scripts.is_empty() {
        return Err("no script matches".into());
    }
    let scratch = sh::scratch("parity")?;
    let folder = scratch.join("fixtures");
    let tls = fixtures::make(&folder)?;
    let bench = |driver: Vec<String>| Bench {
        driver,
        fixtures: folder.clone(),
        scratch: scratch.clone(),
        tls: tls.clone(),
        limit: Duration::from_secs(60),
    };
    let file = dir.join("recorded.json");
    let seen = if recorded {
        read(&file)?
    } else {
        let program = sh::root().join("xtask/python/parity_driver.py");
        let seen =
            reference(&bench(vec![steps::venv()?.display().to_string(), program.display().to_string()]), &scripts)?;
        if record {
            write(&file, &scripts, &seen)?;
        } else if o.only.is_none() {
            warn_of_stale(&file, &scripts, &seen);
        }
        Json::Map(scripts.iter().zip(seen).map(|(s, v)| (name(s).to_string(), v)).collect())
    };
    let vectors = scripts.iter().map(|s| with_expectation(s, &seen)).collect::<Res<Vec<Json>>>()?;
    let library = bench(vec![build_driver(o.release)?.display().to_string()]);
    let verdicts = replay_all(&library, &vectors);
    report(&o, &vectors, &verdicts, &differences)
}

/// All scripts; what a file gives for all of its scripts is put into each that does not say otherwise.
fn load(dir: &Path) -> Res<Vec<Json>> {
    let mut out: Vec<Json> = Vec::new();
    for file in sh::files(dir, "json")? {
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let doc = Json::parse(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        let Some(area) = doc.text_of("area") else { continue };
        for script in doc.list_of("scripts") {
            let mut script = script.clone();
            for key in ["global_settings", "config", "server_script"] {
                if let (None, Some(common)) = (script.get(key), doc.get(key)) {
                    script.set(key, common.clone());
                }
            }
            let full = format!("{area}/{}", name(&script));
            if out.iter().any(|s| name(s) == full) {
                return Err(format!("two scripts are called {full}"));
            }
            script.set("name", Json::Str(full));
            script.set("area", Json::str(area));
            out.push(script);
        }
    }
    Ok(out)
}

/// What the SDK did with each script.
fn reference(bench: &Bench, scripts: &[Json]) -> Res<Vec<Json>> {
    let seen = Mutex::new(vec![Err("not run".to_string()); scripts.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for _ in 0..AT_A_TIME {
            s.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(script) = scripts.get(i) else { break };
                    let one = run::observe(bench, script).map(compared).map_err(|e| format!("{}: {e}", name(script)));
                    seen.lock().unwrap_or_else(PoisonError::into_inner)[i] = one;
                }
            });
        }
    });
    seen.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
}

/// Leaves of an observation what is compared: not the settings as the driver shows them, not the name of the SDK, not the
/// time it took.
fn compared(mut seen: Json) -> Json {
    let any_sdk = Json::parse(ANY_SDK).unwrap_or(Json::Null);
    let mut requests = seen.list_of("expected_requests").to_vec();
    for group in &mut requests {
        let mut list = group.list_of("requests").to_vec();
        for request in &mut list {
            let mut headers = request.get("headers").cloned().unwrap_or(Json::Null);
            if headers.get("x-cdp-sdk").is_some() {
                headers.set("x-cdp-sdk", any_sdk.clone());
                request.set("headers", headers);
            }
        }
        group.set("requests", Json::List(list));
    }
    seen.set("expected_requests", Json::List(requests));
    let outcome = seen.get("expected_outcome").cloned().unwrap_or(Json::Null);
    let mut kept = Json::Map(Vec::new());
    for key in ["global_settings", "config"] {
        if let Some(refused) = outcome.get(key).filter(|r| r.get("error").is_some()) {
            kept.set(key, without_text(refused));
        }
    }
    kept.set("calls", Json::List(outcome.list_of("calls").iter().map(without_text).collect()));
    seen.set("expected_outcome", kept);
    seen
}

/// The whole text of an error is the reference's own wording.
fn without_text(result: &Json) -> Json {
    match result.get("error").and_then(Json::as_map) {
        Some(members) => {
            let members = members.iter().filter(|(k, _)| k != "text").cloned().collect();
            Json::single("error", Json::Map(members))
        }
        None => result.clone(),
    }
}

fn with_expectation(script: &Json, seen: &Json) -> Res<Json> {
    let of = name(script);
    let expectation = seen
        .get(of)
        .ok_or(format!("recorded.json has nothing of {of}: `cargo xtask parity --record` runs it through the SDK"))?;
    let mut vector = script.clone();
    for (key, value) in expectation.as_map().unwrap_or(&[]) {
        vector.set(key, value.clone());
    }
    Ok(vector)
}

fn read(file: &Path) -> Res<Json> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Json::parse(&text).map_err(|e| format!("{}: {e}", file.display()))
}

/// One line for each script, so that a change is seen where it is.
fn write(file: &Path, scripts: &[Json], seen: &[Json]) -> Res<()> {
    let lines: Vec<String> = scripts
        .iter()
        .zip(seen)
        .map(|(s, v)| format!("{}: {}", Json::str(name(s)).write(true), v.write(true)))
        .collect();
    fs::write(file, format!("{{\n{}\n}}\n", lines.join(",\n"))).map_err(|e| format!("{}: {e}", file.display()))?;
    println!("{} scripts recorded in {}", scripts.len(), file.display());
    Ok(())
}

fn warn_of_stale(file: &Path, scripts: &[Json], seen: &[Json]) {
    let before = read(file).unwrap_or(Json::Null);
    let stale: Vec<&str> =
        scripts.iter().zip(seen).filter(|(s, v)| before.get(name(s)) != Some(*v)).map(|(s, _)| name(s)).collect();
    if !stale.is_empty() {
        println!("recorded.json is not what the SDK does now (--record writes it): {}", stale.join(", "));
    }
}
