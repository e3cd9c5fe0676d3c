//! `cargo xtask faults`: every phase of a request hit by every fault, for every kind of request, through the C API
//! against a server that counts what reached it.

mod plan;
mod server;

use crate::conformance::fixtures;
use crate::sh::{self, Res};
use plan::{Case, Expected, Mode, Phase};
use rustls::ServerConfig;
use server::Server;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const AT_A_TIME: usize = 6;
/// In token, proxy password, header and signature; must be in no text the library gives.
const CANARY: &str = "canary-7f3a";
/// Scheduling of a loaded machine, on top of a deadline.
const LENIENCE: Duration = Duration::from_millis(1500);

struct Lab {
    driver: PathBuf,
    dir: PathBuf,
    tls: Arc<ServerConfig>,
    ca: PathBuf,
}

struct Seen {
    status: i32,
    attempts: u32,
    in_doubt: bool,
    ms: u64,
    effects: u32,
}

pub fn command(args: &[String]) -> Res<()> {
    let mut fast = false;
    let mut only = String::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--fast" => fast = true,
            "--only" => only = args.next().ok_or("--only needs a text")?.clone(),
            other => return Err(format!("unknown option {other}; there are: --fast, --only TEXT")),
        }
    }
    let lib = sh::build_library(false)?;
    let dir = sh::scratch("faults")?;
    let driver = dir.join("driver");
    let flags = ["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-pedantic", "-Werror"];
    sh::compile_c(&[sh::root().join("tests/faults/driver.c")], &driver, &lib, &flags)?;
    let tls = fixtures::make(&dir)?;
    let lab = Lab { ca: dir.join("ca_cert.pem"), driver, dir, tls };

    let mut cases = plan::cases(fast);
    cases.retain(|c| name(c).contains(&only));
    if cases.is_empty() {
        return Err(format!("faults: no case is named like {only:?}"));
    }
    let started = Instant::now();
    let verdicts = run_all(&lab, &cases);
    report(&cases, &verdicts, started.elapsed())
}

fn name(case: &Case) -> String {
    format!("{:?} {:?} {} {:?}", case.phase, case.fault, case.op.name, case.mode)
}

type Verdict = Result<Seen, String>;

fn run_all(lab: &Lab, cases: &[Case]) -> Vec<Verdict> {
    let verdicts = Mutex::new((0..cases.len()).map(|_| None).collect::<Vec<Option<Verdict>>>());
    let next = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for _ in 0..AT_A_TIME {
            s.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(i) else { return };
                    let verdict = run(lab, case, i);
                    verdicts.lock().unwrap_or_else(PoisonError::into_inner)[i] = Some(verdict);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.into_iter().map(|v| v.unwrap_or_else(|| Err("not run".into()))).collect()
}

fn config(case: &Case, port: u16, ca: &Path) -> String {
    let base = match case.phase {
        Phase::Dns => "http://cognite-faults.invalid".to_string(),
        Phase::TlsHandshake => format!("https://127.0.0.1:{port}"),
        Phase::ProxyTunnel => "https://greenfield.cognitedata.com".to_string(),
        _ => format!("http://127.0.0.1:{port}"),
    };
    let proxy = match case.phase {
        Phase::ProxyTunnel => format!("http://user:{CANARY}-proxy@127.0.0.1:{port}"),
        _ => "none".to_string(),
    };
    // In deadline cases the wait for data must not end first.
    let timeout = if case.mode == Mode::Deadline { 5.0 } else { plan::TIMEOUT_S };
    let trust = match case.fault {
        plan::Fault::Untrusted => String::new(),
        _ => format!("ca_file: {}\n", ca.display()),
    };
    format!(
        "client_name: faults\nproject: p\nbase_url: {base}\ncredentials: {{token: {CANARY}-token}}\n\
         headers: {{x-api-key: {CANARY}-header}}\ndebug: true\ntimeout: {timeout}\ntotal_timeout: {}\n\
         max_retries: {n}\nmax_retries_connect: {n}\nmax_retry_backoff: 0\nproxy: {proxy}\ndisable_gzip: true\n\
         max_response_bytes: 65536\n{trust}",
        plan::TOTAL_MS / 1000,
        n = plan::RETRIES,
    )
}

fn run(lab: &Lab, case: &Case, number: usize) -> Verdict {
    let server = Server::start(case, Arc::clone(&lab.tls)).map_err(|e| format!("server: {e}"))?;
    let file = lab.dir.join(format!("{number}.yaml"));
    fs::write(&file, config(case, server.port, &lab.ca)).map_err(|e| format!("{}: {e}", file.display()))?;
    // Large enough not to fit into the buffers of both ends.
    let body = match (case.op.method, case.phase) {
        ("GET", _) => 0,
        (_, Phase::Upload) => 16 << 20,
        _ => 40,
    };
    let deadline = if case.mode == Mode::Deadline { plan::DEADLINE_MS } else { 0 };
    let url = format!("/api/v1/projects/p{}?sig={CANARY}-signature", case.op.path);
    let mut c = Command::new(&lab.driver);
    c.arg(&file).args([case.op.method, &url, &body.to_string(), &deadline.to_string()]);
    let out = c.output().map_err(|e| format!("driver: {e}"))?;
    let _ = fs::remove_file(&file);
    let text = format!("{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if !out.status.success() {
        return Err(format!("the driver ended with {}: {text}", out.status));
    }
    let numbers: Vec<u64> =
        text.lines().next().unwrap_or("").split(' ').map(|n| n.parse().unwrap_or(u64::MAX)).collect();
    let [status, _, attempts, in_doubt, ms] = numbers[..] else { return Err(format!("driver: {text}")) };
    let seen = Seen {
        status: status as i32,
        attempts: attempts as u32,
        in_doubt: in_doubt == 1,
        ms,
        effects: server.effects(),
    };
    if let Some(line) = text.lines().find(|l| l.contains(CANARY)) {
        return Err(format!("a planted secret is shown: {line}"));
    }
    // The debug line must be there, or the search above looked at nothing.
    if !text.contains("[cognite] ") {
        return Err(format!("no debug output: {text}"));
    }
    judge(&case.expected(), &seen).map_err(|why| format!("{why}\n    {}", text.lines().nth(1).unwrap_or("")))?;
    Ok(seen)
}

fn judge(expected: &Expected, seen: &Seen) -> Result<(), String> {
    let fits = expected.outcomes.iter().any(|o| {
        o.status.contains(&seen.status)
            && o.attempts == seen.attempts
            && o.in_doubt == seen.in_doubt
            && o.effects.unwrap_or(o.attempts) == seen.effects
    });
    if !fits {
        return Err(format!(
            "status {}, {} attempts, in_doubt {}, {} effects; right is {:?}",
            seen.status, seen.attempts, seen.in_doubt, seen.effects, expected.outcomes
        ));
    }
    let longest = Duration::from_millis(expected.longest_ms) + LENIENCE;
    if Duration::from_millis(seen.ms) > longest {
        return Err(format!("took {} ms, with a deadline of {} ms", seen.ms, expected.longest_ms));
    }
    Ok(())
}

/// A row for each place, a column for each kind of request: status, attempts, `?` in doubt, effects - of each mode.
fn report(cases: &[Case], verdicts: &[Verdict], took: Duration) -> Res<()> {
    let mut rows: BTreeMap<(Phase, plan::Fault), BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    let mut failed = 0;
    for (case, verdict) in cases.iter().zip(verdicts) {
        let cell = match verdict {
            Ok(s) => format!("{}/{}{}/{}", s.status, s.attempts, if s.in_doubt { "?" } else { "" }, s.effects),
            Err(e) => {
                failed += 1;
                println!("FAILED {}: {e}", name(case));
                "FAILED".to_string()
            }
        };
        rows.entry((case.phase, case.fault)).or_default().entry(case.op.name).or_default().push(cell);
    }
    println!("\nEach cell: status/attempts/effects on the server, `?` in doubt; hit always, hit once, deadline.");
    print!("{:<24}", "");
    plan::OPS.iter().for_each(|op| print!("{:<26}", op.name));
    println!();
    for ((phase, fault), row) in rows {
        print!("{:<24}", format!("{phase:?} {fault:?}"));
        for op in &plan::OPS {
            print!("{:<26}", row.get(op.name).map(|c| c.join("  ")).unwrap_or_default());
        }
        println!();
    }
    println!("{:.1} s", took.as_secs_f64());
    println!("{} passed, {failed} failed", cases.len() - failed);
    if failed == 0 { Ok(()) } else { Err(format!("{failed} case(s) of the fault matrix failed")) }
}
