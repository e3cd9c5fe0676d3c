//! Sockets as the fast path needs them: received straight into a buffer's free room, sent without SIGPIPE, looked at
//! without taking anything.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;

use socket2::SockRef;

/// A write to a connection that is gone is an error here, never a signal: the calling thread is the host's.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
const QUIETLY: i32 = libc::MSG_NOSIGNAL;
/// Elsewhere the socket itself was told so (`prepare`), or there are no signals.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
const QUIETLY: i32 = 0;

/// What a new connection's socket is told once.
pub fn prepare(socket: SockRef<'_>) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    let _ = &socket;
    Ok(())
}

/// Appends what has arrived, `most` bytes at most. Nothing is zeroed before it is written over.
pub fn receive(socket: SockRef<'_>, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    let most = most.min(into.capacity() - into.len());
    let room = into.spare_capacity_mut();
    let most = most.min(room.len());
    let n = loop {
        match socket.recv(&mut room[..most]) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    // SAFETY: the system has written the first `n` bytes of the room behind the length, and `n <= most <= room`.
    unsafe { into.set_len(into.len() + n.min(most)) };
    Ok(n)
}

/// Sends what the system takes at once of several pieces.
pub fn send(socket: SockRef<'_>, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    loop {
        match socket.send_vectored_with_flags(pieces, QUIETLY) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whether nothing has arrived: no byte, no end, no error. The socket must not block.
pub fn is_quiet(socket: SockRef<'_>) -> bool {
    let mut byte = [MaybeUninit::uninit(); 1];
    loop {
        match socket.peek(&mut byte) {
            Ok(_) => return false,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
        }
    }
}
