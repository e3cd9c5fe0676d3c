//! The host's side: a server on this machine, callbacks that count.

use std::ffi::{c_char, c_void};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use cognite::ffi::error::{cognite_error, cognite_error_free};
use cognite::ffi::response::{cognite_response, cognite_response_free};
use cognite::ffi::token_provider::{cognite_token_request, cognite_token_request_answer, cognite_token_request_fail};

/// Calls of which the result was told by callback.
pub static TOLD: AtomicU64 = AtomicU64::new(0);
/// `user_data` that were given back.
pub static DESTROYED: AtomicU64 = AtomicU64::new(0);
/// Questions for tokens that were not answered yet.
static ASKED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

pub fn asked() -> Vec<usize> {
    std::mem::take(&mut ASKED.lock().unwrap_or_else(PoisonError::into_inner))
}

pub unsafe extern "C" fn done(_: *mut c_void, status: i32, response: *mut cognite_response, error: *mut cognite_error) {
    if (status == 0) == response.is_null() || (status == 0) != error.is_null() {
        eprintln!("told status {status} with response {response:?} and error {error:?}");
        std::process::abort();
    }
    unsafe {
        cognite_response_free(response);
        cognite_error_free(error);
    }
    TOLD.fetch_add(1, Ordering::SeqCst);
}

pub unsafe extern "C" fn destroy(_: *mut c_void) {
    DESTROYED.fetch_add(1, Ordering::SeqCst);
}

/// Answers, refuses, or answers later: in turns.
pub unsafe extern "C" fn provide(_: *mut c_void, request: *mut cognite_token_request) {
    static TURN: AtomicU64 = AtomicU64::new(0);
    unsafe {
        let null = std::ptr::null_mut();
        let _ = match TURN.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => cognite_token_request_fail(request, c"no".as_ptr(), null),
            1 => {
                ASKED.lock().unwrap_or_else(PoisonError::into_inner).push(request as usize);
                0
            }
            _ => cognite_token_request_answer(request, c"token".as_ptr(), 0, null),
        };
    }
}

pub unsafe extern "C" fn prompt(
    _: *mut c_void,
    _: *const c_char,
    _: *const c_char,
    _: *const c_char,
    _: *const c_char,
    _: u64,
) {
}

pub unsafe extern "C" fn open_url(_: *mut c_void, _: *const c_char) {}

pub unsafe extern "C" fn log(_: *mut c_void, level: i32, record: *const c_char, len: usize) {
    let text = unsafe { std::ffi::CStr::from_ptr(record) };
    if text.to_bytes().len() != len || !(1..=4).contains(&level) || text.to_str().is_err() {
        eprintln!("a record of level {level}: {text:?}");
        std::process::abort();
    }
}

/// Connections that are served at a time.
const THREADS: usize = 24;

/// The port of a server that answers by the first letter of the path: `/e` with an error, `/h` never, `/c` by closing,
/// everything else with JSON.
pub fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        // Always the same threads: one that ends while leaks are looked for seems to leak.
        for _ in 0..THREADS {
            let listener = listener.try_clone().expect("a copy");
            thread::spawn(move || {
                for socket in listener.incoming().flatten() {
                    while serve(&socket).is_some() {}
                }
            });
        }
        port
    })
}

/// One request; `None`: the connection ends.
fn serve(mut socket: &TcpStream) -> Option<()> {
    socket.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let body = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<u64>().ok());
    std::io::copy(&mut socket.take(body.unwrap_or(0)), &mut std::io::sink()).ok()?;
    let (status, text) = match head.split_once(" /").and_then(|(_, path)| path.chars().next()) {
        Some('c') => return None,
        Some('h') => {
            let _ = socket.read(&mut byte);
            return None;
        }
        Some('e') => ("400 Bad Request", r#"{"error":{"code":400,"message":"no","missing":[{"id":1}]}}"#),
        _ => ("200 OK", r#"{"items":[]}"#),
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nX-Request-Id: r\r\n\r\n{text}", text.len());
    socket.write_all(answer.as_bytes()).ok()
}
