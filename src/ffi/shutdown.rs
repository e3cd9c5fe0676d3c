//! The end.

use super::error::cognite_error;
use super::guard::{cognite_status, entry};
use crate::runtime;

/// Ends all activity of the library in this process: refuses new calls, tells every call under way (SHUTDOWN), waits for
/// the callback that runs, and ends all threads. Afterwards no callback runs and no thread of the library exists. Handles
/// stay valid and must still be freed; the next call starts the library afresh.
///
/// A program need not call this before it exits: at exit no new callback begins, and one that runs is waited for at most
/// one second. A plug-in host should call it before it unloads the plug-in.
///
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, also when nothing was running; WOULD_DEADLOCK from a callback; FORKED in a forked child.
///
/// **Blocks:** until callbacks have returned; a host name look-up under way is waited for up to 30 s. **Threads:** any
/// number, not from a callback. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_shutdown(err: *mut *mut cognite_error) -> cognite_status {
    entry(err, runtime::shutdown)
}
