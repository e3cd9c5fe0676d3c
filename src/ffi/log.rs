//! Records for the host's log.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::error::cognite_error;
use super::guard::{UserData, cognite_status, entry};
use super::text::c_text;
use super::token_provider::{Owned, cognite_destroy};
use crate::error::Error;
use crate::log::{self, Level, Sink};

/// A defect of the library, contained.
pub const COGNITE_LOG_ERROR: i32 = 1;
/// A call or a login that failed; a setting that is dangerous or has no effect.
pub const COGNITE_LOG_WARNING: i32 = 2;
/// Repeats, tokens obtained.
pub const COGNITE_LOG_INFO: i32 = 3;
/// Every call.
pub const COGNITE_LOG_DEBUG: i32 = 4;

/// Given one record at a time, on a callback thread of the library that does nothing else: never inside a call of the
/// program's. May call the library, but for cognite_shutdown(); must not throw, longjmp or end the thread.
///
/// @param user_data  As given to cognite_log_set_callback().
/// @param level      COGNITE_LOG_ERROR to COGNITE_LOG_DEBUG; later versions may add some.
/// @param record     One JSON object, NUL-terminated, without line ends. Valid during the callback only.
/// @param len        Its length in bytes, without the NUL.
pub type cognite_log_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, record: *const c_char, len: usize)>;

struct Callback {
    call: unsafe extern "C" fn(*mut c_void, i32, *const c_char, usize),
    owned: Owned,
}

impl Sink for Callback {
    fn write(&self, level: Level, json: String) {
        let record = c_text(&json);
        // SAFETY: the host's own function with the host's own pointer; the text lives until it returns.
        unsafe { (self.call)(self.owned.user_data.0, level as i32, record.as_ptr(), record.as_bytes().len()) }
    }
}

/// Sets who is given the library's log records, for the whole process. Each is a JSON object:
///
///     {"time_ms":1700000000000,"level":"debug","event":"request","message":"GET https://… 200 (1 attempts, 12 ms)",
///      "method":"GET","url":"https://…","status":200,"attempts":1,"elapsed_us":12345,"request_id":"…",
///      "sent_bytes":0,"received_bytes":310}
///
/// Every record has the first four members. Events: `request` (a call that ended; failed ones have `error`, `cause`,
/// `in_doubt`), `retry` (`attempt`, `wait_ms`, `reason`, `url`), `token` (`ok`, `expires_in_s` or `error`), `warning`
/// (`setting`), `panic` (`place`). Clients with `debug` add `headers`, `payload`, `response_headers` and
/// `response_payload` to `request`, the payloads cut to 1000 characters. Secrets are masked in all of it: tokens,
/// passwords, secret headers and fields, signatures in URLs.
///
/// Records wait in an inbox of 1024; when it is full the oldest is dropped, and the next one that is delivered has
/// `dropped`, the number. Records made before the first call of the process wait for it. cognite_shutdown() delivers what
/// waits before it returns; after that none comes until the library is used again.
///
/// @param callback   Given the records; NULL: nobody, and what waits is dropped.
/// @param user_data  Handed to `callback` and `destroy`; the library does not look into it.
/// @param destroy    Called exactly once with `user_data` when it is no longer needed: also when this function fails, and
///                   never while `callback` runs. May be NULL. Runs on the thread that replaces the callback, or if a
///                   record is just being given to it on the callback thread after that.
/// @param level      The least important level wanted, COGNITE_LOG_ERROR to COGNITE_LOG_DEBUG; 0: COGNITE_LOG_INFO.
/// @param[out] err   May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT (the callback that was there stays).
///
/// **Blocks:** no. **Threads:** any number, also a callback. **Owns:** the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_log_set_callback(
    callback: cognite_log_callback,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    level: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let owned = Owned { user_data: UserData(user_data), destroy };
    entry(err, || {
        let level = match level {
            0 => Level::Info,
            n => Level::of(n).ok_or_else(|| {
                Error::argument(format!(
                    "level is {n}; it must be COGNITE_LOG_ERROR (1) to COGNITE_LOG_DEBUG (4), or 0"
                ))
            })?,
        };
        let sink = callback.map(|call| Arc::new(Callback { call, owned }) as Arc<dyn Sink>);
        log::set_sink(sink, level);
        Ok(())
    })
}
