//! Bytes to a server and back, with or without TLS between them.

use std::io::{self, BufRead, IoSlice, Write};
use std::task::{Context, Poll, ready};

use rustls::ClientConnection;

use crate::runtime::socket::Socket;

/// Ciphertext read at a time: four records.
const CIPHERTEXT: usize = 64 << 10;

pub trait Wire: Send {
    /// Takes what fits of the pieces, which together are what is left of a request. Ready with 0 when there is nothing
    /// left and all of it was handed to the system.
    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: [&[u8]; 2]) -> Poll<io::Result<usize>>;

    /// Appends what has arrived, `most` bytes at most; 0 at the end. `later`: it cannot be there yet.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
        later: bool,
    ) -> Poll<io::Result<usize>>;

    /// Whether any byte that was sent since `begin` may have left this process.
    fn has_passed(&self) -> bool;

    fn begin(&mut self);

    /// Whether another request can be sent: the server has neither ended the connection nor said anything unasked.
    /// `fresh`: the last answer came a moment ago.
    fn is_quiet(&mut self, fresh: bool) -> bool;

    /// Nobody waits for it any more.
    fn rest(&self);

    /// Known to the engine, or to be waited for by a caller's thread.
    fn is_registered(&self) -> bool;
}

pub struct Plain {
    socket: Socket,
    passed: bool,
}

impl Plain {
    pub fn new(socket: Socket) -> Self {
        Self { socket, passed: false }
    }
}

impl Wire for Plain {
    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        let n = match pieces {
            [[], []] => return Poll::Ready(Ok(0)),
            [one, []] | [[], one] => ready!(self.socket.poll_send(cx, &[IoSlice::new(one)]))?,
            [head, body] => ready!(self.socket.poll_send(cx, &[IoSlice::new(head), IoSlice::new(body)]))?,
        };
        self.passed |= n > 0;
        match n {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => Poll::Ready(Ok(n)),
        }
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
        later: bool,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_receive(cx, into, most, later)
    }

    fn has_passed(&self) -> bool {
        self.passed
    }

    fn begin(&mut self) {
        self.passed = false;
    }

    fn is_quiet(&mut self, fresh: bool) -> bool {
        self.socket.is_quiet(fresh)
    }

    fn rest(&self) {
        self.socket.rest();
    }

    fn is_registered(&self) -> bool {
        self.socket.is_registered()
    }
}

pub struct Tls {
    socket: Socket,
    session: ClientConnection,
    /// Ciphertext that was received; what is not yet taken in begins at `at`.
    input: Vec<u8>,
    at: usize,
    passed: bool,
}

impl Tls {
    pub fn new(socket: Socket, session: ClientConnection) -> Self {
        Self { socket, session, input: Vec::new(), at: 0, passed: false }
    }

    /// Hands the system what the session wants to send.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Writer { socket: &mut self.socket, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => self.passed = true,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in what was received; whether there is something to read, or the end.
    fn digest(&mut self) -> io::Result<()> {
        while let Some(rest) = self.input.get(self.at..).filter(|r| !r.is_empty()) {
            let n = self.session.read_tls(&mut &rest[..])?;
            self.at += n;
            let state =
                self.session.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            if n == 0 || state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
                break;
            }
        }
        Ok(())
    }

    /// Plaintext that is there, appended; `None`: more has to be received first.
    fn take(&mut self, into: &mut Vec<u8>, most: usize) -> Option<io::Result<usize>> {
        let mut reader = self.session.reader();
        let n = match reader.fill_buf() {
            Ok(text) => {
                let text = text.get(..most).unwrap_or(text);
                into.extend_from_slice(text);
                text.len()
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
            Err(e) => return Some(Err(e)),
        };
        reader.consume(n);
        Some(Ok(n))
    }
}

impl Wire for Tls {
    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        // What was taken before goes first, so that no more is kept than one piece.
        if self.session.wants_write() {
            ready!(self.poll_flush(cx))?;
        }
        let mut taken = 0;
        let nothing = pieces.iter().all(|p| p.is_empty());
        for piece in pieces.into_iter().filter(|p| !p.is_empty()) {
            let n = self.session.writer().write(piece)?;
            taken += n;
            if n < piece.len() {
                break;
            }
        }
        // If it has to wait, the next turn flushes.
        if let Poll::Ready(Err(e)) = self.poll_flush(cx) {
            return Poll::Ready(Err(e));
        }
        // Zero says that all is out.
        if taken == 0 && !nothing { Poll::Ready(Err(io::ErrorKind::WriteZero.into())) } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
        mut later: bool,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(done) = self.take(into, most) {
                return Poll::Ready(done);
            }
            if self.at >= self.input.len() {
                self.input.clear();
                self.at = 0;
                self.input.reserve(CIPHERTEXT);
                let n = ready!(self.socket.poll_receive(cx, &mut self.input, CIPHERTEXT, later))?;
                later = false;
                if n == 0 {
                    // Tells the session of the end, which it may find too early.
                    self.session.read_tls(&mut io::empty())?;
                }
            }
            if let Err(e) = self.digest() {
                // The alert that says why, if it can leave at once.
                let _ = self.poll_flush(cx);
                return Poll::Ready(Err(e));
            }
            if self.session.wants_write()
                && let Poll::Ready(Err(e)) = self.poll_flush(cx)
            {
                return Poll::Ready(Err(e));
            }
        }
    }

    fn has_passed(&self) -> bool {
        self.passed
    }

    fn begin(&mut self) {
        self.passed = false;
    }

    fn is_quiet(&mut self, fresh: bool) -> bool {
        // Tickets for later sessions come whenever the server likes: a connection is only noisy if there is more to it.
        let mut waker = Context::from_waker(std::task::Waker::noop());
        let mut nothing = Vec::new();
        if self.at >= self.input.len() && self.socket.is_quiet(fresh) {
            return !self.session.wants_write();
        }
        matches!(self.poll_receive(&mut waker, &mut nothing, 1, false), Poll::Pending) && !self.session.wants_write()
    }

    fn rest(&self) {
        self.socket.rest();
    }

    fn is_registered(&self) -> bool {
        self.socket.is_registered()
    }
}

/// The socket as rustls writes to it. Gathers, so that many records cost one call.
struct Writer<'a, 'b> {
    socket: &'a mut Socket,
    cx: &'a mut Context<'b>,
}

impl Write for Writer<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.socket.poll_send(self.cx, pieces) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
