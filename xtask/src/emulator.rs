//! The emulator as a child process, and the questions it is asked about itself.

use crate::json::Json;
use crate::sh::{self, Res};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Killed when dropped, whatever happened; it also ends by itself when this process does.
pub struct Emulator {
    child: Child,
    /// What it says of itself when it is ready: url, project, token_url, client_id, client_secret, scopes.
    ready: Json,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    pub fn start() -> Res<Emulator> {
        Self::with(&[])
    }

    /// With further options of its command line.
    pub fn with(options: &[&str]) -> Res<Emulator> {
        sh::run(sh::cargo().args(["build", "--quiet", "--package", "cognite-emulator"]))?;
        Self::of(&sh::target().join("debug/cognite-emulator"), options)
    }

    pub fn of(program: &Path, options: &[&str]) -> Res<Emulator> {
        let mut command = Command::new(program);
        command.arg("--exit-with-parent").args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        let out = child.stdout.take().ok_or("the emulator has no standard output")?;
        let mut emulator = Emulator { child, ready: Json::Null };
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // Goes on reading after the first line, as the emulator must not block on a full pipe.
            BufReader::new(out).lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)));
        });
        let line = told.recv_timeout(Duration::from_secs(20)).map_err(|_| "the emulator was not ready within 20 s")?;
        emulator.ready = Json::parse(&line).map_err(|e| format!("the emulator said: {line}: {e}"))?;
        Ok(emulator)
    }

    pub fn said(&self, name: &str) -> &str {
        self.ready.text_of(name).unwrap_or("")
    }

    pub fn start_line(&self) -> String {
        self.ready.write(false)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        self.said("url")
    }

    /// The connection, for programs that take it from the environment.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let names = [
            ("COGNITE_BASE_URL", "url"),
            ("COGNITE_PROJECT", "project"),
            ("COGNITE_TOKEN_URL", "token_url"),
            ("COGNITE_CLIENT_ID", "client_id"),
            ("COGNITE_CLIENT_SECRET", "client_secret"),
            ("COGNITE_SCOPES", "scopes"),
        ];
        names.map(|(variable, member)| (variable, self.said(member).to_string())).to_vec()
    }

    /// Orders faults, as its README describes them.
    pub fn faults(&self, rules: &str) -> Res<()> {
        self.http("POST", "/_emulator/faults", "", rules).map(drop)
    }

    /// Calls the API of an emulator that was started with `--token` and this token.
    pub fn post(&self, token: &str, path: &str, body: &str) -> Res<String> {
        let headers = format!("authorization: Bearer {token}\r\n");
        self.http("POST", &format!("/api/v1/projects/{}{path}", self.said("project")), &headers, body)
    }

    /// Seconds of CPU it took so far.
    pub fn cpu(&self) -> Res<f64> {
        let stat = self.proc("stat")?;
        // The name in brackets may have spaces; after it the 12th and 13th fields are ticks of user and system time.
        let fields: Vec<f64> =
            stat.rsplit(')').next().unwrap_or("").split(' ').filter_map(|f| f.parse().ok()).collect();
        let ticks = fields.get(10).zip(fields.get(11)).ok_or("no times in stat")?;
        Ok((ticks.0 + ticks.1) / 100.0)
    }

    /// Bytes of memory it has.
    pub fn memory(&self) -> Res<u64> {
        let statm = self.proc("statm")?;
        let pages: Option<u64> = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
        Ok(pages.ok_or("no size in statm")? * 4096)
    }

    fn proc(&self, name: &str) -> Res<String> {
        let file = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))
    }

    fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> Res<String> {
        http(self.url(), self.said("ca_pem"), method, path, headers, body)
    }

    pub fn get(&self, path: &str) -> Res<String> {
        self.http("GET", path, "", "")
    }

    /// How many datapoints the emulator holds, by its own account.
    pub fn datapoints(&self) -> Res<u64> {
        let body = self.get("/_emulator/state")?;
        let state = Json::parse(&body)?;
        state
            .get("datapoints")
            .and_then(Json::as_i128)
            .and_then(|n| u64::try_from(n).ok())
            .ok_or(format!("the emulator's state does not tell its datapoints: {body}"))
    }
}

trait Socket: Read + Write {}
impl<T: Read + Write> Socket for T {}

/// A bare request to a server of ours: no client library, as what is checked here is also the library, and no more HTTP than
/// that.
fn http(base: &str, ca: &str, method: &str, path: &str, headers: &str, body: &str) -> Res<String> {
    let (scheme, host) = base.split_once("://").unwrap_or(("http", base));
    let say = |e: std::io::Error| format!("{method} {base}{path}: {e}");
    let plain = TcpStream::connect(host).map_err(say)?;
    plain.set_read_timeout(Some(Duration::from_secs(20))).map_err(say)?;
    let mut socket: Box<dyn Socket> = if scheme == "https" { Box::new(tls(plain, host, ca)?) } else { Box::new(plain) };
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
    .map_err(say)?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).map_err(say)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(format!("{method} {base}{path}: no HTTP answer"))?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    if !head.starts_with("HTTP/1.1 20") || chunked {
        return Err(format!("{method} {base}{path}: {head}"));
    }
    Ok(body.to_string())
}

fn tls(plain: TcpStream, host: &str, ca: &str) -> Res<StreamOwned<ClientConnection, TcpStream>> {
    let say = |e: &dyn std::fmt::Display| format!("TLS to {host}: {e}");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).map_err(|e| say(&e))?).map_err(|e| say(&e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| say(&e))?.with_root_certificates(roots).with_no_client_auth();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
    let name = ServerName::try_from(name).map_err(|e| say(&e))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|e| say(&e))?;
    Ok(StreamOwned::new(connection, plain))
}
