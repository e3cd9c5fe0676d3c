//! The head of a request as bytes, and the head of an answer from bytes: what it says of the body that follows.

use std::mem::MaybeUninit;

use httparse::{Error as Parse, Header as Line, ParserConfig, Status};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};

use crate::http::body::is_gzip;
use crate::http::fields::{self, Fields};
use crate::http::transport::Exchange;

/// As much as a name can be long elsewhere.
const LONGEST_NAME: usize = 65_535;
/// Bytes of a head at most.
pub(super) const LONGEST: usize = 400 << 10;

/// The head of most requests is shorter.
const TYPICAL: usize = 1 << 10;

/// Why what came is not HTTP.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// How the body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub headers: Fields,
    pub framing: Framing,
    /// Whether the body is compressed, or the name of an encoding that was not asked for.
    pub gzip: Result<bool, String>,
    /// The server will take another request on this connection.
    pub keep: bool,
    /// Bytes it took.
    pub length: usize,
}

/// Puts the request's head behind what is in `out`.
pub fn write(out: &mut Vec<u8>, x: &Exchange<'_>) {
    out.reserve(TYPICAL);
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|p| out.extend_from_slice(p));
    put(&[x.method.as_str().as_bytes(), b" ", x.url.path().as_bytes()]);
    if let Some(query) = x.url.query() {
        put(&[b"?", query.as_bytes()]);
    }
    put(&[b" HTTP/1.1\r\n"]);
    put(&[x.headers.lines()]);
    if let Some(authorization) = x.authorization.or_else(|| x.headers.get(AUTHORIZATION)) {
        put(&[b"authorization: ", authorization.as_bytes(), b"\r\n"]);
    }
    put(&[b"host: ", x.url.host_str().unwrap_or_default().as_bytes()]);
    if let Some(port) = x.url.port() {
        put(&[b":", decimal(u64::from(port), &mut [0; 20])]);
    }
    put(&[b"\r\n"]);
    if !x.body.is_empty() || matches!(*x.method, Method::POST | Method::PUT | Method::PATCH) {
        put(&[b"content-length: ", decimal(x.body.len() as u64, &mut [0; 20]), b"\r\n"]);
    }
    put(&[b"\r\n"]);
}

fn decimal(mut n: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut from = room.len();
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
        from -= 1;
        if n == 0 {
            break;
        }
    }
    room.get(from..).unwrap_or_default()
}

/// The head at the beginning of `input`; `None`: it is not all there yet.
pub fn read(input: &[u8], method: &Method) -> Result<Option<Head>, Malformed> {
    let mut lines = [const { MaybeUninit::uninit() }; fields::MOST];
    let mut parsed = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut parsed, input, &mut lines).map_err(words)? {
        Status::Complete(length) => length,
        Status::Partial => return Ok(None),
    };
    let status = parsed.code.filter(|c| *c >= 100).ok_or(Malformed("invalid HTTP status code"))?;
    let newer = parsed.version == Some(1);
    let lines: &[Line<'_>] = parsed.headers;
    if lines.iter().any(|l| l.name.len() > LONGEST_NAME) {
        return Err(words(Parse::HeaderName));
    }
    let framing = framing(status, newer, lines, method)?;
    let asked = |token: &str| {
        values(lines, &CONNECTION)
            .flat_map(|v| v.split(|b| *b == b','))
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    };
    let keep = !asked("close") && (newer || asked("keep-alive")) && status != 101 && framing != Framing::UntilClose;
    let gzip = is_gzip(values(lines, &CONTENT_ENCODING).next());
    let headers = Fields::of_head(input.get(..length).unwrap_or_default());
    Ok(Some(Head { status, headers, framing, gzip, keep, length }))
}

/// What lines of that name say.
fn values<'a>(lines: &'a [Line<'_>], name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().filter(move |l| l.name.eq_ignore_ascii_case(name.as_str())).map(|l| l.value)
}

fn words(e: Parse) -> Malformed {
    Malformed(match e {
        Parse::HeaderName | Parse::HeaderValue | Parse::NewLine | Parse::Token => "invalid HTTP header parsed",
        Parse::Status => "invalid HTTP status-code parsed",
        Parse::TooManyHeaders => "message head is too large",
        Parse::Version => "invalid HTTP version parsed",
    })
}

/// RFC 9112, 6.3, and stricter: what two readers could understand in two ways is refused.
fn framing(status: u16, newer: bool, lines: &[Line<'_>], method: &Method) -> Result<Framing, Malformed> {
    let length = announced(lines)?;
    let mut codings = values(lines, &TRANSFER_ENCODING);
    let coding = codings.next();
    if codings.next().is_some() {
        return Err(Malformed("several transfer-encoding headers"));
    }
    if *method == Method::HEAD || status < 200 || matches!(status, 204 | 304) {
        return Ok(Framing::None);
    }
    match (coding, length) {
        (None, None) => Ok(Framing::UntilClose),
        (None, Some(length)) => Ok(Framing::Length(length)),
        (Some(_), Some(_)) => Err(Malformed("both a content-length and a transfer-encoding")),
        (Some(c), None) if newer && c.trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (Some(_), None) => Err(Malformed("a transfer-encoding that was not asked for")),
    }
}

/// The one content-length, which may be said several times.
fn announced(lines: &[Line<'_>]) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    for part in values(lines, &CONTENT_LENGTH).flat_map(|v| v.split(|b| *b == b',')) {
        let digits = part.trim_ascii();
        let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let n = std::str::from_utf8(digits).ok().filter(|_| valid).and_then(|d| d.parse::<u64>().ok());
        let n = n.ok_or(Malformed("invalid content-length parsed"))?;
        if length.is_some_and(|l| l != n) {
            return Err(Malformed("several different content-lengths"));
        }
        length = Some(n);
    }
    Ok(length)
}
