//! One request as received: what the scripted server reads from a connection.

use crate::json::Json;
use flate2::read::GzDecoder;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

pub enum Conn {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Conn {
    pub fn start_tls(socket: TcpStream, tls: &Arc<ServerConfig>) -> io::Result<Conn> {
        let session = ServerConnection::new(tls.clone()).map_err(io::Error::other)?;
        Ok(Conn::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Conn::Plain(s) => s,
            Conn::Tls(s) => &s.sock,
        }
    }

    pub fn send(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Conn::Plain(s) => s.write_all(data),
            Conn::Tls(s) => s.write_all(data).and_then(|()| s.flush()),
        }
    }
}

impl Read for Conn {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Conn::Plain(s) => s.read(buf),
            Conn::Tls(s) => s.read(buf),
        }
    }
}

/// A connection with what was read from it but not used yet.
pub struct Reader {
    pub conn: Conn,
    ahead: Vec<u8>,
    used: usize,
}

#[derive(Default, Clone)]
pub struct Received {
    /// `http`, `tls` or `connect`
    pub listener: &'static str,
    pub method: String,
    pub target: String,
    /// Where a proxied request wants to go; empty otherwise.
    pub host: String,
    pub absolute: bool,
    /// Lower case names, in order of arrival.
    pub headers: Vec<(String, String)>,
    pub raw_body: Vec<u8>,
    /// After undoing gzip.
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("")
    }

    pub fn raw_query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, q)| q)
    }

    pub fn query(&self) -> Vec<(String, String)> {
        self.raw_query().map(form_pairs).unwrap_or_default()
    }

    /// The last value of a query parameter.
    pub fn query_value(&self, name: &str) -> Option<String> {
        self.query().into_iter().rev().find(|(k, _)| k == name).map(|(_, v)| v)
    }

    pub fn json(&self) -> Option<Json> {
        Json::parse(std::str::from_utf8(&self.body).ok()?).ok()
    }
}

/// Decoded pairs of a query or a form; values may be empty.
pub fn form_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (k, v) = piece.split_once('=').unwrap_or((piece, ""));
            (percent_decoded(k), percent_decoded(v))
        })
        .collect()
}

fn percent_decoded(text: &str) -> String {
    let b = text.as_bytes();
    let mut out = Vec::with_capacity(b.len());
    let mut i = 0;
    while i < b.len() {
        let hex =
            b.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (b[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', _) => out.push(b' '),
            (c, _) => out.push(c),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(b as char),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| b as char).collect()
}

fn gone(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

impl Reader {
    pub fn new(conn: Conn) -> Reader {
        Reader { conn, ahead: Vec::new(), used: 0 }
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut buf = [0; 16384];
        let n = self.conn.read(&mut buf)?;
        self.ahead.drain(..self.used);
        self.used = 0;
        self.ahead.extend_from_slice(&buf[..n]);
        Ok(n > 0)
    }

    /// Without its line end; None when the peer is gone.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(n) = self.ahead[self.used..].iter().position(|&b| b == b'\n') {
                let mut line = self.ahead[self.used..self.used + n].to_vec();
                self.used += n + 1;
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            if self.ahead.len() - self.used > 1 << 20 {
                return Err(gone("a line without end"));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() - self.used < n {
            if !self.more()? {
                return Err(gone("the body ended early"));
            }
        }
        let part = self.ahead[self.used..self.used + n].to_vec();
        self.used += n;
        Ok(part)
    }

    /// None when there is no further request on this connection.
    pub fn request(&mut self) -> io::Result<Option<Received>> {
        let Some(line) = self.line()? else { return Ok(None) };
        let line = latin1(&line);
        let parts: Vec<&str> = line.split(' ').collect();
        let [method, target, _] = parts[..] else { return Ok(None) };
        let mut req = Received { method: method.to_string(), target: target.to_string(), ..Received::default() };
        while let Some(line) = self.line()?.filter(|l| !l.is_empty()) {
            let line = latin1(&line);
            let (k, v) = line.split_once(':').unwrap_or((&line, ""));
            req.headers.push((k.trim().to_lowercase(), v.trim().to_string()));
        }
        if let Some(rest) = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://")) {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            req.absolute = true;
            req.host = rest[..end].to_string();
            req.target =
                if rest[end..].starts_with('/') { rest[end..].to_string() } else { format!("/{}", &rest[end..]) };
        }
        req.raw_body = self.body(&req)?;
        req.body = req.raw_body.clone();
        if req.header("content-encoding") == Some("gzip") {
            req.body.clear();
            GzDecoder::new(&req.raw_body[..]).read_to_end(&mut req.body)?;
        }
        Ok(Some(req))
    }

    fn body(&mut self, req: &Received) -> io::Result<Vec<u8>> {
        if !req.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            let n = req.header("content-length").map_or(Ok(0), str::parse).map_err(|_| gone("content-length"))?;
            return self.exactly(n);
        }
        let mut out = Vec::new();
        loop {
            let line = self.line()?.ok_or_else(|| gone("no chunk"))?;
            let size = latin1(&line);
            let size = size.split(';').next().unwrap_or("").trim();
            let n = usize::from_str_radix(size, 16).map_err(|_| gone("chunk size"))?;
            out.extend(self.exactly(n)?);
            self.line()?;
            if n == 0 {
                return Ok(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let p = form_pairs("a=1+2&b=%C3%A9&&c&d=%zz");
        let p: Vec<_> = p.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(p, [("a", "1 2"), ("b", "é"), ("c", ""), ("d", "%zz")]);
        assert_eq!(percent_encoded("a b/ü"), "a+b%2F%C3%BC");
    }
}
