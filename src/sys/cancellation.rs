//! A host's pthread_cancel, kept off while its thread is in here: whatever opens, closes, writes or waits is a place where it
//! strikes, and to be unwound by it from there would end the process. It strikes at the next such place of the host's own.

/// Undone when it is dropped, on the same thread.
pub struct Uncancelled {
    #[cfg(all(unix, not(target_os = "android"), not(miri)))]
    before: libc::c_int,
}

#[cfg(all(unix, not(target_os = "android"), not(miri)))]
mod unix {
    use super::Uncancelled;
    use libc::c_int;

    unsafe extern "C" {
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }

    const DISABLED: c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };

    impl Uncancelled {
        pub fn begin() -> Self {
            let mut before = DISABLED;
            // SAFETY: a state that exists and a place for the one before; only this thread's own state changes.
            unsafe { pthread_setcancelstate(DISABLED, &mut before) };
            Self { before }
        }
    }

    impl Drop for Uncancelled {
        fn drop(&mut self) {
            let mut unused = DISABLED;
            // SAFETY: the state that was there, and a place for the other.
            unsafe { pthread_setcancelstate(self.before, &mut unused) };
        }
    }
}

#[cfg(not(all(unix, not(target_os = "android"), not(miri))))]
impl Uncancelled {
    pub fn begin() -> Self {
        Self {}
    }
}
