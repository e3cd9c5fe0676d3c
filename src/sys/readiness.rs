//! A handle of the operating system that others wait on: readable or not, nothing more. Linux: an eventfd; other Unix: a
//! pipe; Windows: an event that stays set until it is reset.

#[cfg(windows)]
mod event {
    use std::ffi::c_void;
    use std::io;
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn CreateEventW(security: *const c_void, manual_reset: i32, signalled: i32, name: *const u16) -> RawHandle;
        fn SetEvent(event: RawHandle) -> i32;
        fn ResetEvent(event: RawHandle) -> i32;
    }

    pub struct Readiness(OwnedHandle);

    impl Readiness {
        pub fn new() -> io::Result<Self> {
            // SAFETY: no security attributes and no name are both allowed; the result is checked.
            let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
            if event.is_null() {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: a handle just made, that nobody else owns.
            Ok(Self(unsafe { OwnedHandle::from_raw_handle(event) }))
        }

        pub fn handle(&self) -> isize {
            self.0.as_raw_handle() as isize
        }

        pub fn raise(&self) {
            // SAFETY: an event of ours, which is open.
            unsafe { SetEvent(self.0.as_raw_handle()) };
        }

        pub fn clear(&self) {
            // SAFETY: as above.
            unsafe { ResetEvent(self.0.as_raw_handle()) };
        }
    }
}

#[cfg(windows)]
pub use event::Readiness;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod eventfd {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use crate::sys::streams::above;

    pub struct Readiness(OwnedFd);

    impl Readiness {
        pub fn new() -> io::Result<Self> {
            // SAFETY: plain numbers; the result is checked.
            let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: a descriptor just made, that nobody else owns.
            Ok(Self(above(unsafe { OwnedFd::from_raw_fd(fd) })?))
        }

        pub fn handle(&self) -> isize {
            self.0.as_raw_fd() as isize
        }

        pub fn raise(&self) {
            super::write(self.0.as_raw_fd(), &1u64.to_ne_bytes());
        }

        pub fn clear(&self) {
            super::read(self.0.as_raw_fd());
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use eventfd::Readiness;

/// Also built for the tests on Linux, so that it is run somewhere.
#[cfg(all(unix, any(test, not(any(target_os = "linux", target_os = "android")))))]
mod pipe {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use crate::sys::streams::above;

    pub struct Readiness {
        read: OwnedFd,
        write: OwnedFd,
    }

    impl Readiness {
        pub fn new() -> io::Result<Self> {
            let mut ends = [0; 2];
            // SAFETY: room for two descriptors; the result is checked.
            if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: descriptors just made, that nobody else owns.
            let (read, write) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
            let made = Self { read: above(read)?, write: above(write)? };
            for end in [made.read.as_raw_fd(), made.write.as_raw_fd()] {
                // SAFETY: flags of a descriptor we own.
                let set = unsafe {
                    libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK) == 0
                        && libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) == 0
                };
                if !set {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(made)
        }

        pub fn handle(&self) -> isize {
            self.read.as_raw_fd() as isize
        }

        pub fn raise(&self) {
            super::write(self.write.as_raw_fd(), &[1]);
        }

        pub fn clear(&self) {
            super::read(self.read.as_raw_fd());
        }
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub use pipe::Readiness;

/// Cannot block or raise SIGPIPE: the descriptor does not block and its other end is ours, and open.
#[cfg(unix)]
fn write(fd: libc::c_int, bytes: &[u8]) {
    // SAFETY: as many readable bytes as are named.
    while unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } < 0 && interrupted() {}
}

#[cfg(unix)]
fn read(fd: libc::c_int) {
    let mut bytes = [0u8; 8];
    // SAFETY: as many writable bytes as are named.
    while unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) } < 0 && interrupted() {}
}

#[cfg(unix)]
fn interrupted() -> bool {
    std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
}

#[cfg(test)]
mod tests {
    #[cfg(windows)]
    fn readable(event: isize) -> bool {
        #[link(name = "kernel32")]
        unsafe extern "system" {
            fn WaitForSingleObject(object: isize, milliseconds: u32) -> u32;
        }
        // SAFETY: an open handle, not waited for.
        unsafe { WaitForSingleObject(event, 0) == 0 }
    }

    #[cfg(unix)]
    fn readable(fd: isize) -> bool {
        let mut wait = libc::pollfd { fd: fd as libc::c_int, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, as said.
        unsafe { libc::poll(&mut wait, 1, 0) == 1 }
    }

    macro_rules! raised_and_cleared {
        ($readiness:expr) => {
            let r = $readiness.unwrap();
            for _ in 0..3 {
                assert!(!readable(r.handle()));
                r.clear(); // nothing to take, and does not wait for it
                r.raise();
                assert!(readable(r.handle()) && readable(r.handle()));
                r.clear();
            }
            assert!(!readable(r.handle()));
        };
    }

    #[test]
    fn readable_when_raised() {
        raised_and_cleared!(super::Readiness::new());
        #[cfg(unix)]
        raised_and_cleared!(super::pipe::Readiness::new());
    }
}
