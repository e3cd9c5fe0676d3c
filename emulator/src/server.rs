//! Listening.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Config;
use crate::contract::Contract;
use crate::routes::router;
use crate::state::State;
use crate::surround::respond;
use crate::tls::Tls;
use crate::wire::{Connection, Wire};

const MAX_CONNECTIONS: usize = 10_000;
const HANDSHAKE: Duration = Duration::from_secs(30);

/// A running emulator. Dropping it leaves the emulator running as long as its runtime does.
pub struct Server {
    addr: SocketAddr,
    state: Arc<State>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Binds and starts serving in the background of the current runtime.
pub async fn start(config: Config) -> io::Result<Server> {
    let listener = TcpListener::bind((config.host.as_str(), config.port)).await?;
    let addr = listener.local_addr()?;
    let state = Arc::new(prepared(config)?);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, Arc::clone(&state), stopped));
    Ok(Server { addr, state, stop, task })
}

/// The state an emulator begins with.
pub fn prepared(config: Config) -> io::Result<State> {
    let contract = config.openapi.as_deref().map(Contract::load).transpose().map_err(io::Error::other)?;
    let tls = config.tls.then(|| Tls::new(&config.host, config.tls_dir.as_deref())).transpose()?;
    let faults = config.faults.as_deref().map(std::fs::read).transpose()?;
    let state = State::new(config, contract, tls);
    if let Some(text) = faults {
        let rules = serde_json::from_slice(&text)?;
        state.faults().set(rules, state.clock.now()).map_err(|e| io::Error::other(e.message))?;
    }
    if let Some(now) = state.config.clock {
        state.clock.order(json!({ "set": now }).to_string().as_bytes()).map_err(|e| io::Error::other(e.message))?;
    }
    if let Some(seed) = &state.config.seed {
        crate::seed::plant(&state, seed).map_err(io::Error::other)?;
    }
    Ok(state)
}

impl Server {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn url(&self) -> String {
        let host = &self.state.config.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let scheme = if self.state.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{}", self.addr.port())
    }

    /// What a program that started the emulator has to know.
    pub fn ready(&self) -> Value {
        let (url, config) = (self.url(), &self.state.config);
        let mut ready = json!({
            "url": url,
            "port": self.addr.port(),
            "project": config.project,
            "token_url": format!("{url}/oauth2/token"),
            "client_id": config.client_id,
            "client_secret": config.client_secret,
            "scopes": format!("{url}/.default"),
        });
        if let (Some(tls), Value::Object(map)) = (&self.state.tls, &mut ready) {
            map.insert("ca_pem".into(), json!(tls.ca_pem));
            let file = config.tls_dir.as_deref().map(|dir| dir.join("ca.pem"));
            map.extend(file.map(|file| ("ca_file".into(), json!(file.to_string_lossy()))));
        }
        ready
    }

    /// Closes the listener and every connection.
    pub async fn stop(self) {
        let _nobody_listens = self.stop.send(true);
        let _ended = self.task.await;
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, mut stopped: watch::Receiver<bool>) {
    let router = router(Arc::clone(&state));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                // More than these can hold no more than a place; they are told so by the end of the connection.
                Ok(_) if connections.len() >= MAX_CONNECTIONS => {}
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&state), router.clone()));
                }
                // Out of file descriptors, most likely: some will be back soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    connections.shutdown().await;
}

// Errors here are a client that went away or does not trust the authority, or a drop to order.
async fn connection(stream: TcpStream, state: Arc<State>, router: Router) {
    let wire = Wire::new(stream, state.tls.is_some());
    match &state.tls {
        None => serve(Connection(Arc::clone(&wire)), wire, state, router).await,
        Some(tls) => {
            let shaken = tls.acceptor.accept(Connection(Arc::clone(&wire)));
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, shaken).await {
                serve(stream, wire, Arc::clone(&state), router).await;
            }
        }
    }
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    wire: Arc<Wire>,
    state: Arc<State>,
    router: Router,
) {
    let service = service_fn(move |request| respond(Arc::clone(&state), router.clone(), Arc::clone(&wire), request));
    let _ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(600))
        .serve_connection(TokioIo::new(io), service)
        .await;
}
