//! A list read page by page takes as much memory when it is long as when it is short. In a process of its own, whose
//! memory nothing else uses.
#![cfg(target_os = "linux")]

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use cognite::api::Client;
use cognite::api::operations::OperationRequest;
use cognite::error::Status;
use cognite::ffi::pages::COGNITE_OPERATION_UNCHECKED as UNCHECKED;
use cognite::runtime;
use lab::config;

/// The most memory this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Pages of 1000 items of 480 bytes, so many as the filter says; keeps nothing.
fn serve(socket: &TcpStream, items: &str) -> Option<()> {
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
        let asked: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let page: u64 = asked["cursor"].as_str().map_or(Some(1), |c| c.parse().ok())?;
        let end = match page < asked["filter"]["pages"].as_u64()? {
            true => format!("],\"nextCursor\":\"{}\"}}", page + 1),
            false => "]}".to_owned(),
        };
        let length = "{\"items\":[".len() + items.len() + end.len();
        write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{{\"items\":[").ok()?;
        writer.write_all(items.as_bytes()).ok()?;
        writer.write_all(end.as_bytes()).ok()?;
    }
}

#[test]
fn memory_does_not_grow_with_the_list() {
    let item = format!("{{\"id\":1,\"name\":\"{}\"}}", "x".repeat(460));
    let items: &'static str = Box::leak(vec![item; 1000].join(",").into_boxed_str());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || serve(&socket, items));
        }
    });
    let client = Client::new(&config(&url, "")).unwrap();
    let read = |pages: u64, parts: u64, flags: u32| {
        let arguments = format!("{{\"limit\":null,\"partitions\":{parts},\"filter\":{{\"pages\":{pages}}}}}");
        let timeout = Duration::from_secs(60);
        let request =
            OperationRequest { name: "assets.list", arguments: &arguments, flags, timeout, ..Default::default() };
        let pages_of = client.pages(&request, 2).unwrap();
        let mut bytes = 0;
        loop {
            match runtime::block_on(pages_of.next().unwrap()) {
                Ok(page) => bytes += page.body.len(),
                Err(e) if e.status() == Status::Empty => break,
                Err(e) => panic!("{e}"),
            }
        }
        assert!(bytes as u64 > pages * parts.max(1) * 470_000, "{bytes} bytes");
    };
    for (parts, flags) in [(0, UNCHECKED), (0, 0), (4, UNCHECKED)] {
        read(10, parts, flags);
        let short = peak();
        read(if flags == 0 { 60 } else { 500 }, parts, flags);
        let grown = peak() - short;
        // 240 MB have gone through; a page is half a megabyte.
        assert!(grown < 4096, "{grown} KiB more for a longer list, {parts} parts, flags {flags}");
    }
}
