//! Real servers on this machine: HTTP with and without TLS, a proxy, and an authority for certificates.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cognite::api::{Client, Request};
use cognite::config::ClientConfig;
use cognite::error::Error;
use cognite::http::Response;
use cognite::runtime;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// An authority that signs what a test needs.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    der: CertificateDer<'static>,
}

pub struct Signed {
    pub cert_pem: String,
    pub key_pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Ca {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("Test Authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        Self { pem: cert.pem(), der: cert.der().clone(), issuer: Issuer::new(params, key) }
    }

    pub fn sign(&self, names: &[&str]) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Signed { cert_pem: cert.pem(), der: cert.der().clone(), key_pem: key.serialize_pem(), key: key.serialize_der() }
    }
}

#[derive(Clone, Copy, Default)]
pub struct Tls {
    pub client_certificate: bool,
    pub only_1_2: bool,
}

pub fn tls(ca: &Ca, signed: &Signed, how: Tls) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[_] = if how.only_1_2 { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = if how.client_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(ca.der.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.key.clone()));
    Arc::new(builder.with_single_cert(vec![signed.der.clone()], key).unwrap())
}

#[derive(Clone, Debug, Default)]
pub struct Got {
    pub method: String,
    pub target: String,
    pub head: String,
    pub body: Vec<u8>,
    pub connection: usize,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| {
            let (n, v) = l.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| v.trim())
        })
    }
}

pub enum Reply {
    /// Status line after the version, further header lines, body.
    Answer(&'static str, String, String),
    /// Answers, says the connection stays open, and closes it.
    AnswerThenClose(&'static str),
    /// No byte; the connection is closed.
    Close,
}

pub fn ok(body: &str) -> Reply {
    Reply::Answer("200 OK", String::new(), body.to_owned())
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn read_request(stream: &mut BufReader<Box<dyn Stream>>, connection: usize) -> io::Result<Option<Got>> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
    let mut got = Got { method, target, head, body: Vec::new(), connection };
    let length = got.header("content-length").map_or(0, |v| v.parse().unwrap());
    got.body = vec![0; length];
    stream.read_exact(&mut got.body)?;
    Ok(Some(got))
}

/// Answers each whole request as `handler` says, and keeps what it got.
#[derive(Clone)]
pub struct Server {
    pub port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    pub fn start(config: Option<Arc<ServerConfig>>, handler: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), got: Arc::default() };
        let (got, handler) = (Arc::clone(&server.got), Arc::new(handler));
        thread::spawn(move || {
            for (connection, socket) in listener.incoming().enumerate() {
                let (Ok(socket), got, handler, config) =
                    (socket, Arc::clone(&got), Arc::clone(&handler), config.clone())
                else {
                    continue;
                };
                thread::spawn(move || {
                    let raw = socket.try_clone().unwrap();
                    let stream: Box<dyn Stream> = match config {
                        Some(config) => {
                            let session = ServerConnection::new(config).unwrap();
                            Box::new(StreamOwned::new(session, socket))
                        }
                        None => Box::new(socket),
                    };
                    let _ = serve(BufReader::new(stream), &raw, connection, &got, &*handler);
                    let _ = raw.shutdown(Shutdown::Both);
                });
            }
        });
        server
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
}

fn serve(
    mut stream: BufReader<Box<dyn Stream>>,
    raw: &TcpStream,
    connection: usize,
    got: &Mutex<Vec<Got>>,
    handler: &(dyn Fn(&Got) -> Reply + Send + Sync),
) -> io::Result<()> {
    raw.set_nodelay(true)?;
    while let Some(request) = read_request(&mut stream, connection)? {
        got.lock().unwrap().push(request.clone());
        match handler(&request) {
            Reply::Answer(status, headers, body) => {
                let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
                stream.get_mut().write_all(text.as_bytes())?;
                stream.get_mut().flush()?;
            }
            Reply::AnswerThenClose(body) => {
                let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.get_mut().write_all(text.as_bytes())?;
                return stream.get_mut().flush();
            }
            Reply::Close => return Ok(()),
        }
    }
    Ok(())
}

/// A proxy: forwards http, tunnels the rest, wants a password if one is set, and keeps what was asked of it.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `authorization`: the value of Proxy-Authorization it wants.
    pub fn start(authorization: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let asked = Arc::clone(&proxy.asked);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let asked = Arc::clone(&asked);
                thread::spawn(move || forward(socket, authorization, &asked));
            }
        });
        proxy
    }

    /// The same, itself spoken to over TLS.
    pub fn behind_tls(self, config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (plain, port) = (self.port, listener.local_addr().unwrap().port());
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                thread::spawn(move || unwrap_tls(session, socket, plain));
            }
        });
        Self { port, ..self }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Both ways on one thread, as a TLS session cannot be parted: each side is listened to for a moment.
fn unwrap_tls(session: ServerConnection, socket: TcpStream, to: u16) -> io::Result<()> {
    let mut plain = TcpStream::connect(("127.0.0.1", to))?;
    for s in [&socket, &plain] {
        s.set_read_timeout(Some(Duration::from_millis(2)))?;
        s.set_nodelay(true)?;
    }
    let mut secure = StreamOwned::new(session, socket);
    let mut part = [0; 16 << 10];
    let mut moved = |from: &mut dyn Read, to: &mut dyn Write| match from.read(&mut part) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(n) => to.write_all(&part[..n]).and_then(|()| to.flush()),
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        Err(e) => Err(e),
    };
    loop {
        moved(&mut secure, &mut plain)?;
        moved(&mut plain, &mut secure)?;
    }
}

fn forward(socket: TcpStream, authorization: Option<&str>, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut stream = BufReader::new(Box::new(socket.try_clone()?) as Box<dyn Stream>);
    let Some(request) = read_request(&mut stream, 0)? else { return Ok(()) };
    asked.lock().unwrap().push(format!("{} {}", request.method, request.target));
    let mut socket = socket;
    if authorization.is_some_and(|wanted| request.header("proxy-authorization") != Some(wanted)) {
        return socket.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
    }
    let host = match request.method.as_str() {
        "CONNECT" => request.target.clone(),
        _ => request.target.split('/').nth(2).unwrap_or("").to_owned(),
    };
    // Names that only the proxy knows lie on this machine.
    let port = host.rsplit_once(':').map_or("80", |(_, p)| p);
    let Ok(mut upstream) = TcpStream::connect(format!("127.0.0.1:{port}")) else {
        return socket.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    if request.method == "CONNECT" {
        socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let path: String = format!("/{}", request.target.splitn(4, '/').nth(3).unwrap_or(""));
        let lines: Vec<&str> = request.head.lines().skip(1).filter(|l| !l.starts_with("proxy-")).collect();
        let head = format!("{} {path} HTTP/1.1\r\n{}\r\nconnection: close\r\n\r\n", request.method, lines.join("\r\n"));
        upstream.write_all(head.as_bytes())?;
        upstream.write_all(&request.body)?;
    }
    let (mut up, mut down) = (upstream.try_clone()?, socket.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut upstream, &mut socket);
        let _ = socket.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut down, &mut up);
    let _ = up.shutdown(Shutdown::Both);
    let _ = back.join();
    Ok(())
}

/// A config with a fixed token; `more` is YAML.
pub fn config(base_url: &str, more: &str) -> ClientConfig {
    let text = format!(
        "client_name: n\nproject: p\nbase_url: {base_url}\ntimeout: 10\nmax_retry_backoff: 0\n{}{more}",
        if more.contains("credentials:") { "" } else { "credentials: {token: canary-token}\n" }
    );
    ClientConfig::load(text.as_bytes()).unwrap()
}

/// PEM as a YAML value.
pub fn quoted(pem: &str) -> String {
    serde_json::to_string(pem).unwrap()
}

pub const READ: &str = "/api/v1/projects/p/assets";

pub fn send(client: &Arc<Client>, method: &str, url: &str, body: &str) -> Result<Response, Error> {
    let request =
        Request { method, url, body: body.as_bytes(), timeout: Duration::from_secs(20), ..Request::default() };
    runtime::block_on(client.accept(&request)?.run())
}

pub fn get(config: &ClientConfig) -> Result<Response, Error> {
    send(&Client::new(config)?, "GET", READ, "")
}
