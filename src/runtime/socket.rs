//! A connected socket that waits where it is used: on an I/O thread through the engine, on a caller's thread that drives
//! its own call (`drive`) by sleeping there.

use std::io::{self, IoSlice};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, Interest};

#[cfg(unix)]
use super::drive;
use crate::sys::socket;
#[cfg(unix)]
use crate::sys::streams;

/// Whether a socket that is used now is waited for on the calling thread, not by the engine.
pub fn is_driven() -> bool {
    #[cfg(unix)]
    return drive::is_driving();
    #[cfg(not(unix))]
    false
}

/// Not where standard output would be, had the host not closed it.
#[cfg(unix)]
fn off_the_streams(stream: tokio::net::TcpStream) -> io::Result<tokio::net::TcpStream> {
    if !streams::is_low(&stream) {
        return Ok(stream);
    }
    let higher = streams::above(stream.into_std()?.into())?;
    tokio::net::TcpStream::from_std(higher.into())
}

pub struct Socket(State);

enum State {
    /// Known to the engine: it is told what happens to it.
    Registered(tokio::net::TcpStream),
    /// Known to nobody.
    #[cfg_attr(not(unix), expect(dead_code))]
    Bare(std::net::TcpStream),
    /// Moving from one to the other failed.
    Lost,
}

impl Socket {
    pub fn new(stream: tokio::net::TcpStream) -> io::Result<Self> {
        #[cfg(unix)]
        let stream = off_the_streams(stream)?;
        socket::prepare(SockRef::from(&stream))?;
        Ok(Self(State::Registered(stream)))
    }

    /// Whether it is known to the engine. Where it is used next it need not be moved if that fits.
    pub fn is_registered(&self) -> bool {
        matches!(self.0, State::Registered(_))
    }

    fn raw(&self) -> io::Result<SockRef<'_>> {
        match &self.0 {
            State::Registered(s) => Ok(SockRef::from(s)),
            State::Bare(s) => Ok(SockRef::from(s)),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Nothing has arrived, not even the end. `fresh`: it was used a moment ago, so what the engine knows of it is enough.
    pub fn is_quiet(&self, fresh: bool) -> bool {
        if let (State::Registered(s), true) = (&self.0, fresh)
            && s.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_pending()
        {
            return true;
        }
        self.raw().is_ok_and(socket::is_quiet)
    }

    /// Sends what the system takes of several pieces; waits when it takes nothing.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.settle()?;
        match socket::send(self.raw()?, pieces) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
        match &self.0 {
            State::Registered(s) => loop {
                ready!(s.poll_write_ready(cx))?;
                match s.try_io(Interest::WRITABLE, || socket::send(SockRef::from(s), pieces)) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    other => return Poll::Ready(other),
                }
            },
            #[cfg(unix)]
            State::Bare(s) => {
                drive::wait_for(s, true, cx.waker());
                Poll::Pending
            }
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Appends what has arrived, `most` bytes at most; 0 at the end. `later`: it cannot be there yet, so a look is not
    /// worth its price.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
        later: bool,
    ) -> Poll<io::Result<usize>> {
        self.settle()?;
        match &mut self.0 {
            State::Registered(s) => pin!(s.read_buf(&mut into.limit(most))).poll(cx),
            #[cfg(unix)]
            State::Bare(s) => {
                if !later {
                    match socket::receive(SockRef::from(&*s), into, most) {
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                        other => return Poll::Ready(other),
                    }
                }
                drive::wait_for(s, false, cx.waker());
                Poll::Pending
            }
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Makes it what the calling thread needs.
    fn settle(&mut self) -> io::Result<()> {
        if self.is_registered() != is_driven() {
            return Ok(());
        }
        self.0 = match std::mem::replace(&mut self.0, State::Lost) {
            State::Registered(s) => State::Bare(s.into_std()?),
            State::Bare(s) => State::Registered(tokio::net::TcpStream::from_std(s)?),
            State::Lost => return Err(io::ErrorKind::NotConnected.into()),
        };
        Ok(())
    }

    /// Nobody waits for it any more.
    pub fn rest(&self) {
        #[cfg(unix)]
        if let State::Bare(s) = &self.0 {
            drive::forget(s);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.rest();
    }
}
