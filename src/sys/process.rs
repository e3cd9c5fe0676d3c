//! Process identity (for fork detection), exit handlers, the login name.

use std::path::PathBuf;
#[cfg(all(target_os = "linux", not(miri)))]
use std::sync::atomic::{AtomicU32, Ordering};

/// Tells this process from every one it was forked from; never 0. Every call of the library asks, so it is kept where the
/// system takes it away from a child. The system's own number is not good enough, where there is a choice: two processes have
/// the same in two namespaces (both are 1 where a container's first process starts another container).
pub fn id() -> u32 {
    #[cfg(all(target_os = "linux", not(miri)))]
    if let Some(kept) = wiped::word() {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let known = kept.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        // A child goes on counting where its parent was.
        let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
        return kept.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed).err().unwrap_or(next);
    }
    std::process::id()
}

/// Memory that is all zero in a forked child.
#[cfg(all(target_os = "linux", not(miri)))]
mod wiped {
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

    const SIZE: usize = 4096;

    static WORD: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());
    /// In the place of a word where the system has no such memory.
    static NONE: AtomicU32 = AtomicU32::new(0);

    pub fn word() -> Option<&'static AtomicU32> {
        let mut word = WORD.load(Ordering::Acquire);
        if word.is_null() {
            word = make();
        }
        if std::ptr::eq(word, &NONE) {
            return None;
        }
        // SAFETY: `make` answers with NONE or a whole zeroed page of its own, which is never given back: valid and aligned
        // for an atomic word, in this process and in its children.
        Some(unsafe { &*word })
    }

    #[cold]
    fn make() -> *mut AtomicU32 {
        let none = (&raw const NONE).cast_mut();
        let word = map().map_or(none, <*mut libc::c_void>::cast);
        match WORD.compare_exchange(null_mut(), word, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => word,
            Err(first) => {
                if word != none {
                    // SAFETY: mapped above by this call, and nobody else has seen it.
                    unsafe { libc::munmap(word.cast(), SIZE) };
                }
                first
            }
        }
    }

    fn map() -> Option<*mut libc::c_void> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping anywhere touches no memory there is.
        let page = unsafe { libc::mmap(null_mut(), SIZE, access, kind, -1, 0) };
        if page == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the page was mapped above. An advice that does not exist must be refused: emulated systems take any and
        // follow none.
        let follows =
            unsafe { libc::madvise(page, SIZE, -1) != 0 && libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) == 0 };
        if follows {
            return Some(page);
        }
        // SAFETY: mapped above, and nobody else has seen it.
        unsafe { libc::munmap(page, SIZE) };
        None
    }
}

/// Processors that this process may use. How much of them a container is allowed is not asked for: that is in several files, and
/// all that depends on it is whether there are one or two I/O threads.
pub fn cpus() -> usize {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: all-zero is an empty set; the call fills it up to the size that is named.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) == 0).then_some(set)
        };
        if let Some(set) = set {
            // SAFETY: counts the bits of a set.
            return (unsafe { libc::CPU_COUNT(&set) } as usize).max(1);
        }
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The user this process acts for.
#[cfg(unix)]
pub fn user_id() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// A path as it is meant now: the process may change its folder before the path is used.
pub fn path_from_here(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

/// Runs `handler` when the process exits by `exit` or by returning from main.
/// Returns whether the C library took it.
pub fn at_exit(handler: extern "C" fn()) -> bool {
    // SAFETY: `handler` is a plain function of this library, which is linked never to be unloaded (`-z nodelete`).
    unsafe { libc::atexit(handler) == 0 }
}

/// What becomes of a process whose last thread ends: `exit` with status 0.
pub fn end() -> ! {
    std::process::exit(0)
}

/// The login name from the password database, for systems whose environment does not say it.
#[cfg(unix)]
pub fn login_name() -> Option<String> {
    let mut buffer = vec![0 as libc::c_char; 4096];
    // SAFETY: all-zero is a valid `passwd`; it is only read after the call has filled it.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found: *mut libc::passwd = std::ptr::null_mut();
    // SAFETY: every pointer is to a live local, and the length is the buffer's own.
    let rc = unsafe { libc::getpwuid_r(libc::getuid(), &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
    if rc != 0 || found.is_null() || entry.pw_name.is_null() {
        return None;
    }
    // SAFETY: on success `pw_name` is a NUL-terminated text inside `buffer`, which is still alive.
    let name = unsafe { std::ffi::CStr::from_ptr(entry.pw_name) };
    name.to_str().ok().filter(|n| !n.is_empty()).map(str::to_owned)
}

#[cfg(not(unix))]
pub fn login_name() -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_processors_as_the_standard_library_finds() {
        let known = std::thread::available_parallelism().unwrap().get();
        // It may find fewer where a container is allowed a part of them.
        assert!(cpus() >= known && cpus() <= known.max(1024));
    }

    #[test]
    fn a_forked_child_has_an_id_of_its_own() {
        let here = id();
        assert!(here != 0 && here == id());
        // SAFETY: the child makes system calls and reads atomics only, and ends without running what it inherited.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let own = id() != here && id() == id() && id() != 0;
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if own { 7 } else { 8 }) };
        }
        let mut status = 0;
        // SAFETY: a child of this process, and a local to write to.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 7);
    }
}
