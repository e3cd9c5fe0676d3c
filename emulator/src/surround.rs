//! What surrounds every request: reading and unpacking the body, faults, the journal, packing the answer.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Response};
use axum::response::IntoResponse;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tower::ServiceExt;

use crate::call::Reply;
use crate::error::ApiError;
use crate::faults::Action;
use crate::journal::{self, Entry};
use crate::login_pages::SCHEME;
use crate::room::{Room, Unread};
use crate::state::State;
use crate::wire::Wire;

const GZIP_FROM: usize = 1024;

/// The emulator's own: never hit by faults, nor in the journal.
fn is_admin(path: &str) -> bool {
    path == "/" || path == "/_emulator" || path.starts_with("/_emulator/")
}

/// Answers one request. An error drops the connection, which is what some faults ask for.
pub async fn respond<B>(
    state: Arc<State>,
    router: Router,
    wire: Arc<Wire>,
    request: Request<B>,
) -> io::Result<Response<Body>>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let started = Instant::now();
    let number = state.request_number();
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut entry = Entry {
        number,
        time: state.clock.now(),
        method: parts.method.as_str().to_owned(),
        path: path.clone(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        status: 0,
        ms: 0.0,
        headers: journal::HEADERS
            .into_iter()
            .filter_map(|name| Some((name, parts.headers.get(name)?.to_str().ok()?.to_owned())))
            .collect(),
        body: None,
        bytes: 0,
        answer_bytes: 0,
        fault: None,
        warning: None,
    };
    let admin = is_admin(&path);
    if let Some(date) = journal::newer_version(header(&parts.headers, "cdf-version")).filter(|_| !admin) {
        let text = journal::version_warning(date);
        // Once for each version that is newer still, so that a client cannot fill the log.
        if state.newest_version(date) {
            eprintln!("cognite-emulator: {text}");
        }
        entry.warning = Some(text);
    }
    let finish = |mut entry: Entry| {
        if !admin {
            entry.ms = started.elapsed().as_secs_f64() * 1000.0;
            state.journal().add(entry);
        }
    };
    parts.headers.insert(SCHEME, HeaderValue::from_static(if wire.tls { "https" } else { "http" }));

    // Nobody waits for all of a body that is announced to be too long.
    let announced = header(&parts.headers, "content-length").parse::<u64>().unwrap_or(0);
    let limits = &state.config.limits;
    let limit = if path.starts_with("/_storage/") { limits.upload.max(limits.body) } else { limits.body };
    let received = state.room.receive(body, announced, limit).await;
    entry.bytes = received.as_ref().map_or(0, |r| r.bytes.len());
    let now = entry.time;
    let fault = if admin { None } else { state.faults().take(parts.method.as_str(), &path, now) };
    entry.fault = fault.as_ref().map(Action::name);
    let dropped = |entry: Entry| {
        finish(entry);
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "dropped to order"))
    };
    match &fault {
        Some(Action::Close) => return dropped(entry),
        Some(Action::Reset) => {
            wire.reset();
            return dropped(entry);
        }
        Some(Action::HalfClose { ms }) => {
            wire.close_sending();
            finish(entry.clone());
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Some(Action::Delay { ms }) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Some(Action::ExpireTokens) => {
            state.auth().expire_all();
        }
        _ => {}
    }

    let accepts_gzip = header(&parts.headers, "accept-encoding").split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        words.next().is_some_and(|w| w == "gzip" || w == "*") && words.next() != Some("q=0")
    });
    // There is nobody to answer.
    if matches!(received, Err(Unread::Gone)) {
        finish(entry);
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let unpacked = match &received {
        Ok(received) => unpack(&state.room, &parts.headers, &received.bytes, limit).await,
        Err(why) => Err(why.error()),
    };
    let short = unpacked.as_ref().ok().map(|(bytes, _)| bytes);
    let short = short.filter(|bytes| !bytes.is_empty() && bytes.len() <= journal::MAX_BODY);
    entry.body = short.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let response = match (&fault, unpacked) {
        (Some(Action::Status { status, headers, body }), _) => ordered(*status, headers, body.as_ref()),
        (_, Err(e)) => Reply::from(e).into_response(),
        (_, Ok((bytes, _held))) => {
            parts.headers.remove(CONTENT_ENCODING);
            parts.headers.remove(CONTENT_LENGTH);
            carry_out(router, parts, bytes, &fault).await
        }
    };
    match fault {
        Some(Action::AppliedNoAnswer) => {
            wire.reset();
            return dropped(entry);
        }
        Some(Action::Garbage) => {
            let garbage =
                Reply { status: 200, content_type: "application/json", body: b"{\"items\": [\xff\xfe<html".to_vec() };
            entry.status = 200;
            entry.answer_bytes = garbage.body.len();
            finish(entry);
            return Ok(with_id(garbage.into_response(), number));
        }
        _ => {}
    }
    let broken = matches!(fault, Some(Action::BadGzip));
    let (mut head, mut bytes) = pack(response, if broken { 0 } else { GZIP_FROM }, accepts_gzip || broken).await?;
    entry.status = head.status.as_u16();
    entry.answer_bytes = bytes.len();
    finish(entry);
    let body = match fault {
        // Time for what was sent to leave; an error at once would take it back.
        Some(Action::Cut { after_bytes }) => beginning(bytes, after_bytes, Some((50, wire))),
        Some(Action::Stall { after_bytes, ms }) => beginning(bytes, after_bytes, Some((ms, wire))),
        Some(Action::WrongLength { by }) => {
            let length = (bytes.len() as u64).saturating_add_signed(by);
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            beginning(bytes, usize::try_from(length).unwrap_or(usize::MAX), None)
        }
        _ if broken => {
            let mut spoiled = bytes.to_vec();
            // Behind the header, and the checksum at the end.
            spoiled.iter_mut().skip(10).for_each(|b| *b ^= 0x5a);
            bytes = spoiled.into();
            Body::from(bytes)
        }
        _ => Body::from(bytes),
    };
    Ok(with_id(Response::from_parts(head, body), number))
}

async fn carry_out(router: Router, parts: Parts, bytes: Bytes, fault: &Option<Action>) -> Response<Body> {
    let once = |parts: Parts| {
        let done = router.clone().oneshot(Request::from_parts(parts, Body::from(bytes.clone())));
        async { done.await.unwrap_or_else(|never| match never {}) }
    };
    let Some(Action::Duplicate { second_answer }) = fault else { return once(parts).await };
    let first = once(parts.clone()).await;
    let second = once(parts).await;
    if *second_answer { second } else { first }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
}

fn with_id(mut response: Response<Body>, number: u64) -> Response<Body> {
    // Shaped like the service's ids, counting up so that runs can be compared.
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().entry("x-request-id").or_insert(value);
    }
    response
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(413, format!("The request body is larger than {limit} bytes"))
}

/// The body as it is meant, with the room for it.
async fn unpack<'a>(
    room: &'a Room,
    headers: &HeaderMap,
    bytes: &Bytes,
    limit: usize,
) -> Result<(Bytes, SemaphorePermit<'a>), ApiError> {
    match header(headers, "content-encoding").trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok((bytes.clone(), room.plain(bytes).await?)),
        "gzip" => {
            let held = room.packed(bytes.len(), limit).await?;
            let mut out = Vec::new();
            // One byte more than allowed tells "full" from "too much".
            let read = MultiGzDecoder::new(bytes.as_ref()).take(limit as u64 + 1).read_to_end(&mut out);
            match read {
                Ok(_) if out.len() > limit => Err(too_large(limit)),
                Ok(_) => {
                    let held = room.unpacked(held, &out)?;
                    Ok((Bytes::from(out), held))
                }
                Err(e) => Err(ApiError::bad(format!("The request body is no valid gzip: {e}"))),
            }
        }
        other => Err(ApiError::new(415, format!("Unsupported content-encoding: {other}"))),
    }
}

/// Packs what is larger than `from`, if the client takes it.
async fn pack(response: Response<Body>, from: usize, gzip: bool) -> io::Result<(axum::http::response::Parts, Bytes)> {
    let (mut head, body) = response.into_parts();
    let mut bytes = to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
    if gzip && bytes.len() > from {
        let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
        encoder.write_all(&bytes)?;
        bytes = Bytes::from(encoder.finish()?);
        head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        head.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Ok((head, bytes))
}

fn ordered(status: u16, headers: &serde_json::Map<String, Value>, body: Option<&Value>) -> Response<Body> {
    let reply = match body {
        None => ApiError::new(status, "Ordered by a fault rule").into(),
        Some(Value::String(text)) => Reply { status, content_type: "text/plain", body: text.clone().into_bytes() },
        Some(value) => Reply::json(status, value),
    };
    let mut response = reply.into_response();
    for (name, value) in headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(text)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The head announces more, but only the beginning of the body comes. Then nothing for a while, and a reset; or an end at
/// once.
fn beginning(bytes: Bytes, after: usize, hold: Option<(u64, Arc<Wire>)>) -> Body {
    let beginning = bytes.slice(..after.min(bytes.len()));
    let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(1);
    tokio::spawn(async move {
        let sent = sender.send(Ok(beginning)).await;
        let Some((ms, wire)) = hold else { return };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = sender.closed() => return,
        }
        wire.reset();
        if sent.is_ok() {
            let _gone = sender.send(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut to order"))).await;
        }
    });
    Body::new(Chunks(receiver))
}

struct Chunks(tokio::sync::mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<io::Result<hyper::body::Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|c| c.map(hyper::body::Frame::data)))
    }
}
