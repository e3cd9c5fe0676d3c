//! One vector against the driver: a fresh process, a server of its own, and what differed.

use super::http::Received;
use super::macros::expand;
use super::places::Places;
use super::server::Server;
use super::{compare, normal};
use crate::json::Json;
use rustls::ServerConfig;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Taken out of the environment of the driver, so that a vector behaves the same on all machines.
const CLEARED_ENV: [&str; 13] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "BROWSER",
];

pub struct Bench {
    pub driver: Vec<String>,
    pub fixtures: PathBuf,
    pub scratch: PathBuf,
    pub tls: Arc<ServerConfig>,
    pub limit: Duration,
}

pub enum Verdict {
    Same,
    Differs(Vec<String>),
    Unsupported(String),
}

struct Cleaned(PathBuf);

impl Drop for Cleaned {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn replay(bench: &Bench, vector: &Json) -> Verdict {
    match try_replay(bench, vector) {
        Ok(v) => v,
        Err(problem) => Verdict::Differs(vec![problem]),
    }
}

fn try_replay(bench: &Bench, vector: &Json) -> Result<Verdict, String> {
    let (vector, ran) = match perform(bench, vector)? {
        Ok(done) => done,
        Err(unsupported) => return Ok(unsupported),
    };
    let problems = problems(&vector, &ran.got, &ran.server, &ran.places);
    Ok(if problems.is_empty() { Verdict::Same } else { Verdict::Differs(problems) })
}

/// What a driver did with a script: the members `expected_requests` and `expected_outcome` of a vector that says so.
pub fn observe(bench: &Bench, script: &Json) -> Result<Json, String> {
    let Ok((_, ran)) = perform(bench, script)? else { return Err("the driver cannot do this".into()) };
    let requests = ran.server.received();
    let requests = requests.iter().map(|r| normal::request(r, &ran.places, &ran.server.ports)).collect();
    let group = Json::Map(vec![("order".into(), Json::str("sequential")), ("requests".into(), Json::List(requests))]);
    Ok(Json::Map(vec![("expected_requests".into(), Json::List(vec![group])), ("expected_outcome".into(), ran.got)]))
}

struct Ran {
    got: Json,
    server: Server,
    places: Places,
}

/// Runs the driver on an expanded vector. The inner error: it cannot be done here, and why.
fn perform(bench: &Bench, vector: &Json) -> Result<Result<(Json, Ran), Verdict>, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let text = vector.write(true);
    if let Some(missing) = missing_fixture(bench, &text) {
        return Ok(Err(Verdict::Unsupported(format!("no {missing}: the openssl program is needed"))));
    }
    let vector = expand(vector)?;
    let name = format!("v{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let tmp = Cleaned(bench.scratch.join(name));
    std::fs::create_dir_all(&tmp.0).map_err(|e| format!("{}: {e}", tmp.0.display()))?;
    let tmp_text = tmp.0.display().to_string();
    let fixtures = bench.fixtures.display().to_string();
    let server = Server::start(bench.tls.clone(), text.contains("{{stuck_url}}"))
        .map_err(|e| format!("scripted server: {e}"))?;
    let places = Places::new(&server.ports, &tmp_text, &fixtures);
    let rules = vector.get("server_script").map(|s| s.list_of("rules")).unwrap_or(&[]);
    server.script(rules.iter().map(|r| places.fill(r)).collect::<Result<_, _>>()?);

    let mut job = Json::Map(Vec::new());
    for key in ["global_settings", "config", "calls"] {
        if let Some(v) = vector.get(key) {
            job.set(key, places.fill(v)?);
        }
    }
    job.set("tmp", Json::str(&tmp_text));
    job.set("fixtures", Json::str(&fixtures));
    let mut env = vec![("XDG_CACHE_HOME".to_string(), format!("{tmp_text}/cache"))];
    for (k, v) in vector.get("env").and_then(Json::as_map).unwrap_or(&[]) {
        env.push((k.clone(), places.fill_text(v.as_str().unwrap_or(""))?));
    }
    let line = drive(bench, &job.write(true), &env)?;
    let got = Json::parse(&line).map_err(|e| format!("the driver's line: {e}: {line}"))?;
    let got = expand(&places.unfill(&got))?;

    let results = ["global_settings", "config"].iter().filter_map(|k| got.get(k)).chain(got.list_of("calls"));
    if results.into_iter().any(|r| r.get("unsupported").is_some_and(Json::is_true)) {
        return Ok(Err(Verdict::Unsupported("an operation the driver does not have".into())));
    }
    if let Some(ms) = vector.get("settle_ms").and_then(Json::as_f64) {
        thread::sleep(Duration::from_secs_f64(ms / 1000.0));
    }
    Ok(Ok((vector, Ran { got, server, places })))
}

/// The first fixture named by the vector that could not be made on this machine.
fn missing_fixture(bench: &Bench, text: &str) -> Option<&'static str> {
    let names = ["client_key.pem", "client_cert.pem", "client_thumbprint.txt"];
    names.into_iter().find(|n| text.contains(n) && !bench.fixtures.join(n).exists())
}

fn problems(vector: &Json, got: &Json, server: &Server, places: &Places) -> Vec<String> {
    let none = Json::Null;
    let received: Vec<Received> = server.received();
    let seen: Vec<Json> = received.iter().map(|r| normal::request(r, places, &server.ports)).collect();
    let mut problems = compare::outcome_problems(vector.get("expected_outcome").unwrap_or(&none), got);
    problems.extend(compare::request_problems(vector.list_of("expected_requests"), &seen));
    // Recorded vectors may end in an unscripted request; a request too many is reported by the comparison above.
    if server.unexpected() > 0 && !problems.is_empty() {
        problems.push(format!("{} request(s) the script has no answer for", server.unexpected()));
    }
    let most = vector.get("expected_concurrency").and_then(|c| c.get("max_in_flight")).and_then(Json::as_usize);
    if let Some(most) = most.filter(|&m| server.max_in_flight() > m) {
        problems.push(format!("{} requests in flight, at most {most} wanted", server.max_in_flight()));
    }
    let timing = vector.get("timing").unwrap_or(&none);
    let bound = |name: &str, default: f64| timing.get(name).and_then(Json::as_f64).unwrap_or(default);
    if let Some(ms) = got.get("elapsed_ms").and_then(Json::as_f64)
        && !(bound("min_ms", 0.0)..=bound("max_ms", 1e9)).contains(&ms)
    {
        problems.push(format!("the calls took {ms:.0} ms, wanted {}", timing.write(true)));
    }
    problems
}

/// Runs the driver on one job; the last line it prints.
fn drive(bench: &Bench, job: &str, env: &[(String, String)]) -> Result<String, String> {
    let mut command = Command::new(&bench.driver[0]);
    command.args(&bench.driver[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in CLEARED_ENV {
        command.env_remove(name);
    }
    command.envs(env.iter().map(|(k, v)| (k, v)));
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", bench.driver[0]))?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    let job = format!("{job}\n");
    // Three threads, so that no pipe can fill up while another one is waited for.
    let writer = thread::spawn(move || drop(stdin.write_all(job.as_bytes())));
    let out = reader(child.stdout.take().ok_or("no standard output")?);
    let err = reader(child.stderr.take().ok_or("no standard error")?);
    let deadline = Instant::now() + bench.limit;
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the driver did not end within {} s", bench.limit.as_secs()));
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let _ = writer.join();
    let collected =
        |h: thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&h.join().unwrap_or_default()).into_owned();
    let (out, err) = (collected(out), collected(err));
    if !status.success() {
        let tail: String = err.chars().rev().take(800).collect::<Vec<_>>().into_iter().rev().collect();
        return Err(format!("the driver ended with {status}: {tail}"));
    }
    out.trim().lines().last().map(str::to_string).ok_or_else(|| "the driver printed nothing".to_string())
}

fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}
