//! `cargo xtask bench list`: a million items read page by page, beside other clients; and what reading ahead and in parts
//! is worth when each page takes its time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
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

const MODES: [(&str, &[&str]); 2] =
    [("libcognite", &["--mode", "raw"]), ("libcognite checked", &["--mode", "checked"])];

pub fn run(rounds: u32) -> Res<()> {
    let from = lab::folder().ok_or("bench list needs the laboratory (../shared/perf): its server and its clients")?;
    setup::for_bench(true)?;
    let dir = sh::scratch("bench")?;
    let lib = sh::build_library(true)?;
    let ours = dir.join("list");
    let source = sh::root().join("benches/list.c");
    sh::compile_c(&[source], &ours, &lib, &["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"])?;
    let built = lab::build(&from, &dir)?;
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

fn table(task: &str, runs: &[Run]) {
    println!("\n{task}: {ITEMS} items of about 480 bytes, pages of 1000, per item");
    println!(
        "{:<20}{:>10}{:>10}{:>10}{:>8}{:>12}{:>12}",
        "client", "cpu us", "wall us", "RSS MiB", "clean", "x libcurl", "x reqwest"
    );
    let of = |label: &str| -> Vec<&Run> { runs.iter().filter(|r| r.task == task && r.label == label).collect() };
    for label in ["libcognite", "libcognite checked", "raw socket", "libcurl", "reqwest"] {
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

/// 200 pages from a server that takes 5 ms for each.
fn latency(program: &Path) -> Res<()> {
    const PAGES: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || slow_pages(&socket, PAGES));
        }
    });
    println!("\n{PAGES} pages of 1000 items, each 5 ms late, wall time in seconds");
    let mut first = None;
    for (what, more) in [
        ("one after the other", &["--prefetch", "0"][..]),
        ("one ahead", &["--prefetch", "1"]),
        ("four parts, two ahead", &["--prefetch", "2", "--partitions", "4"]),
    ] {
        let walls: Vec<f64> = (0..3)
            .map(|_| {
                let items = (PAGES * 1000).to_string();
                let mut c = Command::new(program);
                c.args(["t3", "--mode", "raw", "--n", &items, "--port", &port.to_string(), "--proj", "p"]).args(more);
                let line = sh::output(&mut c)?;
                Json::parse(line.trim())?.get("wall").and_then(Json::as_f64).ok_or("no wall time".to_string())
            })
            .collect::<Res<_>>()?;
        let wall = median(walls);
        let all = *first.get_or_insert(wall);
        println!("{what:<24}{wall:>8.3}{:>8.2} x", wall / all);
    }
    Ok(())
}

/// Serves `POST …/list`: `pages` pages, dealt out to the parts that are asked for.
fn slow_pages(socket: &TcpStream, pages: usize) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let item = format!("{{\"id\":1,\"name\":\"{}\"}}", "x".repeat(460));
    let items = vec![item; 1000].join(",");
    let (mut reader, mut writer) = (BufReader::new(socket), socket);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).ok()? > 2 {
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
