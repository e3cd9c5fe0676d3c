//! `cargo xtask bench datapoints`: what writing and reading ten million datapoints costs through the C API, beside a raw
//! socket with protobuf by hand; and what an insert of one point costs, beside a POST of the same bytes. Without the
//! laboratory only writing, against a server that swallows, and without a peer for what is large.

use super::measure::{self, Client, Run};
use super::{free_port, lab, start};
use crate::sh::{self, Res};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const POINTS: u32 = 10_000_000;
const INSERTS: u32 = 20_000;
/// Of one point: as an insert, as a request with the same bytes, and by a socket alone.
const ONE_POINT: [(&str, &str); 3] = [("small", "libcognite"), ("post", "plain POST"), ("raw", "raw socket")];

struct Task {
    /// As the programs call it, and as the table does.
    name: &'static str,
    title: &'static str,
    ours: &'static [&'static str],
    /// With the best compressor the laboratory has, where there is one.
    peer: &'static [&'static str],
    /// Whether libcurl with a decoder by hand is measured too.
    libcurl: bool,
}

const TASKS: [Task; 9] = [
    Task { name: "t4", title: "t4", ours: &["--series", "1000"], peer: &["--series", "1000"], libcurl: true },
    Task {
        name: "t4",
        title: "t4 gzip",
        ours: &["--series", "1000", "--gz", "1"],
        peer: &["--series", "1000", "--gz", "isal:1"],
        libcurl: false,
    },
    // As much of the caller's memory as one series has: what one costs beyond it is not for being one.
    Task {
        name: "t4",
        title: "t4 own",
        ours: &["--series", "1000", "--own", "1"],
        peer: &["--series", "1"],
        libcurl: false,
    },
    Task { name: "t4", title: "t4one", ours: &["--series", "1"], peer: &["--series", "1"], libcurl: true },
    Task {
        name: "t4",
        title: "t4one gzip",
        ours: &["--series", "1", "--gz", "1"],
        peer: &["--series", "1", "--gz", "isal:1"],
        libcurl: false,
    },
    Task { name: "t5", title: "t5", ours: &["--series", "100"], peer: &["--series", "100"], libcurl: true },
    Task {
        name: "t5",
        title: "t5 gzip",
        ours: &["--series", "100", "--proj", "p-gz"],
        peer: &["--series", "100", "--proj", "p-gz", "--gz", "libdeflate:1"],
        libcurl: false,
    },
    Task { name: "t5", title: "t5one", ours: &["--series", "1"], peer: &["--series", "1"], libcurl: true },
    Task {
        name: "t5",
        title: "t5one gzip",
        ours: &["--series", "1", "--proj", "p-gz"],
        peer: &["--series", "1", "--proj", "p-gz", "--gz", "libdeflate:1"],
        libcurl: false,
    },
];

pub fn run(rounds: u32) -> Res<()> {
    let lab = lab::folder();
    crate::setup::for_bench(lab.is_some())?;
    let dir = sh::scratch("bench")?;
    let lib = sh::build_library(true)?;
    let program = dir.join("datapoints");
    let source = sh::root().join("benches/datapoints.c");
    sh::compile_c(&[source], &program, &lib, &["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror", "-lm"])?;
    let small = ONE_POINT.map(|(task, label)| (task, Client { label, program: program.clone() }));
    let mut clients = vec![Client { label: "libcognite", program }];
    let port = free_port()?;
    let server = match &lab {
        Some(from) => {
            let built = lab::build(from, &dir)?;
            clients.extend(built.clients.into_iter().filter(|c| matches!(c.label, "raw socket" | "libcurl")));
            start(&built.server, &["--port", &port.to_string()], port)?
        }
        None => {
            println!("no ../shared/perf: only writing, to a server of this crate, and no peer");
            let this = std::env::current_exe().map_err(|e| e.to_string())?;
            start(&this, &["bench", "swallow", &port.to_string()], port)?
        }
    };
    let tasks: Vec<&Task> = TASKS.iter().filter(|t| lab.is_some() || t.name == "t4").collect();
    let mut runs: Vec<Run> = Vec::new();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for task in &tasks {
            for i in 0..clients.len() {
                let client = &clients[(i + round as usize) % clients.len()];
                if client.label == "libcurl" && !task.libcurl {
                    continue;
                }
                let more = if client.label == "libcognite" { task.ours } else { task.peer };
                runs.push(measure::run_with(client, (task.name, task.title), POINTS, more, round, &server)?);
            }
        }
        for i in 0..small.len() {
            let (task, client) = &small[(i + round as usize) % small.len()];
            runs.push(measure::run_with(client, (task, "one point"), INSERTS, &[], round, &server)?);
        }
    }
    drop(server);
    println!("\nnanoseconds a point; x: our CPU by the peer's, median of the rounds");
    for task in &tasks {
        measure::points(task.title, "raw socket", &runs);
        if task.libcurl && lab.is_some() {
            measure::points(task.title, "libcurl", &runs);
        }
    }
    ONE_POINT[1..].iter().for_each(|(_, peer)| measure::points("one point", peer, &runs));
    Ok(())
}

/// Takes any request and answers `{}`.
pub fn swallow(port: u16) -> Res<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| format!("port {port}: {e}"))?;
    for socket in listener.incoming().flatten() {
        thread::spawn(move || swallow_all(socket));
    }
    Ok(())
}

fn swallow_all(socket: TcpStream) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut answers = socket.try_clone().ok()?;
    let mut requests = BufReader::with_capacity(1 << 18, socket);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink()).ok()?;
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").ok()?;
    }
}
