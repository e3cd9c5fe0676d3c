//! Signal masks of our threads: a guest takes no signal of its host's, and a socket write never raises SIGPIPE here.

/// Blocks, in the calling thread and in threads it starts, what `kind` says; undone when the guard is dropped.
pub struct Masked {
    #[cfg(unix)]
    before: libc::sigset_t,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// I/O workers: everything but the faults, which must stay fatal.
    Io,
    /// Callback threads: only the usual process-directed ones. Runtimes such as Mono's suspend attached threads by
    /// signals; with all of them blocked a collection hangs.
    Callback,
}

#[cfg(unix)]
mod unix {
    use super::{Kind, Masked};
    use libc::{c_int, pthread_sigmask, sigaddset, sigdelset, sigemptyset, sigfillset, sigset_t};

    const FAULTS: [c_int; 7] =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];
    const PROCESS_DIRECTED: [c_int; 14] = [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGALRM,
        libc::SIGCHLD,
        libc::SIGUSR1,
        libc::SIGPIPE,
        libc::SIGWINCH,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGIO,
        libc::SIGURG,
    ];

    fn set(kind: Kind) -> sigset_t {
        // SAFETY: a zeroed sigset_t is initialised right away by sigfillset or sigemptyset; the signal numbers are
        // the platform's own constants.
        unsafe {
            let mut s: sigset_t = std::mem::zeroed();
            match kind {
                Kind::Io => {
                    sigfillset(&mut s);
                    FAULTS.iter().for_each(|n| {
                        sigdelset(&mut s, *n);
                    });
                }
                Kind::Callback => {
                    sigemptyset(&mut s);
                    PROCESS_DIRECTED.iter().for_each(|n| {
                        sigaddset(&mut s, *n);
                    });
                }
            }
            s
        }
    }

    impl Masked {
        /// For a caller that starts threads: they inherit the mask, so there is no moment without it.
        pub fn while_starting(kind: Kind) -> Self {
            let wanted = set(kind);
            // SAFETY: both sets are live locals; SIG_BLOCK only adds to this thread's own mask.
            let before = unsafe {
                let mut before: sigset_t = std::mem::zeroed();
                pthread_sigmask(libc::SIG_BLOCK, &wanted, &mut before);
                before
            };
            Masked { before }
        }
    }

    impl Drop for Masked {
        fn drop(&mut self) {
            // SAFETY: `before` was filled by pthread_sigmask on this thread (the guard is not sent elsewhere).
            unsafe { pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
        }
    }

    /// Masks the calling thread for good.
    pub fn mask_this_thread(kind: Kind) {
        let wanted = set(kind);
        // SAFETY: `wanted` is a live local; a null old set is allowed.
        unsafe { pthread_sigmask(libc::SIG_BLOCK, &wanted, std::ptr::null_mut()) };
    }
}

#[cfg(unix)]
pub use unix::mask_this_thread;

#[cfg(not(unix))]
impl Masked {
    pub fn while_starting(_kind: Kind) -> Self {
        Masked {}
    }
}

#[cfg(not(unix))]
pub fn mask_this_thread(_kind: Kind) {}
