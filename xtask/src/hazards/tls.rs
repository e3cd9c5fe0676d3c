//! A TLS server that shakes hands, reads the head of a request, and breaks the connection: what raises SIGPIPE in a guest
//! that does not take care.

use crate::sh::Res;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub struct Breaker {
    pub port: u16,
    broken: Arc<AtomicUsize>,
}

impl Breaker {
    pub fn start() -> Res<Self> {
        let config = config().map_err(|e| format!("certificate of the TLS server: {e}"))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| format!("TLS server: {e}"))?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        let broken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&broken);
        // Ends with the program.
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (config, counter) = (Arc::clone(&config), Arc::clone(&counter));
                thread::spawn(move || serve(socket, config, &counter));
            }
        });
        Ok(Self { port, broken })
    }

    /// Connections broken after the head of a request had come.
    pub fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }
}

fn config() -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
    let key = KeyPair::generate()?;
    let cert = CertificateParams::new(["127.0.0.1".to_string()])?.self_signed(&key)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], private)?;
    Ok(Arc::new(config))
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, broken: &AtomicUsize) {
    let _ = socket.set_read_timeout(Some(Duration::from_secs(10)));
    let Ok(tls) = ServerConnection::new(config) else { return };
    let mut stream = StreamOwned::new(tls, socket);
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => head.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
    let n = broken.fetch_add(1, Ordering::SeqCst);
    let socket = stream.sock;
    // An RST alone is an error to the client's next write; after a FIN it is EPIPE.
    let (fin, rst) = [(false, true), (true, true), (true, false)][n % 3];
    if fin {
        let _ = socket.set_nonblocking(true);
        while matches!((&socket).read(&mut chunk), Ok(n) if n > 0) {}
        let _ = socket.shutdown(Shutdown::Write);
    }
    if rst {
        let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
}
