//! Requests to the emulator, without a network.
//!
//! An input is up to twelve requests, each begun by a byte 0xFE: two bytes choose the operation (beyond the last one the path is
//! given), a byte of flags, a line that stands for the parameters of the path and the query, and the body.

use std::cell::RefCell;
use std::io::Write;

use cognite_emulator::http::{HeaderValue, Method, Request, Uri};
use cognite_emulator::{Config, Limits, Offline};
use tokio::runtime::{Builder, Runtime};

const OPERATIONS: &str = include_str!("../../tests/endpoints.txt");
const MOST: usize = 12;

const GZIP: u8 = 1;
const SAYS_GZIP: u8 = 2;
const PROTOBUF: u8 = 4;
const NO_TOKEN: u8 = 8;
/// The body that the list has for the operation, instead of the input's.
const LISTED: u8 = 16;
const WANTS_PROTOBUF: u8 = 32;
const FORM: u8 = 64;

struct Bench {
    runtime: Runtime,
    emulator: Offline,
}

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

fn bench() -> Bench {
    let limits = Limits { datapoints: 20_000, resources: 2_000, bytes: 8 << 20, body: 1 << 20, upload: 1 << 20 };
    let config = Config { token: Some("t".into()), job_ms: 0, journal: 10, limits, ..Config::default() };
    let emulator = Offline::new(config).expect("an emulator");
    Bench { runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"), emulator }
}

pub fn emulator(data: &[u8]) {
    BENCH.with_borrow_mut(|bench_of_thread| {
        let bench = bench_of_thread.get_or_insert_with(bench);
        bench.emulator.reset();
        for part in data.split(|b| *b == 0xfe).filter(|p| p.len() > 3).take(MOST) {
            if let Some(request) = request(part) {
                let path = request.uri().to_string();
                if let Some((status, answer)) = bench.runtime.block_on(bench.emulator.call(request)) {
                    assert!(status < 500 || status == 507, "{path}: {status} {}", String::from_utf8_lossy(&answer));
                    let json = matches!(answer.first(), Some(b'{'));
                    assert!(!json || serde_json::from_slice::<serde_json::Value>(&answer).is_ok(), "{path}");
                }
            }
        }
    });
}

fn request(part: &[u8]) -> Option<Request<Vec<u8>>> {
    let (head, rest) = part.split_at_checked(3)?;
    let (line, body) = rest.split_at(rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()));
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let line = String::from_utf8_lossy(line);
    let flags = head[2];
    let number = usize::from(u16::from_be_bytes([head[0], head[1]])) % (OPERATIONS.lines().count() + 20);
    let mut listed = OPERATIONS.lines().nth(number).unwrap_or("").splitn(3, ' ');
    let (method, path, known) = (listed.next()?, listed.next(), listed.next().unwrap_or(""));
    let (method, path) = match path {
        None => (if body.is_empty() { "GET" } else { "POST" }, line.to_string()),
        Some(path) => (method, filled(path, &line)),
    };
    let mut body = if flags & LISTED != 0 { known.as_bytes().to_vec() } else { body.to_vec() };
    if flags & GZIP != 0 {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&body).ok()?;
        body = packer.finish().ok()?;
    }
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    let mut header = |name: &'static str, value: &'static str| {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    if flags & (GZIP | SAYS_GZIP) != 0 {
        header("content-encoding", "gzip");
    }
    header(
        "content-type",
        match () {
            () if flags & PROTOBUF != 0 => "application/protobuf",
            () if flags & FORM != 0 => "application/x-www-form-urlencoded",
            () => "application/json",
        },
    );
    if flags & WANTS_PROTOBUF != 0 {
        header("accept", "application/protobuf");
    }
    if flags & NO_TOKEN == 0 {
        header("authorization", "Bearer t");
    }
    Some(request)
}

/// The path with its parameters from the words of the line, and the query from behind its question mark.
fn filled(path: &str, line: &str) -> String {
    let (words, query) = line.split_once('?').unwrap_or((line, ""));
    let mut words = words.split('/');
    let whole = path.strip_prefix('@').map_or_else(|| format!("/api/v1/projects/demo{path}"), str::to_owned);
    let mut out = String::new();
    let mut rest = whole.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out += before;
        out += if name == "project" { "demo" } else { words.next().filter(|w| !w.is_empty()).unwrap_or("a") };
        rest = after;
    }
    out += rest;
    if !query.is_empty() {
        out.push(if out.contains('?') { '&' } else { '?' });
        out += query;
    }
    out
}
