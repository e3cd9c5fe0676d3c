//! `cargo xtask bench list`: a million items read page by page, beside other clients; and what reading ahead and in parts
//! is worth when each page takes its time.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::measure::{self, Client, Run, median};
use super::{free_port, lab, start};
use crate::json::Json;
use crate::setup;
use crate::sh::{self, Res};

const ITEMS: u32 = 1_000_000;
const PLAIN: &str = "p-n1000000";
const GZIP: &str = "p-n1000000-gz";

/// The laboratory's programs that are peers here, and what each wants to be told for a compressed run.
const PEERS: [(&str, &[&str]); 3] =
    [("raw socket", &["--gz", "libdeflate:1"]), ("libcurl", &["--gz", "1"]), ("reqwest", &[])];

/// One page after the other, as the peers read them; and with one ahead.
const MODES: [(&str, &[&str]); 4] = [
    ("libcognite", &["--mode", "raw", "--prefetch", "0"]),
    ("libcognite checked", &["--mode", "checked", "--prefetch", "0"]),
    ("one ahead", &["--mode", "raw", "--prefetch", "1"]),
    ("one ahead, checked", &["--mode", "checked", "--prefetch", "1"]),
];

pub fn run(rounds: u32) -> Res<()> {
    let from = lab::folder().ok_or("bench list needs the laboratory (../shared/perf): its server and its clients")?;
    setup::for_bench(true)?;
    let ours = program()?;
    let built = lab::build(&from, &sh::scratch("bench")?)?;
    let mut clients: Vec<(Client, Vec<&'static str>, &'static str)> = Vec::new();
    for (project, task) in [(PLAIN, "t3"), (GZIP, "t3 gzip")] {
        for (label, more) in MODES {
            clients.push((Client { label, program: ours.clone() }, [&["--proj", project], more].concat(), task));
        }
        for (label, gzip) in PEERS {
            let more: &[&str] = if project == GZIP { gzip } else { &[] };
            let peer = built.clients.iter().find(|c| c.label == label).ok_or(format!("no {label}"))?;
            clients.push((
                Client { label, program: peer.program.clone() },
                [&["--proj", project], more].concat(),
                task,
            ));
        }
    }
    let port = free_port()?;
    let server = start(&built.server, &["--port", &port.to_string()], port)?;
    let mut runs: Vec<Run> = Vec::new();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for i in 0..clients.len() {
            let (client, more, task) = &clients[(i + round as usize) % clients.len()];
            runs.push(measure::run_with(client, ("t3", task), ITEMS, more, round, &server)?);
        }
    }
    drop(server);
    for task in ["t3", "t3 gzip"] {
        table(task, &runs);
    }
    latency(&ours)
}

/// `cargo xtask bench pages`: the part that needs no laboratory.
pub fn pages() -> Res<()> {
    latency(&program()?)
}

fn program() -> Res<PathBuf> {
    let lib = sh::build_library(true)?;
    let out = sh::scratch("bench")?.join("list");
    let source = sh::root().join("benches/list.c");
    sh::compile_c(&[source], &out, &lib, &["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"])?;
    Ok(out)
}

fn table(task: &str, runs: &[Run]) {
    println!("\n{task}: {ITEMS} items of about 480 bytes, pages of 1000, per item");
    println!(
        "{:<20}{:>10}{:>10}{:>10}{:>8}{:>12}{:>12}",
        "client", "cpu us", "wall us", "RSS MiB", "clean", "x libcurl", "x reqwest"
    );
    let of = |label: &str| -> Vec<&Run> { runs.iter().filter(|r| r.task == task && r.label == label).collect() };
    for label in MODES.iter().map(|(label, _)| *label).chain(PEERS.iter().map(|(label, _)| *label)) {
        let mine = of(label);
        let ratio = |peer: &str| {
            let theirs = of(peer);
            let pairs = mine.iter().filter_map(|m| Some(m.cpu / theirs.iter().find(|t| t.round == m.round)?.cpu));
            median(pairs.collect())
        };
        println!(
            "{label:<20}{:>10.3}{:>10.3}{:>10.1}{:>8}{:>12.2}{:>12.2}",
            median(mine.iter().map(|r| r.cpu).collect()),
            median(mine.iter().map(|r| r.wall).collect()),
            median(mine.iter().map(|r| r.rss_mib).collect()),
            mine.iter().filter(|r| !r.disturbed).count(),
            ratio("libcurl"),
            ratio("reqwest"),
        );
    }
}

/// Pages from a server that takes 5 ms for each: what reading ahead and in parts is worth, and the memory it takes.
fn latency(program: &Path) -> Res<()> {
    const PAGES: usize = 200;
    const LONG: usize = 2000;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || slow_pages(&socket));
        }
    });
    println!("\npages of 1000 items, each 5 ms late: wall time in seconds, x one after the other, most memory in MiB");
    let mut first = None;
    for (what, pages, more) in [
        ("one after the other", PAGES, &["--prefetch", "0"][..]),
        ("one ahead", PAGES, &["--prefetch", "1"]),
        ("two ahead", PAGES, &["--prefetch", "2"]),
        ("four parts, one ahead", PAGES, &["--prefetch", "1", "--partitions", "4"]),
        ("four parts, two ahead", PAGES, &["--prefetch", "2", "--partitions", "4"]),
        ("ten times as long", LONG, &["--prefetch", "1"]),
        ("and in four parts", LONG, &["--prefetch", "1", "--partitions", "4"]),
    ] {
        let (mut walls, mut memory) = (Vec::new(), 0.0_f64);
        for _ in 0..3 {
            let items = (pages * 1000).to_string();
            let mut c = Command::new(program);
            c.args(["t3", "--mode", "raw", "--n", &items, "--port", &port.to_string()]).args(more);
            // The project says how many pages there are.
            c.args(["--proj", &pages.to_string()]).stdout(Stdio::piped());
            let mut child = c.spawn().map_err(|e| format!("{}: {e}", sh::words(&c)))?;
            // Looked at while it runs: what the system keeps of it afterwards counts this process too.
            while child.try_wait().map_err(|e| e.to_string())?.is_none() {
                memory = memory.max(peak_mib(child.id()));
                thread::sleep(Duration::from_millis(5));
            }
            let mut line = String::new();
            child.stdout.take().ok_or("no output")?.read_to_string(&mut line).map_err(|e| e.to_string())?;
            let wall = Json::parse(line.trim())?.get("wall").and_then(Json::as_f64);
            walls.push(wall.ok_or(format!("{what}: no wall time"))?);
        }
        let wall = median(walls) / (pages / PAGES) as f64;
        let all = *first.get_or_insert(wall);
        println!("{what:<24}{pages:>6} pages{wall:>8.3}{:>8.2} x{memory:>8.1}", wall / all);
    }
    Ok(())
}

/// The most memory a process has had so far.
fn peak_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(0.0, |kib| kib / 1024.0)
}

/// Serves `POST /api/v1/projects/{pages}/assets/list`: so many pages, dealt out to the parts that are asked for.
fn slow_pages(socket: &TcpStream) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let item = format!("{{\"id\":1,\"name\":\"{}\"}}", "x".repeat(460));
    let items = vec![item; 1000].join(",");
    let (mut reader, mut writer) = (BufReader::new(socket), socket);
    loop {
        let (mut line, mut length, mut pages) = (String::new(), 0, 0);
        while reader.read_line(&mut line).ok()? > 2 {
            if let Some(path) = line.strip_prefix("POST /api/v1/projects/") {
                pages = path.split('/').next()?.parse().ok()?;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let asked = Json::parse(&String::from_utf8(body).ok()?).ok()?;
        let parts = asked.text_of("partition").and_then(|p| p.split('/').nth(1)?.parse().ok()).unwrap_or(1);
        let page: usize = asked.text_of("cursor").map_or(Some(1), |c| c.parse().ok())?;
        thread::sleep(Duration::from_millis(5));
        let next = if page * parts < pages { format!(",\"nextCursor\":\"{}\"", page + 1) } else { String::new() };
        let answer = format!("{{\"items\":[{items}]{next}}}");
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(answer.as_bytes()).ok()?;
    }
}
