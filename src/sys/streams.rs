//! Descriptors 0 to 2 belong to the standard streams, also where the host has closed them: what it prints all the same, or we
//! do for `debug`, must not go into a connection, a handle or a file of ours that took the number.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const LAST: i32 = 2;

/// Whether a descriptor has the number of a standard stream.
pub fn is_low(fd: &impl AsRawFd) -> bool {
    fd.as_raw_fd() <= LAST
}

/// The same under a number of its own.
pub fn above(fd: OwnedFd) -> io::Result<OwnedFd> {
    if !is_low(&fd) {
        return Ok(fd);
    }
    // SAFETY: plain numbers; the result is checked.
    let higher = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, LAST + 1) };
    if higher < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor just made, that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(higher) })
}
