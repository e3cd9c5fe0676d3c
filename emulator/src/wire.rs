//! A connection that can be dropped the hard way, or closed on one side.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket below a connection. Without one, a request that came without a network.
#[derive(Default)]
pub struct Wire {
    stream: Option<TcpStream>,
    pub tls: bool,
    reset: AtomicBool,
}

impl Wire {
    pub fn new(stream: TcpStream, tls: bool) -> Arc<Self> {
        let _small = stream.set_nodelay(true);
        Arc::new(Self { stream: Some(stream), tls, reset: AtomicBool::new(false) })
    }

    /// From now on nothing is sent, and the end is a reset.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }

    /// Says that nothing more will be sent, and goes on listening.
    pub fn close_sending(&self) {
        if let Some(stream) = &self.stream {
            let _best_effort = SockRef::from(stream).shutdown(Shutdown::Write);
        }
    }

    fn stream(&self) -> io::Result<&TcpStream> {
        self.stream.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.as_ref().filter(|_| self.is_reset()) {
            // Closing with no time to linger sends a reset.
            let _best_effort = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// The two directions of a wire, as hyper and TLS want them.
pub struct Connection(pub Arc<Wire>);

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.0.stream()?;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(buf.initialize_unfilled()) {
                Ok(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl Connection {
    fn write(
        &self,
        cx: &mut Context<'_>,
        discarded: usize,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.0.is_reset() {
            return Poll::Ready(Ok(discarded));
        }
        let stream = self.0.stream()?;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match write(stream) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, buf.len(), |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, bufs.iter().map(|b| b.len()).sum(), |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown would announce an orderly end before the reset.
        if !self.0.is_reset() {
            self.0.close_sending();
        }
        Poll::Ready(Ok(()))
    }
}
