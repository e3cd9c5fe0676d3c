//! `cargo xtask emulator throughput`: how many requests and datapoints the emulator serves, beside a server that does nothing but
//! answer. What the benches measure must be the library.

use crate::bench::server;
use crate::emulator::Emulator;
use crate::json::Json;
use crate::sh::{self, Res};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SECONDS: f64 = 3.0;
const TOKEN: &str = "throughput";
const POINTS: u64 = 100_000;
const SERIES: u64 = 100;

pub fn command() -> Res<()> {
    sh::run(sh::cargo().args(["build", "--quiet", "--release", "--package", "cognite-emulator"]))?;
    let program = sh::target().join("release/cognite-emulator");
    let emulator = Emulator::of(&program, &["--token", TOKEN])?;
    let made = emulator.post(TOKEN, "/assets", r#"{"items": [{"name": "asset 1", "externalId": "asset-1"}]}"#)?;
    let id = Json::parse(&made)?.list_of("items").first().and_then(|i| i.get("id")?.as_i128()).ok_or("no id")?;
    let address = emulator.url().trim_start_matches("http://").to_owned();

    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
    thread::spawn(move || server::serve(free));
    thread::sleep(Duration::from_millis(200));

    let get = request("GET", &format!("/assets/{id}"), "", &[]);
    for connections in [1, 20] {
        let bare = many(&format!("127.0.0.1:{free}"), &get, connections)?;
        let cpu = emulator.cpu()?;
        let (count, seconds) = many(&address, &get, connections)?;
        let cpu = (emulator.cpu()? - cpu) * 1e6 / count as f64;
        println!(
            "small GETs, {connections} connections: emulator {:.0}/s ({cpu:.0} us of its CPU each), bare server {:.0}/s",
            count as f64 / seconds,
            bare.0 as f64 / bare.1
        );
    }

    let items: Vec<String> = (0..SERIES).map(|n| format!(r#"{{"externalId": "s{n}"}}"#)).collect();
    emulator.post(TOKEN, "/timeseries", &format!(r#"{{"items": [{}]}}"#, items.join(",")))?;
    let before = emulator.memory()?;
    let cpu = emulator.cpu()?;
    let began = Instant::now();
    let mut socket = connect(&address)?;
    for n in 0..SERIES {
        let body = insertion(&format!("s{n}"), n);
        call(&mut socket, &request("POST", "/timeseries/data", "content-type: application/protobuf\r\n", &body))?;
    }
    let (seconds, all) = (began.elapsed().as_secs_f64(), (SERIES * POINTS) as f64);
    let million = |seconds: f64| all / seconds / 1e6;
    println!(
        "insert of {all} datapoints, protobuf, one connection: {:.1} million/s, {:.1} million per second of its CPU",
        million(seconds),
        million(emulator.cpu()? - cpu)
    );
    let grown = emulator.memory()?.saturating_sub(before) as f64;
    println!(
        "memory for them: {:.0} MiB, {:.1} bytes each; 100 million would take {:.2} GiB",
        grown / 1048576.0,
        grown / all,
        grown / all * 1e8 / 1073741824.0
    );

    for (accept, name) in [("application/protobuf", "protobuf"), ("application/json", "JSON")] {
        let cpu = emulator.cpu()?;
        let began = Instant::now();
        let mut bytes = 0;
        for n in 0..SERIES {
            let body = format!(r#"{{"items": [{{"externalId": "s{n}", "start": 0, "limit": {POINTS}}}]}}"#);
            let headers = format!("content-type: application/json\r\naccept: {accept}\r\n");
            bytes += call(&mut socket, &request("POST", "/timeseries/data/list", &headers, body.as_bytes()))?;
        }
        println!(
            "reading them, {name}, one connection: {:.1} million/s, {:.1} million per second of its CPU, {:.1} bytes each",
            million(began.elapsed().as_secs_f64()),
            million(emulator.cpu()? - cpu),
            bytes as f64 / all
        );
    }
    Ok(())
}

fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} /api/v1/projects/demo{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn connect(address: &str) -> Res<TcpStream> {
    let socket = TcpStream::connect(address).map_err(|e| format!("{address}: {e}"))?;
    socket.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(socket)
}

/// Sends and reads the answer, which must be 200; the length of its body.
fn call(socket: &mut TcpStream, request: &[u8]) -> Res<usize> {
    socket.write_all(request).map_err(|e| e.to_string())?;
    let mut buffer = vec![0; 1 << 16];
    let (mut have, mut head) = (0, None);
    loop {
        let n = socket.read(&mut buffer[have..]).map_err(|e| e.to_string())?;
        if n == 0 {
            return Err("the server closed the connection".into());
        }
        have += n;
        if head.is_none() {
            let Some(end) = buffer[..have].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            if !text.starts_with("http/1.1 200") {
                return Err(format!("answer: {text}"));
            }
            let length = text.split("content-length: ").nth(1).and_then(|t| t.split_whitespace().next()?.parse().ok());
            head = Some((end + 4, length.ok_or("no content-length")?));
        }
        match head {
            Some((start, length)) if have >= start + length => return Ok(length),
            // What is read of a body is of no interest.
            Some((start, length)) => {
                let rest = start + length - have;
                let done = std::io::copy(&mut socket.take(rest as u64), &mut std::io::sink());
                return done.map(|_| length).map_err(|e| e.to_string());
            }
            None => {}
        }
    }
}

/// The same request again and again on some connections; how often, in how long.
fn many(address: &str, request: &[u8], connections: u32) -> Res<(u64, f64)> {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let outcome: Res<()> = thread::scope(|scope| {
        let worker = || -> Res<()> {
            let mut socket = connect(address)?;
            while !stop.load(Ordering::Relaxed) {
                call(&mut socket, request)?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(worker)).collect();
        thread::sleep(Duration::from_secs_f64(SECONDS));
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| Err("a worker failed".into())))
    });
    outcome.map(|()| (count.into_inner(), began.elapsed().as_secs_f64()))
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 128 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A field that has a length.
fn field(number: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// One item with numeric datapoints, a second apart.
fn insertion(external_id: &str, phase: u64) -> Vec<u8> {
    let (mut points, mut point) = (Vec::new(), Vec::new());
    for n in 0..POINTS {
        point.clear();
        point.push(1 << 3);
        varint(1_600_000_000_000 + n * 1000, &mut point);
        point.push(2 << 3 | 1);
        point.extend_from_slice(&(20.0 + ((n + phase * 7) as f64 / 500.0).sin()).to_le_bytes());
        field(1, &point, &mut points);
    }
    let (mut item, mut out) = (Vec::new(), Vec::new());
    field(2, external_id.as_bytes(), &mut item);
    field(3, &points, &mut item);
    field(1, &item, &mut out);
    out
}
