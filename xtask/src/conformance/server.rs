//! The scripted loopback server of one vector: a plain listener that is also a proxy, a TLS listener, and ports where
//! nothing good happens. It records all requests and answers from the script.

use super::http::{Conn, Reader, Received};
use super::places::Ports;
use super::{rules, send};
use crate::json::Json;
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub struct Server {
    shared: Arc<Shared>,
    pub ports: Ports,
    /// Only held, so that their ports stay what they are.
    _held: Vec<Socket>,
}

pub struct Shared {
    stop: AtomicBool,
    /// Set after the ports are known, as the script may name them.
    rules: OnceLock<Vec<Json>>,
    state: Mutex<State>,
    tls: Arc<ServerConfig>,
}

#[derive(Default)]
struct State {
    used: Vec<usize>,
    received: Vec<Received>,
    in_flight: usize,
    max_in_flight: usize,
    unexpected: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// A pause that ends early when the vector does.
    pub fn pause(&self, ms: f64) {
        let end = Instant::now() + Duration::from_secs_f64(ms.max(0.0) / 1000.0);
        while !self.stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// Records the request and finds its answer.
    fn pick(&self, req: &Received) -> Json {
        let mut state = self.state();
        state.received.push(req.clone());
        state.in_flight += 1;
        state.max_in_flight = state.max_in_flight.max(state.in_flight);
        let none = Vec::new();
        for (i, rule) in self.rules.get().unwrap_or(&none).iter().enumerate() {
            if !rule.get("match").is_none_or(|m| rules::matches(m, req)) {
                continue;
            }
            let responses = rule.list_of("responses");
            let stays = rule.get("repeat_last").is_some_and(Json::is_true);
            let Some(last) = responses.len().checked_sub(1) else { continue };
            if state.used.len() <= i {
                state.used.resize(i + 1, 0);
            }
            let n = state.used[i];
            if n > last && !stays {
                continue;
            }
            state.used[i] += 1;
            return responses[n.min(last)].clone();
        }
        state.unexpected += 1;
        let error =
            vec![("code".to_string(), Json::int(599)), ("message".to_string(), Json::str("unscripted request"))];
        Json::Map(vec![("status".into(), Json::int(599)), ("json".into(), Json::single("error", Json::Map(error)))])
    }

    fn serve(&self, socket: TcpStream, tls: bool) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let mut listener = if tls { "tls" } else { "http" };
        let mut proxied = String::new();
        let conn = if tls { Conn::start_tls(socket, &self.tls)? } else { Conn::Plain(socket) };
        let mut reader = Reader::new(conn);
        while !self.stopped() {
            let Some(mut req) = reader.request()? else { break };
            if req.method == "CONNECT" {
                reader.conn.send(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                let Conn::Plain(socket) = reader.conn else { break };
                reader = Reader::new(Conn::start_tls(socket, &self.tls)?);
                (listener, proxied) = ("connect", req.target);
                continue;
            }
            req.listener = listener;
            if listener == "connect" {
                req.host = proxied.clone();
            }
            let spec = self.pick(&req);
            let goes_on = send::answer(self, &mut reader.conn, &req, &spec);
            self.state().in_flight -= 1;
            if !goes_on? {
                break;
            }
        }
        Ok(())
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn bound() -> io::Result<(Socket, u16)> {
    let s = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    s.bind(&loopback(0).into())?;
    let port = s.local_addr()?.as_socket().map_or(0, |a| a.port());
    Ok((s, port))
}

/// A listener whose accept queue is full, so that connects hang.
fn stuck(held: &mut Vec<Socket>) -> io::Result<u16> {
    let (listener, port) = bound()?;
    listener.listen(0)?;
    held.push(listener);
    for _ in 0..4 {
        let s = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        s.set_nonblocking(true)?;
        let _ = s.connect(&loopback(port).into());
        held.push(s);
    }
    thread::sleep(Duration::from_millis(20));
    Ok(port)
}

impl Server {
    pub fn start(tls: Arc<ServerConfig>, wants_stuck: bool) -> io::Result<Server> {
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), rules: OnceLock::new(), state, tls });
        let mut held = Vec::new();
        // Bound but not listening: connects are refused, and nobody else gets the port.
        let (closed, closed_port) = bound()?;
        held.push(closed);
        let free = bound()?.1;
        let stuck = if wants_stuck { Some(stuck(&mut held)?) } else { None };
        let http = listen(&shared, false)?;
        let tls = listen(&shared, true)?;
        Ok(Server { shared, ports: Ports { http, tls, closed: closed_port, free, stuck }, _held: held })
    }

    pub fn script(&self, rules: Vec<Json>) {
        let _ = self.shared.rules.set(rules);
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    pub fn max_in_flight(&self) -> usize {
        self.shared.state().max_in_flight
    }

    /// Requests the script had no answer for.
    pub fn unexpected(&self) -> usize {
        self.shared.state().unexpected
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the two threads that wait for connections; they see the flag and end.
        for port in [self.ports.http, self.ports.tls] {
            let _ = TcpStream::connect_timeout(&loopback(port), Duration::from_millis(200));
        }
    }
}

fn listen(shared: &Arc<Shared>, tls: bool) -> io::Result<u16> {
    let listener = TcpListener::bind(loopback(0))?;
    let port = listener.local_addr()?.port();
    let shared = shared.clone();
    thread::spawn(move || {
        for socket in listener.incoming() {
            if shared.stopped() {
                break;
            }
            let Ok(socket) = socket else { continue };
            let shared = shared.clone();
            // A client that breaks off is part of many vectors; what it did is seen in the recorded requests.
            thread::spawn(move || drop(shared.serve(socket, tls)));
        }
    });
    Ok(port)
}
