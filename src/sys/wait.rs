//! Waiting for several sockets at once on the calling thread, and how much of that thread's stack is left.

use std::cell::Cell;

/// One thing to wait for. The numbers are poll's own.
pub type Watched = libc::pollfd;

pub fn watched(fd: i32, write: bool) -> Watched {
    Watched { fd, events: if write { libc::POLLOUT } else { libc::POLLIN }, revents: 0 }
}

/// Sleeps until one of them is ready, broken or not valid. A signal that the host handles wakes nobody.
pub fn wait(all: &mut [Watched]) {
    loop {
        // SAFETY: as many entries as are named, all live; no limit of time.
        let n = unsafe { libc::poll(all.as_mut_ptr(), all.len() as libc::nfds_t, -1) };
        if n >= 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
}

thread_local! {
    /// Lowest and highest address of this thread's stack; `(0, 0)` before it was asked, `(1, 1)` where it is not known.
    static BOUNDS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Bytes left between here and the end of the thread's stack; 0 where that is not known, or the code runs on a stack that
/// is not the thread's own (fibres, signal stacks).
pub fn stack_left() -> usize {
    let mark = std::hint::black_box(0u8);
    let here = std::hint::black_box(&raw const mark) as usize;
    let bounds = BOUNDS.with(|b| {
        if b.get() == (0, 0) {
            b.set(bounds(here).unwrap_or((1, 1)));
        }
        b.get()
    });
    if (bounds.0..bounds.1).contains(&here) { here - bounds.0 } else { 0 }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bounds(here: usize) -> Option<(usize, usize)> {
    if let Some(main) = bounds_of_main().filter(|b| (b.0..b.1).contains(&here)) {
        return Some(main);
    }
    // SAFETY: the attributes are filled by the first call before anything reads them, and released after.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let (mut low, mut size) = (std::ptr::null_mut(), 0);
        let known = libc::pthread_attr_getstack(&attributes, &mut low, &mut size) == 0;
        libc::pthread_attr_destroy(&mut attributes);
        known.then(|| (low as usize, (low as usize).saturating_add(size)))
    }
}

/// The main thread's, from what the system put at its top and from its limit: to ask for it would read all that is mapped
/// into the process, of which a large host has thousands of lines.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn bounds_of_main() -> Option<(usize, usize)> {
    /// Where there is no limit, or none that means anything.
    const ENOUGH: libc::rlim_t = 8 << 20;
    // SAFETY: each reads what the system knows of this process, the limit into memory of ours.
    let (top, limit) = unsafe {
        if libc::gettid() != libc::getpid() {
            return None;
        }
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_STACK, &mut limit) != 0 {
            return None;
        }
        (libc::getauxval(libc::AT_RANDOM) as usize, limit.rlim_cur)
    };
    Some((top.saturating_sub(limit.min(ENOUGH) as usize), top))
}

#[cfg(target_vendor = "apple")]
fn bounds(_: usize) -> Option<(usize, usize)> {
    // SAFETY: both only read what the system knows of the calling thread.
    let (high, size) = unsafe {
        let this = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(this) as usize, libc::pthread_get_stacksize_np(this))
    };
    Some((high.saturating_sub(size), high))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn bounds(_: usize) -> Option<(usize, usize)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_shrinks_with_what_is_used() {
        fn deeper(n: usize) -> usize {
            let room = std::hint::black_box([n as u8; 10_000]);
            let left = if n == 0 { stack_left() } else { deeper(n - 1) };
            left + usize::from(room[0] != n as u8)
        }
        for size in [256 << 10, 1 << 20] {
            let thread = std::thread::Builder::new().stack_size(size);
            let (first, last) = thread.spawn(|| (stack_left(), deeper(2))).unwrap().join().unwrap();
            // It may be larger than asked for: stacks are used again.
            assert!(first > size / 4, "{first} of {size}");
            assert!(first - last >= 30_000, "{first} then {last}");
        }
        assert!(stack_left() > 64 << 10);
    }
}
