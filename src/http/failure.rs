//! What went wrong below HTTP, told in the same words whichever way the request went: over a connection of our own (what
//! broke is known) or through reqwest (it is read off the error).

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::time::Duration;

use super::body::Fault;
use super::direct::Malformed;
use super::transport::Failure;
use crate::error::{Cause, Error, Phase, Status};

/// Why there is no connection.
#[derive(Debug)]
pub enum Unconnected {
    Name,
    Tcp(io::Error),
    Secure(io::Error),
    /// TLS cannot be set up, or a defect of ours.
    Setup(Error),
    Late,
    GivenUp,
}

/// What ended an exchange that had a connection.
#[derive(Debug)]
pub enum Broken {
    Io(io::Error),
    /// By the server, before the answer was complete.
    Ended,
    Malformed(Malformed),
    /// Nothing moved for the idle time.
    Silent,
    /// An encoding that was not asked for.
    Encoding(String),
    TooLarge,
    Undecodable,
}

impl From<Malformed> for Broken {
    fn from(m: Malformed) -> Self {
        Self::Malformed(m)
    }
}

impl From<Fault> for Broken {
    fn from(f: Fault) -> Self {
        match f {
            Fault::TooLarge => Self::TooLarge,
            Fault::Undecodable => Self::Undecodable,
        }
    }
}

impl Broken {
    /// The cause and a sentence. `idle`: how long nothing moved; `limit`: how large an answer may be.
    pub fn told(&self, peer: &str, idle: Duration, limit: u64) -> (Cause, String) {
        match self {
            Self::Io(e) => broken(e, peer),
            Self::Ended => ended(peer),
            Self::Malformed(m) => not_http(peer, m.0),
            Self::Silent => (Cause::IdleTimeout, format!("{peer} did not send anything for {} ms", idle.as_millis())),
            Self::Encoding(name) => {
                (Cause::BodyDecode, format!("{peer} answered in the encoding '{name}', which was not asked for"))
            }
            Self::TooLarge => (
                Cause::TooLarge,
                format!("the answer of {peer} is larger than the {limit} bytes allowed (max_response_bytes)"),
            ),
            Self::Undecodable => {
                (Cause::BodyDecode, format!("the compressed answer of {peer} is damaged or cut short"))
            }
        }
    }
}

impl Failure {
    /// Nothing was sent.
    pub fn unconnected(why: &Unconnected, peer: &str) -> Self {
        let (cause, message) = match why {
            Unconnected::Name => no_such_name(peer),
            Unconnected::Tcp(e) | Unconnected::Secure(e) => match tls_inside(e) {
                Some(tls) => (Cause::Tls, tls_sentence(tls, peer)),
                None => no_connection(Some(e.kind()), &e.to_string(), peer),
            },
            Unconnected::Setup(e) if e.status() == Status::Tls => (Cause::Tls, e.message().to_owned()),
            Unconnected::Setup(e) => (Cause::Protocol, e.message().to_owned()),
            Unconnected::Late => no_connection(Some(ErrorKind::TimedOut), "", peer),
            Unconnected::GivenUp => (Cause::Closed, format!("the connection to {peer} was given up")),
        };
        Self { cause, phase: Phase::Connect, sent: false, http_status: 0, message }
    }
}

fn no_such_name(peer: &str) -> (Cause, String) {
    (Cause::Dns, format!("the name of {peer} cannot be looked up; check the address and the network"))
}

fn no_connection(kind: Option<ErrorKind>, words: &str, peer: &str) -> (Cause, String) {
    match kind {
        Some(ErrorKind::TimedOut) => {
            (Cause::ConnectTimeout, format!("no connection to {peer} within the time; is a firewall in between?"))
        }
        Some(ErrorKind::ConnectionRefused) => {
            (Cause::Refused, format!("{peer} refused the connection; is the address right and the service up?"))
        }
        _ => (Cause::Refused, format!("no connection to {peer}: {words}")),
    }
}

fn ended(peer: &str) -> (Cause, String) {
    (Cause::Closed, format!("{peer} closed the connection before the answer was complete"))
}

fn not_http(peer: &str, words: impl std::fmt::Display) -> (Cause, String) {
    (Cause::Protocol, format!("{peer} answered with something that is not HTTP: {words}"))
}

/// An error of a connection that was there.
fn broken(e: &io::Error, peer: &str) -> (Cause, String) {
    if let Some(tls) = tls_inside(e) {
        return (Cause::Tls, tls_sentence(tls, peer));
    }
    match e.kind() {
        ErrorKind::UnexpectedEof => ended(peer),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => not_http(peer, e),
        ErrorKind::TimedOut => (Cause::IdleTimeout, format!("no data from {peer} within the time")),
        kind => (Cause::Reset, format!("the connection to {peer} broke: {kind}")),
    }
}

/// The cause of a failed exchange and a sentence for it. `peer` is the host it was with.
pub fn classify(error: &reqwest::Error, peer: &str) -> (Cause, String) {
    let mut io_kind = None;
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    let mut hyper_error = None;
    let mut words = String::new();
    while let Some(e) = source {
        if let Some(tls) = e.downcast_ref::<rustls::Error>() {
            return (Cause::Tls, tls_sentence(tls, peer));
        }
        if let Some(io) = e.downcast_ref::<std::io::Error>() {
            io_kind = Some(io.kind());
            // A TLS failure hides inside an I/O error.
            if let Some(tls) = tls_inside(io) {
                return (Cause::Tls, tls_sentence(tls, peer));
            }
        }
        if let Some(h) = e.downcast_ref::<hyper::Error>() {
            hyper_error = Some(h);
        }
        words = e.to_string();
        if words.starts_with("dns error") {
            return no_such_name(peer);
        }
        if error.is_connect() && words.contains("proxy authorization required") {
            return (
                Cause::ProxyAuth,
                format!(
                    "no connection to {peer}: the proxy asks for a name and password, or refuses those given; they go into the proxy's URL (http://user:password@host:port)"
                ),
            );
        }
        // A proxy that cannot be reached is told like any host that cannot; `peer` names it.
        let reached = !words.contains("failed to create underlying connection");
        if error.is_connect() && reached && (words.contains("tunnel") || words.contains("proxy")) {
            return (Cause::Proxy, format!("the proxy did not let a connection to {peer} through: {words}"));
        }
        source = e.source();
    }
    if error.is_connect() {
        let kind = if error.is_timeout() { Some(ErrorKind::TimedOut) } else { io_kind };
        return no_connection(kind, &words, peer);
    }
    if let Some(h) = hyper_error {
        if h.is_parse() || h.is_parse_status() {
            return not_http(peer, h);
        }
        if h.is_canceled() {
            return (Cause::Closed, format!("{peer} closed the connection before the request was sent"));
        }
        if h.is_incomplete_message() {
            return ended(peer);
        }
    }
    match io_kind {
        // How the transport says that chunks or lengths are not what HTTP allows.
        Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => not_http(peer, &words),
        Some(kind) => broken(&kind.into(), peer),
        None => (Cause::Protocol, format!("the exchange with {peer} failed: {words}")),
    }
}

/// The TLS failure inside an I/O error, however often that is wrapped in others: `source` passes over what is inside.
fn tls_inside(error: &std::io::Error) -> Option<&rustls::Error> {
    let mut error = error;
    loop {
        let inner: &(dyn StdError + 'static) = error.get_ref()?;
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        error = inner.downcast_ref::<std::io::Error>()?;
    }
}

/// Whether the transport gave the request back unsent (a kept-alive connection turned out to be closed).
pub fn surely_unsent(error: &reqwest::Error) -> bool {
    if error.is_connect() {
        return true;
    }
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(e) = source {
        if e.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        source = e.source();
    }
    false
}

pub fn tls_sentence(error: &rustls::Error, peer: &str) -> String {
    use rustls::CertificateError as C;
    let why = match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => {
            "its certificate was issued by an authority that this machine does not trust; if that is your company's own, add it to the system's trust store or name it in SSL_CERT_FILE".to_owned()
        }
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "its certificate has expired (or the clock of this machine is wrong)".to_owned()
        }
        rustls::Error::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "its certificate is not valid yet (or the clock of this machine is wrong)".to_owned()
        }
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another name".to_owned()
        }
        other => other.to_string(),
    };
    format!("no secure connection to {peer}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_failures_are_found_inside_io_errors() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let once = std::io::Error::new(ErrorKind::InvalidData, tls);
        assert!(tls_inside(&once).is_some());
        let twice = std::io::Error::other(once);
        assert!(tls_inside(&twice).is_some());
        assert!(tls_inside(&std::io::Error::other(twice)).is_some());
        assert!(tls_inside(&std::io::Error::from(ErrorKind::TimedOut)).is_none());
        assert!(tls_inside(&std::io::Error::other("words")).is_none());
    }
}
