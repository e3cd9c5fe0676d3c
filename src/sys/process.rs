//! Process identity (for fork detection), exit handlers, the login name.

/// The id of this process. Asked anew each time: libc no longer caches it, and a forked child has another one.
pub fn id() -> u32 {
    std::process::id()
}

/// The user this process acts for.
#[cfg(unix)]
pub fn user_id() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Runs `handler` when the process exits by `exit` or by returning from main.
/// Returns whether the C library took it.
pub fn at_exit(handler: extern "C" fn()) -> bool {
    // SAFETY: `handler` is a plain function of this library, which is linked never to be unloaded (`-z nodelete`).
    unsafe { libc::atexit(handler) == 0 }
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
