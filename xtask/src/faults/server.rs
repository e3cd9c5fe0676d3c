//! The server of one case: strikes as the case says, and counts the requests it has taken in whole.

use super::plan::{Case, Fault, Mode, Phase};
use crate::conformance::http::Conn;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::ServerConfig;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Answers carry it, as presigned addresses do in reality.
const GOOD: &str = "{\"items\":[]}";

pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
    _held: Vec<Socket>,
}

struct Shared {
    phase: Phase,
    fault: Fault,
    /// Strikes left.
    strikes: AtomicU32,
    effects: AtomicU32,
    stop: AtomicBool,
    tls: Arc<ServerConfig>,
}

impl Server {
    pub fn start(case: &Case, tls: Arc<ServerConfig>) -> io::Result<Server> {
        let strikes = AtomicU32::new(if case.mode == Mode::Once { 1 } else { u32::MAX });
        let (effects, stop) = (AtomicU32::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { phase: case.phase, fault: case.fault, strikes, effects, stop, tls });
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = socket.local_addr()?;
        let port = address.as_socket().map_or(0, |a| a.port());
        let mut held = Vec::new();
        match (case.phase, case.fault, case.mode) {
            (Phase::Connect, Fault::Refuse, Mode::Once) => {
                // Refuses until the first attempt is over; the second comes 100 ms later at the earliest.
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(REFUSES_MS));
                    shared.strikes.store(0, Ordering::SeqCst);
                    if socket.listen(64).is_ok() {
                        accept(&shared, socket.into());
                    }
                });
            }
            (Phase::Connect, Fault::Refuse, _) => held.push(socket),
            (Phase::Connect, ..) => {
                socket.listen(0)?;
                held.push(socket);
                for _ in 0..4 {
                    let s = Socket::new(Domain::IPV4, Type::STREAM, None)?;
                    s.set_nonblocking(true)?;
                    let _ = s.connect(&address);
                    held.push(s);
                }
                thread::sleep(Duration::from_millis(20));
            }
            _ => {
                socket.listen(64)?;
                let shared = Arc::clone(&shared);
                thread::spawn(move || accept(&shared, socket.into()));
            }
        }
        Ok(Server { port, shared, _held: held })
    }

    pub fn effects(&self) -> u32 {
        self.shared.effects.load(Ordering::SeqCst)
    }
}

/// Mostly longer than the driver takes to start and be refused, and always shorter than that and the first pause.
const REFUSES_MS: u64 = 60;

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let _ = TcpStream::connect_timeout(&to, Duration::from_millis(100));
    }
}

fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    for socket in listener.incoming() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let shared = Arc::clone(shared);
        // A connection that breaks is what is asked for here.
        thread::spawn(move || drop(shared.serve(socket)));
    }
}

impl Shared {
    /// Whether this is the place, and there are strikes left; takes one.
    fn strikes(&self, phase: Phase) -> bool {
        self.phase == phase
            && self.strikes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    }

    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let raw = socket.try_clone()?;
        if self.strikes(Phase::Accepted) {
            return self.strike(&mut Conn::Plain(socket), &raw, b"");
        }
        let mut conn = Conn::Plain(socket);
        if self.phase == Phase::ProxyTunnel {
            read_head(&mut conn)?;
            if self.strikes(Phase::ProxyTunnel) {
                return match self.fault {
                    Fault::Refuse => conn.send(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
                    _ => self.strike(&mut conn, &raw, b""),
                };
            }
            conn.send(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        }
        if matches!(self.phase, Phase::ProxyTunnel | Phase::TlsHandshake) {
            if self.fault != Fault::Untrusted && self.strikes(Phase::TlsHandshake) {
                // The client speaks first: its hello is read, so that closing is not a reset.
                let mut hello = [0; 4096];
                let _ = conn.read(&mut hello)?;
                return self.strike(&mut conn, &raw, b"");
            }
            let Conn::Plain(socket) = conn else { return Ok(()) };
            conn = Conn::start_tls(socket, &self.tls)?;
        }
        while !self.stop.load(Ordering::SeqCst) {
            let (length, ahead) = read_head(&mut conn)?;
            if self.strikes(Phase::Upload) {
                let _ = conn.read(&mut [0; 65536])?;
                return self.strike(&mut conn, &raw, b"");
            }
            read_body(&mut conn, length.saturating_sub(ahead))?;
            self.effects.fetch_add(1, Ordering::SeqCst);
            if self.phase >= Phase::Waiting && self.strikes(self.phase) {
                return self.answer_badly(&mut conn, &raw);
            }
            conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{GOOD}", GOOD.len()).as_bytes())?;
        }
        Ok(())
    }

    fn answer_badly(&self, conn: &mut Conn, raw: &TcpStream) -> io::Result<()> {
        let garbage = self.fault == Fault::Garbage;
        let begun: Vec<u8> = match self.phase {
            Phase::StatusLine if garbage => b"HTTP/9.9 abc\r\n\r\n".to_vec(),
            Phase::StatusLine => b"HTTP/1.1 20".to_vec(),
            Phase::Headers if garbage => b"HTTP/1.1 200 OK\r\nno colon here\0\r\n\r\n".to_vec(),
            Phase::Headers => b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(),
            Phase::Body if garbage => {
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n".to_vec()
            }
            Phase::Body => format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{GOOD}").into_bytes(),
            Phase::Gzip => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(GOOD.as_bytes())?;
                let mut packed = packed.finish()?;
                if garbage {
                    packed.iter_mut().skip(2).for_each(|b| *b ^= 0x5a);
                } else {
                    packed.truncate(packed.len() - 9);
                }
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
                return conn.send(&[head.as_bytes(), &packed].concat());
            }
            Phase::Decode if garbage => {
                return conn.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: x-unheard-of\r\ncontent-length: 3\r\n\r\nabc");
            }
            Phase::Decode => {
                let _ = conn.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
                for _ in 0..64 {
                    let _ = conn.send(format!("1000\r\n{}\r\n", "x".repeat(4096)).as_bytes());
                }
                return Ok(());
            }
            _ => Vec::new(),
        };
        if garbage && !begun.is_empty() {
            conn.send(&begun)?;
            return self.hold(raw);
        }
        self.strike(conn, raw, &begun)
    }

    fn strike(&self, conn: &mut Conn, raw: &TcpStream, begun: &[u8]) -> io::Result<()> {
        if !begun.is_empty() {
            conn.send(begun)?;
            // The part must have arrived before a reset wipes it out on the way.
            thread::sleep(Duration::from_millis(5));
        }
        match self.fault {
            Fault::Reset => SockRef::from(raw).set_linger(Some(Duration::ZERO)),
            Fault::Stall => self.hold(raw),
            Fault::Garbage => {
                conn.send(b"\x01\x02 this is neither TLS nor HTTP \x00\r\n\r\n")?;
                self.hold(raw)
            }
            _ => Ok(()),
        }
    }

    /// Until the client goes away or the case ends. Reads nothing: what was not taken in stays so.
    fn hold(&self, raw: &TcpStream) -> io::Result<()> {
        raw.set_nonblocking(true)?;
        while !self.stop.load(Ordering::SeqCst) {
            // A peek sees the end only behind what is unread; writing nothing tells nothing. So time decides.
            match raw.peek(&mut [0]) {
                Ok(0) => break,
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => break,
                _ => thread::sleep(Duration::from_millis(10)),
            }
        }
        Ok(())
    }
}

/// The length of the body, and how much of it came along with the head.
fn read_head(conn: &mut Conn) -> io::Result<(usize, usize)> {
    let mut head = Vec::new();
    loop {
        let mut part = [0; 4096];
        let n = conn.read(&mut part)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&part[..n]);
        let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
        let length = text.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
        return Ok((length, head.len() - end - 4));
    }
}

fn read_body(conn: &mut Conn, mut left: usize) -> io::Result<()> {
    let mut part = vec![0; 65536];
    while left > 0 {
        let most = left.min(part.len());
        let n = conn.read(&mut part[..most])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= n;
    }
    Ok(())
}
