//! What is sent to do harm: it is refused, takes no more than the limits allow, and the next request is answered.

mod common;

use std::io::Write;
use std::time::Duration;

use cognite_emulator::{Config, Limits};
use common::{Emulator, answer};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: usize = 1 << 20;

async fn start() -> Emulator {
    let limits = Limits { body: LIMIT, ..Limits::default() };
    Emulator::with(Config { limits, ..Config::default() }).await
}

/// Sends a head and pieces until the other side has enough; the status of its answer.
async fn send(e: &Emulator, headers: &str, piece: &[u8], most: usize) -> u16 {
    let stream = TcpStream::connect(e.server.addr()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let token = &e.token;
    let head =
        format!("POST /api/v1/projects/demo/assets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{headers}");
    let writer = async {
        let mut sent = to.write_all(head.as_bytes()).await;
        for _ in 0..most {
            if sent.is_err() {
                break;
            }
            sent = to.write_all(piece).await;
        }
        // The sending side stays open: the end must come from the other.
        std::future::pending::<()>().await;
    };
    let mut bytes = vec![0; 64];
    let reader = async { tokio::time::timeout(Duration::from_secs(20), from.read(&mut bytes)).await };
    let read = tokio::select! {
        read = reader => read.expect("an answer in time").unwrap_or(0),
        () = writer => 0,
    };
    String::from_utf8_lossy(&bytes[..read]).split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}

async fn alive(e: &Emulator) {
    assert_eq!(e.get("/assets").await.0, 200);
}

#[tokio::test]
async fn bodies_without_an_end() {
    let e = start().await;
    // Announced, and never sent.
    assert_eq!(send(&e, "content-length: 99999999999999\r\n\r\n", b"", 0).await, 413);
    assert_eq!(send(&e, &format!("content-length: {}\r\n\r\n", LIMIT + 1), b"x", 1).await, 413);
    assert_eq!(send(&e, "content-length: 99999999999999999999999999\r\n\r\n", b"", 0).await, 400);
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    assert_eq!(send(&e, "transfer-encoding: chunked\r\n\r\n", &chunk, 10_000).await, 413);
    alive(&e).await;
}

#[tokio::test]
async fn heads_without_an_end() {
    let e = start().await;
    let many = send(&e, "", b"a: b\r\n", 1_000_000).await;
    assert!(matches!(many, 0 | 431), "{many}");
    let long = send(&e, "a: ", &[b'x'; 4096], 100_000).await;
    assert!(matches!(long, 0 | 431), "{long}");
    alive(&e).await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_grows_when_it_is_unpacked() {
    let e = start().await;
    let one = gzip(&vec![b' '; 16 << 20]);

    // Many members, each of them small.
    let many = gzip(&[b' '; 1000]).repeat(2000);
    assert!(one.len() < LIMIT && many.len() < LIMIT);
    for body in [one, many] {
        let request = e.request(Method::POST, "/assets").header("content-encoding", "gzip").body(body);
        assert_eq!(answer(request).await.0, 413);
    }
    alive(&e).await;
}

#[tokio::test]
async fn what_is_deep_or_says_it_is_long() {
    let e = start().await;
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    for body in [nested("[", "]"), nested("{\"a\":", "}"), "[".repeat(LIMIT)] {
        for path in ["/assets", "/assets/list", "/models/instances", "/timeseries/data", "/raw/dbs/a/tables/b/rows"] {
            let request = e.request(Method::POST, path).header("content-type", "application/json").body(body.clone());
            assert_eq!(answer(request).await.0, 400, "{path}");
        }
    }
    // An advanced filter is deep within what a parser takes.
    let mut filter = json!({"prefix": {"property": ["name"], "value": "a"}});
    for _ in 0..60 {
        filter = json!({"not": filter});
    }
    let (status, _) = e.post("/assets/list", json!({ "advancedFilter": filter })).await;
    assert!(matches!(status, 200 | 400), "{status}");
    e.numeric_series("n").await;
    // Lengths of 2^62, of 2^31, and one byte more than there is, in each of three messages one in another.
    for length in [b"\xff\xff\xff\xff\xff\xff\xff\xff\x3f".as_slice(), b"\x80\x80\x80\x80\x08", b"\x05"] {
        let inner = [b"\x0a".as_slice(), length, b"abcd"].concat();
        let wrap = |content: &[u8], field: u8| [&[field, content.len() as u8], content].concat();
        let name = [b"\x12\x01n".as_slice(), &wrap(&inner, 0x1a)].concat();
        for body in [inner.clone(), wrap(&inner, 0x0a), wrap(&name, 0x0a)] {
            let request = e.request(Method::POST, "/timeseries/data").header("content-type", "application/protobuf");
            assert_eq!(answer(request.body(body.clone())).await.0, 400, "{body:02x?}");
        }
    }
    alive(&e).await;
}
