//! What went wrong below HTTP, read off the transport's error: the cause, and whether it happened while connecting.

use std::error::Error as StdError;
use std::io::ErrorKind;

use crate::error::Cause;

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
            return (Cause::Dns, format!("the name of {peer} cannot be looked up; check the address and the network"));
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
        if error.is_timeout() || io_kind == Some(ErrorKind::TimedOut) {
            return (
                Cause::ConnectTimeout,
                format!("no connection to {peer} within the time; is a firewall in between?"),
            );
        }
        return match io_kind {
            Some(ErrorKind::ConnectionRefused) => {
                (Cause::Refused, format!("{peer} refused the connection; is the address right and the service up?"))
            }
            _ => (Cause::Refused, format!("no connection to {peer}: {words}")),
        };
    }
    if let Some(h) = hyper_error {
        if h.is_parse() || h.is_parse_status() {
            return (Cause::Protocol, format!("{peer} answered with something that is not HTTP: {h}"));
        }
        if h.is_canceled() {
            return (Cause::Closed, format!("{peer} closed the connection before the request was sent"));
        }
        if h.is_incomplete_message() {
            return (Cause::Closed, format!("{peer} closed the connection before the answer was complete"));
        }
    }
    match io_kind {
        Some(ErrorKind::UnexpectedEof) => {
            (Cause::Closed, format!("{peer} closed the connection before the answer was complete"))
        }
        // How the transport says that chunks or lengths are not what HTTP allows.
        Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
            (Cause::Protocol, format!("{peer} answered with something that is not HTTP: {words}"))
        }
        Some(ErrorKind::TimedOut) => (Cause::IdleTimeout, format!("no data from {peer} within the time")),
        Some(kind) => (Cause::Reset, format!("the connection to {peer} broke: {kind}")),
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
