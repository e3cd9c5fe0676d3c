//! Listening, and connections that can be dropped the hard way.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Config;
use crate::contract::Contract;
use crate::http::respond;
use crate::routes::router;
use crate::state::State;

/// A running emulator. Dropping it leaves the emulator running as long as its runtime does.
pub struct Server {
    addr: SocketAddr,
    state: Arc<State>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Binds and starts serving in the background of the current runtime.
pub async fn start(config: Config) -> io::Result<Server> {
    let contract = config.openapi.as_deref().map(Contract::load).transpose().map_err(io::Error::other)?;
    let listener = TcpListener::bind((config.host.as_str(), config.port)).await?;
    let addr = listener.local_addr()?;
    let state = Arc::new(State::new(config, contract));
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, Arc::clone(&state), stopped));
    Ok(Server { addr, state, stop, task })
}

impl Server {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn url(&self) -> String {
        let host = &self.state.config.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("http://{host}:{}", self.addr.port())
    }

    /// What a program that started the emulator has to know.
    pub fn ready(&self) -> Value {
        let (url, config) = (self.url(), &self.state.config);
        json!({
            "url": url,
            "port": self.addr.port(),
            "project": config.project,
            "token_url": format!("{url}/oauth2/token"),
            "client_id": config.client_id,
            "client_secret": config.client_secret,
            "scopes": format!("{url}/.default"),
        })
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
                Ok((stream, _)) => {
                    let (state, router) = (Arc::clone(&state), router.clone());
                    connections.spawn(async move {
                        let reset = Arc::new(AtomicBool::new(false));
                        let _small = stream.set_nodelay(true);
                        let io = TokioIo::new(Connection { stream, reset: Arc::clone(&reset) });
                        let service = service_fn(move |request| {
                            respond(Arc::clone(&state), router.clone(), Arc::clone(&reset), request)
                        });
                        // An error here is a client that went away, or a drop to order.
                        let _ended = http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(Duration::from_secs(600))
                            .serve_connection(io, service)
                            .await;
                    });
                }
                // Out of file descriptors, most likely: some will be back soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    connections.shutdown().await;
}

struct Connection {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Closing with no time to linger sends a reset.
            let _best_effort = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown would announce an orderly end before the reset.
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
