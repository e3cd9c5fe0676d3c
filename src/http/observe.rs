//! What is told of a call: records for the host's log, and for a client with `debug` lines on standard error.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap};
use serde_json::{Map, Value, json};

use super::client::{Call, Response};
use crate::auth::engine::Header;
use crate::error::Error;
use crate::log::{self, Level, Record};
use crate::redact;

/// A longer URL is cut in records.
const LONGEST_URL: usize = 2000;
/// What a compressed body may grow to when it is looked at again.
const LONGEST_BODY: u64 = 4 << 20;

/// Headers as JSON, values of secret ones masked.
fn headers(map: &HeaderMap) -> Value {
    let mut out = Map::new();
    for (name, value) in map {
        let shown = match value.is_sensitive() || redact::is_sensitive_name(name.as_str()) {
            true => "***".to_owned(),
            false => match name.as_str() {
                "location" | "content-location" | "referer" => redact::url_with_query(&latin1(value.as_bytes())),
                _ => redact::text(&latin1(value.as_bytes())).into_owned(),
            },
        };
        out.insert(name.as_str().to_owned(), json!(redact::cut(&shown)));
    }
    Value::Object(out)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| *b as char).collect()
}

fn url(call: &Call) -> String {
    let shown = redact::url_with_query(call.url.as_str());
    match shown.char_indices().nth(LONGEST_URL) {
        None => shown,
        Some((at, _)) => format!("{}...", &shown[..at]),
    }
}

/// The token as text, without its kind.
fn token_text(token: Option<&Header>) -> Option<String> {
    let text = latin1(token?.value.as_bytes());
    Some(text.strip_prefix("Bearer ").unwrap_or(&text).to_owned())
}

/// A server may quote what it was sent.
fn without_token(text: &str, token: Option<&Header>) -> String {
    match token_text(token) {
        Some(token) if token.len() >= 4 => text.replace(&token, "***"),
        _ => text.to_owned(),
    }
}

/// The body of a request as it was given, that is, not compressed.
fn payload(call: &Call, token: Option<&str>) -> Option<String> {
    if call.headers.get(CONTENT_ENCODING).is_none_or(|v| v != "gzip") {
        return redact::body(&call.body, token);
    }
    let mut plain = Vec::new();
    match MultiGzDecoder::new(&call.body[..]).take(LONGEST_BODY + 1).read_to_end(&mut plain) {
        Ok(_) => redact::body(&plain, token),
        Err(_) => Some(format!("({} bytes)", call.body.len())),
    }
}

/// A line for a human and below it one for each fact.
fn to_stderr(line: &str, facts: &[(&str, String)]) {
    let mut text = format!("[cognite] {line}\n");
    for (name, value) in facts {
        let _ = writeln!(text, "    - {name}: {}", value.replace(['\n', '\r'], " "));
    }
    // One write, so that lines of several threads do not mix. A closed stderr is no concern of the call.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// What a client with `debug` shows of a call beside its line. `token`: what was sent, masked wherever it turns up.
struct Facts {
    request_headers: Value,
    payload: Option<String>,
    response_headers: Option<Value>,
    response_payload: Option<String>,
}

impl Facts {
    fn of(call: &Call, token: Option<&Header>, answer: Option<(&HeaderMap, &[u8])>) -> Self {
        let token = token_text(token);
        let token = token.as_deref();
        let mut sent = HeaderMap::clone(&call.headers);
        if let Some(t) = token
            && let Ok(mut value) = reqwest::header::HeaderValue::from_str(t)
        {
            value.set_sensitive(true);
            sent.insert(AUTHORIZATION, value);
        }
        Self {
            request_headers: headers(&sent),
            payload: payload(call, token),
            response_headers: answer.map(|(h, _)| headers(h)),
            response_payload: answer.and_then(|(_, b)| redact::body(b, token)),
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut out = vec![("headers", self.request_headers.to_string())];
        let mut put = |name, value: Option<String>| out.extend(value.map(|v| (name, v)));
        put("payload", self.payload.clone());
        put("response-headers", self.response_headers.as_ref().map(Value::to_string));
        put("response-payload", self.response_payload.clone());
        out
    }

    fn add_to(self, record: Record) -> Record {
        record
            .with("headers", self.request_headers)
            .with_known("payload", self.payload)
            .with_known("response_headers", self.response_headers)
            .with_known("response_payload", self.response_payload)
    }
}

/// A call that ended: its record, and with `debug` its lines.
pub fn done(debug: bool, call: &Call, token: Option<&Header>, ended: &Ended<'_>) {
    let level = if ended.outcome.is_ok() { Level::Debug } else { Level::Warning };
    if !debug && !log::enabled(level) {
        return;
    }
    let url = url(call);
    let (status, said) = match ended.outcome {
        Ok(r) => (r.status, r.status.to_string()),
        Err(e) => (e.detail().http_status, without_token(e.message(), token)),
    };
    let ms = ended.elapsed.as_millis();
    let message = format!("{} {url}: {said} ({} attempts, {ms} ms)", call.method, ended.attempts);
    let answer = ended.outcome.ok().map(|r| (&*r.headers, &r.body[..])).or(ended.refused);
    let facts = debug.then(|| Facts::of(call, token, answer));
    if let Some(facts) = &facts {
        to_stderr(&message, &facts.lines());
    }
    if !log::enabled(level) {
        return;
    }
    let request_id = match ended.outcome {
        Ok(r) => r.headers.get("x-request-id").map(|v| latin1(v.as_bytes())),
        Err(e) => e.detail().request_id.clone(),
    };
    let mut record = Record::new(level, "request", message)
        .with("method", call.method.as_str())
        .with("url", url)
        .with_known("status", (status != 0).then_some(status))
        .with("attempts", ended.attempts)
        .with("elapsed_us", ended.elapsed.as_micros() as u64)
        .with_known("request_id", request_id)
        .with("sent_bytes", call.body.len() as u64);
    record = match ended.outcome {
        Ok(r) => record.with("received_bytes", r.body.len() as u64),
        Err(e) => record
            .with("error", e.status().name())
            .with_known("cause", e.detail().cause.map(|c| c.name()))
            .with("in_doubt", e.detail().in_doubt),
    };
    log::emit(match facts {
        Some(facts) => facts.add_to(record),
        None => record,
    });
}

pub struct Ended<'a> {
    pub attempts: u32,
    pub elapsed: Duration,
    pub outcome: Result<&'a Response, &'a Error>,
    /// The answer an error was made of, if it was kept.
    pub refused: Option<(&'a HeaderMap, &'a [u8])>,
}

/// An attempt that failed and will be repeated.
pub struct Again<'a> {
    pub attempt: u32,
    pub wait: Duration,
    pub reason: &'a str,
    pub error: &'a Error,
}

/// A pause before a repeat.
pub fn retry(debug: bool, call: &Call, token: Option<&Header>, again: &Again<'_>) {
    let (attempt, reason) = (again.attempt, again.reason);
    if !debug && !log::enabled(Level::Info) {
        return;
    }
    let url = url(call);
    let ms = again.wait.as_millis() as u64;
    let said = without_token(again.error.message(), token);
    let message = format!("{} {url}: attempt {attempt} failed ({said}); next in {ms} ms", call.method);
    if debug {
        to_stderr(&message, &[("reason", reason.to_owned())]);
    }
    log::emit(
        Record::new(Level::Info, "retry", message)
            .with("method", call.method.as_str())
            .with("url", url)
            .with("attempt", attempt)
            .with("wait_ms", ms)
            .with("reason", reason),
    );
}
