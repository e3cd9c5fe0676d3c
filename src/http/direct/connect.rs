//! A new connection: name, address, handshake. Runs on the engine's threads, whoever asked for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::connection::Connection;
use super::pool::Origin;
use super::wire::{Plain, Tls, Wire};
use crate::config::network::Network;
use crate::error::Error;
use crate::http::failure::Unconnected;
use crate::http::tls::{Trust, client_config};
use crate::runtime::socket::Socket;

/// How long the addresses of the first family are tried alone.
const HEAD_START: Duration = Duration::from_millis(300);
/// A peer that vanished is noticed after three unanswered questions, or when what was sent stays unanswered so long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TRIES: u32 = 3;
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNANSWERED: Duration = Duration::from_secs(30);

pub struct Dialer {
    pub timeout: Duration,
    pub trust: Trust,
    pub network: Network,
    /// Made with the first secure connection: a program that speaks plain HTTP never reads a trust store.
    pub tls: OnceCell<Arc<ClientConfig>>,
}

impl Dialer {
    pub async fn connect(&self, origin: &Origin) -> Result<Connection, Unconnected> {
        // Reading a trust store is this machine's time, not the network's.
        let tls = if origin.secure { Some(self.tls().map_err(Unconnected::Setup)?) } else { None };
        match tokio::time::timeout(self.timeout, self.connected(origin, tls)).await {
            Ok(done) => done,
            Err(_) => Err(Unconnected::Late),
        }
    }

    async fn connected(&self, origin: &Origin, tls: Option<Arc<ClientConfig>>) -> Result<Connection, Unconnected> {
        let host = origin.host.trim_matches(['[', ']']);
        let name = tokio::net::lookup_host((host, origin.port)).await.map_err(|_| Unconnected::Name)?;
        let stream = dial(name.collect(), self.timeout).await.map_err(Unconnected::Tcp)?;
        prepared(&stream);
        let wire: Box<dyn Wire> = match tls {
            None => Box::new(Plain::new(Socket::new(stream).map_err(Unconnected::Tcp)?)),
            Some(config) => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|e| Unconnected::Secure(io::Error::new(io::ErrorKind::InvalidInput, e)))?;
                let connector = tokio_rustls::TlsConnector::from(config);
                let stream = connector.connect(name, stream).await.map_err(Unconnected::Secure)?;
                let (stream, session) = stream.into_inner();
                Box::new(Tls::new(Socket::new(stream).map_err(Unconnected::Tcp)?, session))
            }
        };
        Ok(Connection::new(wire))
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, Error> {
        self.tls.get_or_try_init(|| client_config(self.trust, &self.network).map(Arc::new)).map(Arc::clone)
    }
}

/// What every connection gets; one that does not take it works too.
fn prepared(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let often = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
    let _ = socket.set_tcp_keepalive(&often.with_retries(KEEP_ALIVE_TRIES));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_user_timeout(Some(UNANSWERED));
}

/// Happy eyeballs (RFC 8305): the family that comes first has a head start before the other is tried as well.
async fn dial(addresses: Vec<SocketAddr>, timeout: Duration) -> io::Result<TcpStream> {
    let v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == v6);
    if second.is_empty() {
        return one_of(&first, timeout).await;
    }
    let (first, second) = (one_of(&first, timeout), one_of(&second, timeout));
    tokio::pin!(first, second);
    tokio::select! {
        biased;
        stream = &mut first => return match stream {
            Ok(stream) => Ok(stream),
            Err(_) => second.await,
        },
        () = tokio::time::sleep(HEAD_START) => {}
    }
    tokio::select! {
        stream = &mut first => if stream.is_ok() { stream } else { second.await },
        stream = &mut second => if stream.is_ok() { stream } else { first.await },
    }
}

/// One after the other, each with its part of the time.
async fn one_of(addresses: &[SocketAddr], timeout: Duration) -> io::Result<TcpStream> {
    let each = timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "its name has no address");
    for address in addresses {
        match tokio::time::timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => last = e,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
