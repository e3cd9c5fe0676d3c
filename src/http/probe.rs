//! Single steps on the way to a server, for a diagnosis: the proxy, the name, the connection, the certificate, one request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Url};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::certificate::{self, Facts};
use super::client::HttpClient;
use super::failure::tls_sentence;
use super::progress::Progress;
use super::tls::{Trust, client_config};
use super::transport::{Answer, Exchange, Failure};
use crate::auth::engine::Header;
use crate::auth::form::base64url_padded;
use crate::error::Error;
use crate::runtime;

/// Where the connection is made to, if not to the server itself.
pub struct Proxy {
    pub url: Url,
    pub from_environment: bool,
    authorization: Option<String>,
}

impl Proxy {
    /// Without its password.
    pub fn shown(&self) -> String {
        crate::redact::url(self.url.as_str())
    }
}

/// What came of a handshake: the certificate, also that of a server which is not trusted.
pub struct Handshake {
    pub facts: Facts,
    /// Why it is not trusted.
    pub refused: Option<String>,
}

/// An answer to a proxy's CONNECT is a line and some headers.
const LONGEST_CONNECT: usize = 8192;

impl HttpClient {
    /// The proxy that requests to the service go through: the setting's, else the environment's.
    pub fn proxy(&self) -> Option<Proxy> {
        let url = self.transport.proxy_for(&self.checked().base_url.url)?.clone();
        let authorization = basic(&url);
        Some(Proxy { url, from_environment: self.settings().proxy.is_none(), authorization })
    }

    pub fn checks_certificates(&self) -> bool {
        !self.transport.settings().disable_ssl
    }

    /// The token in force and, if known, how long it is good for.
    pub async fn token(&self) -> Result<(Header, Option<Duration>), Error> {
        let header = self.tokens.header().await?;
        Ok((header, self.tokens.expires_in()))
    }

    /// One GET below the base URL, not repeated.
    pub async fn probe(&self, path: &str, token: Option<&Header>, idle: Duration) -> Result<Answer, Error> {
        let target = super::url::resolve(&self.checked().base_url, path, None)?;
        let (headers, body) = (super::headers::standard(self.checked())?, Bytes::new());
        let alone = Exchange::alone(&Method::GET, &target.url, &headers, &body, idle);
        let exchange = Exchange { authorization: token.map(|t| &t.value), ..alone };
        self.transport.exchange(exchange, &Progress::new(false)).await.map_err(Failure::into_error)
    }

    /// A TLS handshake with the service over `stream`, which must lead to it. `trust_anything`: to read the certificate
    /// of a server that is not trusted; nothing is sent to it.
    pub async fn handshake(&self, stream: TcpStream, trust_anything: bool) -> Result<Handshake, String> {
        let trust = if trust_anything || !self.checks_certificates() { Trust::Anything } else { Trust::Authorities };
        let config = client_config(trust, &self.transport.settings().network).map_err(|e| e.message().to_owned())?;
        let host = self.checked().base_url.url.host_str().unwrap_or_default().to_owned();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| format!("{host} cannot be the name in a certificate"))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        match connector.connect(name, stream).await {
            Ok(stream) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|c| c.first());
                let facts = shown.map(|c| certificate::facts(c)).unwrap_or_default();
                Ok(Handshake { facts, refused: None })
            }
            Err(e) => match e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(tls @ rustls::Error::InvalidCertificate(_)) => {
                    Ok(Handshake { facts: Facts::default(), refused: Some(tls_sentence(tls, &host)) })
                }
                Some(tls) => Err(tls_sentence(tls, &host)),
                None => Err(format!("{host} ended the handshake: {e}")),
            },
        }
    }
}

/// The user name and password of a proxy's URL as it wants them.
fn basic(proxy: &Url) -> Option<String> {
    if proxy.username().is_empty() {
        return None;
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = format!("{}:{}", plain(proxy.username()), plain(proxy.password().unwrap_or_default()));
    // The header wants the alphabet that is not made for URLs.
    Some(format!("Basic {}", base64url_padded(pair.as_bytes()).replace('-', "+").replace('_', "/")))
}

/// Addresses of a host.
pub async fn look_up(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    // A thread is begun for it, with the mask of the one that begins it.
    runtime::on_engine().await;
    Ok(tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await?.collect())
}

/// Connects to the first address that answers.
pub async fn connect(addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
    // What follows is said over this socket in its own way.
    runtime::on_engine().await;
    TcpStream::connect(addresses).await
}

/// Has an HTTP proxy lead `stream` on to `url`.
pub async fn tunnel(mut stream: TcpStream, proxy: &Proxy, url: &Url) -> Result<TcpStream, String> {
    let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n");
    if let Some(value) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: {value}\r\n"));
    }
    request.push_str("\r\n");
    let broke = |e: std::io::Error| format!("the proxy broke the connection: {e}");
    stream.write_all(request.as_bytes()).await.map_err(broke)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < LONGEST_CONNECT {
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(e) => return Err(broke(e)),
        }
    }
    let line = String::from_utf8_lossy(answer.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned();
    match line.split(' ').nth(1) {
        Some("200") => Ok(stream),
        _ => Err(format!("the proxy did not let the connection through: {line}")),
    }
}
