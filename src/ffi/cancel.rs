//! Cancel tokens.

use super::guard::access;
use super::handle::{Object, free, get, into_raw};
use crate::runtime::CancelToken;

/// Cancels calls: one token for any number of calls, used by any number of threads at a time. Named in
/// cognite_request. Free it with cognite_cancel_free(), at any time after the calls were made.
pub struct cognite_cancel {
    _opaque: [u8; 0],
}

pub(crate) struct CancelBox(pub(crate) CancelToken);

impl Object for CancelBox {
    type C = cognite_cancel;
    const TAG: u64 = 0x636f_675f_6361_6e63;
    const NAME: &'static str = "cognite_cancel";
}

/// Makes a cancel token.
///
/// @return The token; NULL only if the library cannot go on at all, which the call it is given to takes as no token.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn cognite_cancel_new() -> *mut cognite_cancel {
    access(std::ptr::null_mut(), || Ok(into_raw(CancelBox(CancelToken::default()))))
}

/// Cancels every call the token was given to and those it will be given to: for good. A call that runs, or waits for
/// its turn, a token or a repeat, ends with CANCELLED, its request dropped; a write that may have been sent is in doubt
/// (cognite_error_in_doubt()). A call that has its result keeps it. Blocking calls return, and accepted ones are told,
/// soon after, not inside this call.
///
/// @param cancel  The token; NULL does nothing.
///
/// **Blocks:** no. **Threads:** any number, callbacks too; not from a signal handler. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_cancel_trigger(cancel: *mut cognite_cancel) {
    // In a forked child nobody is there to be cancelled, and a lock may be held for ever.
    if crate::runtime::is_forked_child() {
        return;
    }
    access((), || {
        // SAFETY: NULL or a live token.
        unsafe { get::<CancelBox>(cancel, "cancel") }?.0.trigger();
        Ok(())
    });
}

/// Whether the token was triggered.
///
/// @param cancel  The token, or NULL.
/// @return 1 or 0; 0 for NULL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_cancel_is_triggered(cancel: *const cognite_cancel) -> i32 {
    if crate::runtime::is_forked_child() {
        return 0;
    }
    // SAFETY: NULL or a live token.
    access(0, || Ok(i32::from(unsafe { get::<CancelBox>(cancel, "cancel") }?.0.is_triggered())))
}

/// Frees a token. NULL does nothing. Calls that were made with it go on, uncancelled.
///
/// @param cancel  The token; not used afterwards.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the token. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_cancel_free(cancel: *mut cognite_cancel) {
    // SAFETY: NULL or a token the caller gives up.
    unsafe { free::<CancelBox>(cancel) }
}
