//! One run of one client, and the table of many.

use super::Server;
use crate::json::Json;
use crate::sh::{self, Res};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const CLIENT_CORE: &str = "0";
pub const SERVER_CORE: &str = "1";

pub struct Client {
    pub label: &'static str,
    pub program: PathBuf,
}

pub struct Run {
    pub label: &'static str,
    pub task: &'static str,
    pub round: u32,
    /// Microseconds of CPU per request; of the whole process for t7.
    pub cpu: f64,
    /// Microseconds per request; from the start of the process to the first answer for t7.
    pub wall: f64,
    p50: f64,
    p99: f64,
    /// Other processes took so much that the run says little.
    pub disturbed: bool,
    pub rss_mib: f64,
}

pub fn run(client: &Client, task: &'static str, n: u32, round: u32, server: &Server) -> Res<Run> {
    run_with(client, (task, task), n, &["--proj", "p"], round, server)
}

/// With further arguments. `task`: its name for the program, and for the table.
pub fn run_with(
    client: &Client,
    task: (&'static str, &'static str),
    n: u32,
    more: &[&str],
    round: u32,
    server: &Server,
) -> Res<Run> {
    let (name, task) = task;
    let (server, port) = (server.child.id(), server.port);
    wait_until_quiet();
    let mut command = Command::new("taskset");
    command.args(["-c", CLIENT_CORE]).arg(&client.program).arg(name);
    command.args(["--n", &n.to_string(), "--port", &port.to_string()]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let (busy, server_cpu, clock) = (busy_s(), process_cpu_s(server), Instant::now());
    let started = monotonic_s();
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", sh::words(&command)))?;
    let mut out = String::new();
    child.stdout.take().ok_or("no standard output")?.read_to_string(&mut out).map_err(|e| e.to_string())?;
    let (status, own_cpu, rss_mib) = wait_with_cpu(child)?;
    if status != 0 {
        return Err(format!("{}: status {status}", sh::words(&command)));
    }
    let took = clock.elapsed().as_secs_f64();
    let foreign = busy_s() - busy - own_cpu - (process_cpu_s(server) - server_cpu);
    let line =
        out.lines().rev().find(|l| l.starts_with('{')).ok_or(format!("{}: no result line", sh::words(&command)))?;
    let result = Json::parse(line)?;
    let of = |name: &str| result.get(name).and_then(Json::as_f64).unwrap_or(0.0);
    let (cpu, wall) = match task {
        "t7" => (own_cpu, of("t_first") - started),
        _ => (of("cpu") / of("n"), of("wall") / of("n")),
    };
    let disturbed = foreign > (0.05 * took).max(0.05);
    let (p50, p99) = (of("p50_us"), of("p99_us"));
    let (cpu, wall) = (cpu * 1e6, wall * 1e6);
    Ok(Run { label: client.label, task, round, cpu, wall, p50, p99, disturbed, rss_mib })
}

fn monotonic_s() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which is ours. The clients report their first answer on this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// Waits for the child; its exit status, the CPU time of its whole life in seconds, its largest size in MiB.
fn wait_with_cpu(child: std::process::Child) -> Res<(i32, f64, f64)> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers; wait4 writes to the two places given. The child is not waited for anywhere else.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage), usage)
    };
    if pid < 0 {
        return Err(format!("wait4: {}", std::io::Error::last_os_error()));
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    Ok((status, seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as f64 / 1024.0))
}

/// CPU time of all processes since the machine started, in seconds.
fn busy_s() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> =
        text.lines().next().unwrap_or("").split_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    ticks.iter().enumerate().filter(|(i, _)| *i != 3 && *i != 4).map(|(_, t)| t).sum::<f64>() / 100.0
}

fn process_cpu_s(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or("");
    after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn wait_until_quiet() {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        let before = busy_s();
        thread::sleep(Duration::from_millis(250));
        if busy_s() - before <= 0.03 {
            return;
        }
    }
}

pub fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    match v.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => v[n / 2],
        n => (v[n / 2 - 1] + v[n / 2]) / 2.0,
    }
}

/// Medians, and ratios taken within each round: absolute figures of two rounds are not comparable.
pub fn table(task: &str, labels: &[&str], runs: &[Run]) {
    let all: Vec<&Run> = runs.iter().filter(|r| r.task == task).collect();
    // Disturbed runs count only where a client has no others.
    let of = |label: &str| -> Vec<&Run> {
        let (noisy, clean): (Vec<&Run>, Vec<&Run>) = all.iter().filter(|r| r.label == label).partition(|r| r.disturbed);
        if clean.is_empty() { noisy } else { clean }
    };
    let what = match task {
        "t1" => "sequential small GETs, per request",
        "t2" => "small GETs, 20 at a time, per request",
        _ => "start of the process to the first answer",
    };
    println!("\n{task}: {what}");
    println!(
        "{:<14}{:>10}{:>10}{:>9}{:>9}{:>8}{:>12}",
        "client", "cpu us", "wall us", "p50 us", "p99 us", "clean", "x our cpu"
    );
    // Pairs of one round: undisturbed ones, or all where there are none.
    let pairs = |label: &str| -> Vec<(&Run, &Run)> {
        let round_of = |o: &&Run| all.iter().find(|t| t.label == label && t.round == o.round).copied();
        let every = all.iter().copied().filter(|o| o.label == "libcognite").filter_map(|o| Some((o, round_of(&o)?)));
        let (noisy, clean): (Vec<_>, Vec<_>) = every.partition(|(o, t)| o.disturbed || t.disturbed);
        if clean.is_empty() { noisy } else { clean }
    };
    for label in labels {
        let theirs = of(label);
        let medians = |f: fn(&Run) -> f64| median(theirs.iter().map(|r| f(r)).collect());
        let ratios = pairs(label).into_iter().map(|(o, t)| t.cpu / o.cpu);
        let clean = theirs.iter().filter(|r| !r.disturbed).count();
        let latency = |v: f64| if task == "t1" { format!("{v:.1}") } else { "-".to_string() };
        println!(
            "{label:<14}{:>10.2}{:>10.2}{:>9}{:>9}{clean:>8}{:>12.2}",
            medians(|r| r.cpu),
            medians(|r| r.wall),
            latency(medians(|r| r.p50)),
            latency(medians(|r| r.p99)),
            median(ratios.collect())
        );
    }
    for peer in ["libcurl", "hyper"].iter().filter(|p| labels.contains(p)) {
        let pairs = pairs(peer);
        let ratio = |f: fn(&Run) -> f64| median(pairs.iter().map(|(o, t)| f(o) / f(t)).collect());
        println!(
            "libcognite / {peer}: cpu {:.2}, wall {:.2} (median of {} rounds)",
            ratio(|r| r.cpu),
            ratio(|r| r.wall),
            pairs.len()
        );
    }
}

/// One line: nanoseconds a point, ours and a peer's.
pub fn points(task: &str, peer: &str, runs: &[Run]) {
    let of = |label: &str| -> Vec<&Run> { runs.iter().filter(|r| r.task == task && r.label == label).collect() };
    let middle = |runs: &[&Run], f: fn(&Run) -> f64| median(runs.iter().map(|r| f(r) * 1e3).collect());
    let (ours, raw) = (of("libcognite"), of(peer));
    let ratios = ours.iter().filter_map(|o| Some(o.cpu / raw.iter().find(|r| r.round == o.round)?.cpu)).collect();
    let clean = ours.iter().chain(&raw).filter(|r| !r.disturbed).count();
    println!(
        "{task:<12} libcognite cpu {:>7.1} wall {:>7.1}   {peer} cpu {:>7.1} wall {:>7.1}   x {:.2}   {clean} of {} runs undisturbed",
        middle(&ours, |r| r.cpu),
        middle(&ours, |r| r.wall),
        middle(&raw, |r| r.cpu),
        middle(&raw, |r| r.wall),
        median(ratios),
        ours.len() + raw.len()
    );
}
