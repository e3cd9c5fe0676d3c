//! The one error type of the core. No C types here: `ffi` converts.

mod items;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

pub use items::{FailedRequest, Items, told};

/// What the program should do next. The numbers are the ABI's, fixed for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    InvalidArgument = 1,
    Config = 2,
    Auth = 3,
    Access = 4,
    Api = 5,
    NotFound = 6,
    Duplicated = 7,
    Partial = 8,
    Connection = 10,
    Tls = 11,
    Timeout = 12,
    Cancelled = 13,
    Decode = 14,
    Io = 15,
    Empty = 20,
    Shutdown = 21,
    Forked = 22,
    WouldDeadlock = 23,
    Busy = 24,
    Internal = 99,
}

/// Every status with the name it has in the C header after `COGNITE_ERR_`.
const STATUSES: &[(Status, &str, &std::ffi::CStr)] = &[
    (Status::Ok, "OK", c"OK"),
    (Status::InvalidArgument, "INVALID_ARGUMENT", c"INVALID_ARGUMENT"),
    (Status::Config, "CONFIG", c"CONFIG"),
    (Status::Auth, "AUTH", c"AUTH"),
    (Status::Access, "ACCESS", c"ACCESS"),
    (Status::Api, "API", c"API"),
    (Status::NotFound, "NOT_FOUND", c"NOT_FOUND"),
    (Status::Duplicated, "DUPLICATED", c"DUPLICATED"),
    (Status::Partial, "PARTIAL", c"PARTIAL"),
    (Status::Connection, "CONNECTION", c"CONNECTION"),
    (Status::Tls, "TLS", c"TLS"),
    (Status::Timeout, "TIMEOUT", c"TIMEOUT"),
    (Status::Cancelled, "CANCELLED", c"CANCELLED"),
    (Status::Decode, "DECODE", c"DECODE"),
    (Status::Io, "IO", c"IO"),
    (Status::Empty, "EMPTY", c"EMPTY"),
    (Status::Shutdown, "SHUTDOWN", c"SHUTDOWN"),
    (Status::Forked, "FORKED", c"FORKED"),
    (Status::WouldDeadlock, "WOULD_DEADLOCK", c"WOULD_DEADLOCK"),
    (Status::Busy, "BUSY", c"BUSY"),
    (Status::Internal, "INTERNAL", c"INTERNAL"),
];

impl Status {
    pub fn code(self) -> i32 {
        self as i32
    }

    pub fn name(self) -> &'static str {
        STATUSES.iter().find(|s| s.0 == self).map_or("UNKNOWN", |s| s.1)
    }

    /// The name of a number that came from outside; unknown numbers have one too.
    pub fn name_of(code: i32) -> &'static std::ffi::CStr {
        STATUSES.iter().find(|s| s.0.code() == code).map_or(c"UNKNOWN", |s| s.2)
    }
}

/// What went wrong below HTTP, for programs that want to know more than the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Refused,
    Dns,
    Tls,
    Proxy,
    /// The proxy asks for a name and password, or refuses those given.
    ProxyAuth,
    Reset,
    Closed,
    Protocol,
    ConnectTimeout,
    IdleTimeout,
    TotalTimeout,
    BodyDecode,
    TooLarge,
    /// The identity provider answered, but not with a usable token.
    TokenIncomplete,
    /// The identity provider refused to begin a login with a device code.
    DeviceStart,
    /// A header, or the token in one, cannot be sent: HTTP does not allow its name or value.
    Header,
}

impl Cause {
    pub fn name(self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::Dns => "dns",
            Cause::Tls => "tls",
            Cause::Proxy => "proxy",
            Cause::ProxyAuth => "proxy_auth",
            Cause::Reset => "reset",
            Cause::Closed => "closed",
            Cause::Protocol => "protocol",
            Cause::ConnectTimeout => "connect_timeout",
            Cause::IdleTimeout => "idle_timeout",
            Cause::TotalTimeout => "total_timeout",
            Cause::BodyDecode => "body_decode",
            Cause::TooLarge => "too_large",
            Cause::TokenIncomplete => "token_incomplete",
            Cause::DeviceStart => "device_start",
            Cause::Header => "header",
        }
    }
}

/// How far a request had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a place, a token or a connection: nothing of the request was sent.
    Connect,
    /// Sent in part or whole, no answer yet.
    Send,
    /// The answer had begun.
    Body,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Connect => "connect",
            Phase::Send => "send",
            Phase::Body => "body",
        }
    }
}

/// Everything known about a failure. Fields that do not apply keep their default.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    pub http_status: u16,
    pub code: Option<String>,
    pub service_message: Option<Value>,
    pub request_id: Option<String>,
    pub missing: Option<Vec<Value>>,
    pub duplicated: Option<Vec<Value>>,
    pub extra: Option<Value>,
    pub cluster: Option<String>,
    pub project: Option<String>,
    /// Asked for after a 401: projects the token does reach; `Some(None)` when that could not be found out.
    pub maybe_projects: Option<Option<Vec<String>>>,
    pub oauth_error: Option<String>,
    pub oauth_description: Option<String>,
    /// The identity provider's name for the request, for its support.
    pub correlation_id: Option<String>,
    pub attempts: u32,
    pub retryable: bool,
    pub in_doubt: bool,
    pub retry_after: Option<Duration>,
    pub cause: Option<Cause>,
    pub phase: Option<Phase>,
    pub method: Option<String>,
    /// Without query and user info: both can carry secrets.
    pub url: Option<String>,
    pub location: Option<String>,
    /// Of an operation that makes several requests.
    pub items: Option<Arc<Items>>,
    /// What a read had got before it failed; the layer that made it knows what it is.
    pub partial: Option<Arc<dyn Any + Send + Sync>>,
}

/// A failure: a status for the program, a sentence for the human, and the facts.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    status: Status,
    message: String,
    detail: Detail,
}

/// Longest message kept, in bytes. A server may answer with a novel.
const MAX_MESSAGE: usize = 4096;

impl Error {
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { status, message: one_line(&message.into()), detail: Detail::default() }))
    }

    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Status::InvalidArgument, message)
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Status::Config, message)
    }

    pub fn auth(message: impl Into<String>) -> Self {
        Self::new(Status::Auth, message)
    }

    pub fn shutdown() -> Self {
        Self::new(
            Status::Shutdown,
            "the library was shut down while this call was running or being made; calls made after cognite_shutdown has returned work again",
        )
    }

    pub fn internal(what: impl fmt::Display) -> Self {
        Self::new(Status::Internal, format!("a defect of libcognite was contained: {what}; please report it"))
    }

    /// Fills in facts; returns itself so that it reads as part of the making.
    #[must_use]
    pub fn with(mut self, fill: impl FnOnce(&mut Detail)) -> Self {
        fill(&mut self.0.detail);
        self
    }

    pub fn status(&self) -> Status {
        self.0.status
    }

    pub fn set_status(&mut self, status: Status) {
        self.0.status = status;
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn set_message(&mut self, message: impl Into<String>) {
        self.0.message = one_line(&message.into());
    }

    pub fn detail(&self) -> &Detail {
        &self.0.detail
    }

    pub fn detail_mut(&mut self) -> &mut Detail {
        &mut self.0.detail
    }

    /// One document with everything, as text: items keep every digit they were given with.
    pub fn to_json_text(&self) -> String {
        let mut text = self.to_json().to_string();
        if let Some(items) = &self.0.detail.items {
            text.pop();
            items.write(&mut text);
            text.push('}');
        }
        text
    }

    /// The same without what became of the items; absent members are unknown.
    pub fn to_json(&self) -> Value {
        let (s, d) = (self.0.status, &self.0.detail);
        let mut m = Map::new();
        m.insert("status".into(), json!(s.code()));
        m.insert("statusName".into(), json!(s.name()));
        m.insert("message".into(), json!(self.0.message));
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(v) = value {
                m.insert(key.into(), v);
            }
        };
        put("httpStatus", (d.http_status != 0).then(|| json!(d.http_status)));
        put("code", d.code.as_ref().map(|v| json!(v)));
        put("serviceMessage", d.service_message.clone());
        put("requestId", d.request_id.as_ref().map(|v| json!(v)));
        put("missing", d.missing.as_ref().map(|v| json!(v)));
        put("duplicated", d.duplicated.as_ref().map(|v| json!(v)));
        put("extra", d.extra.clone());
        put("cluster", d.cluster.as_ref().map(|v| json!(v)));
        put("project", d.project.as_ref().map(|v| json!(v)));
        put("maybeProjects", d.maybe_projects.as_ref().map(|v| json!(v)));
        put("oauthError", d.oauth_error.as_ref().map(|v| json!(v)));
        put("oauthDescription", d.oauth_description.as_ref().map(|v| json!(v)));
        put("correlationId", d.correlation_id.as_ref().map(|v| json!(v)));
        put("attempts", Some(json!(d.attempts)));
        put("retryable", Some(json!(d.retryable)));
        put("inDoubt", Some(json!(d.in_doubt)));
        put("retryAfterMs", d.retry_after.map(|v| json!(v.as_millis() as u64)));
        put("cause", d.cause.map(|v| json!(v.name())));
        put("phase", d.phase.map(|v| json!(v.name())));
        put("method", d.method.as_ref().map(|v| json!(v)));
        put("url", d.url.as_ref().map(|v| json!(v)));
        put("location", d.location.as_ref().map(|v| json!(v)));
        Value::Object(m)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.status.name(), self.0.message)
    }
}

impl std::error::Error for Error {}

/// Control characters (line ends among them) become spaces, runs of space shrink, the length is bounded.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_MESSAGE));
    let mut space = false;
    for c in text.trim().chars() {
        if c.is_control() || c == ' ' {
            space = true;
            continue;
        }
        if space {
            out.push(' ');
            space = false;
        }
        if out.len() + c.len_utf8() > MAX_MESSAGE {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_bounded_line() {
        let e = Error::config(format!("a\r\n\tb\0c {}", "x".repeat(10_000)));
        assert!(e.message().starts_with("a b c x"));
        assert!(e.message().len() <= MAX_MESSAGE + 4);
        assert!(!e.message().contains('\n'));
    }

    #[test]
    fn every_status_has_its_own_name_and_number() {
        for (i, a) in STATUSES.iter().enumerate() {
            assert_eq!(a.1, a.2.to_str().unwrap());
            assert_eq!(Status::name_of(a.0.code()), a.2);
            assert!(STATUSES[i + 1..].iter().all(|b| b.1 != a.1 && b.0.code() != a.0.code()));
        }
        assert_eq!(Status::name_of(12345), c"UNKNOWN");
    }

    #[test]
    fn json_leaves_out_what_is_unknown() {
        let v = Error::auth("no").to_json();
        assert_eq!(v["status"], 3);
        assert!(v.get("httpStatus").is_none() && v.get("maybeProjects").is_none());
        let v = Error::auth("no").with(|d| d.maybe_projects = Some(None)).to_json();
        assert!(v["maybeProjects"].is_null() && v.get("maybeProjects").is_some());
    }
}
