//! Error objects.

use std::any::Any;
use std::ffi::{CString, c_char};
use std::sync::{Arc, OnceLock};

use super::guard::{access, cognite_status};
use super::handle::{Object, free, get};
use super::text::c_text;
use crate::error::{Detail, Error};

/// Why a call failed. Read-only; may be read by any number of threads. Free it with cognite_error_free().
pub struct cognite_error {
    _opaque: [u8; 0],
}

pub(crate) struct ErrorBox {
    error: Error,
    message: CString,
    code: Option<CString>,
    request_id: Option<CString>,
    json: OnceLock<CString>,
}

impl ErrorBox {
    pub(crate) fn new(error: Error) -> Self {
        let d = error.detail();
        Self {
            message: c_text(error.message()),
            code: d.code.as_deref().map(c_text),
            request_id: d.request_id.as_deref().map(c_text),
            json: OnceLock::new(),
            error,
        }
    }
}

impl ErrorBox {
    /// What a read had got before it failed.
    pub(crate) fn partial(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.error.detail().partial.as_ref()
    }
}

impl Object for ErrorBox {
    type C = cognite_error;
    const TAG: u64 = 0x636f_675f_6572_726f;
    const NAME: &'static str = "cognite_error";
}

/// One fact of an error, `default` for NULL.
fn fact<T>(err: *const cognite_error, default: T, read: impl FnOnce(&Error, &Detail) -> T) -> T {
    access(default, || {
        // SAFETY: NULL or a live error, by the contract of every accessor.
        let e = unsafe { get::<ErrorBox>(err, "err") }?;
        Ok(read(&e.error, e.error.detail()))
    })
}

fn opt_text(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(std::ptr::null(), |t| t.as_ptr())
}

/// The status, the same that the failed function returned.
///
/// @param err  The error; NULL gives `COGNITE_OK`.
/// @return The status.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_status(err: *const cognite_error) -> cognite_status {
    fact(err, 0, |e, _| e.status().code())
}

/// The HTTP status of the last answer.
///
/// @param err  The error, or NULL.
/// @return 100 to 599; 0 when there was no answer.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_http_status(err: *const cognite_error) -> i32 {
    fact(err, 0, |_, d| i32::from(d.http_status))
}

/// The service's own code: the `code` of CDF's error object as text (`"400"`), or the `error` of an identity
/// provider (`"invalid_client"`).
///
/// @param err  The error, or NULL.
/// @return Text, or NULL when the service gave none.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_code(err: *const cognite_error) -> *const c_char {
    // SAFETY: NULL or a live error.
    access(std::ptr::null(), || Ok(opt_text(&unsafe { get::<ErrorBox>(err, "err") }?.code)))
}

/// What happened and what to do, in one line for a human. No secrets, no line ends.
///
/// @param err  The error; NULL gives `""`.
/// @return Text, never NULL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_message(err: *const cognite_error) -> *const c_char {
    // SAFETY: NULL or a live error.
    access(c"".as_ptr(), || Ok(unsafe { get::<ErrorBox>(err, "err") }?.message.as_ptr()))
}

/// CDF's id of the failed request (`x-request-id`): what its support asks for.
///
/// @param err  The error, or NULL.
/// @return Text, or NULL when there was none.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_request_id(err: *const cognite_error) -> *const c_char {
    // SAFETY: NULL or a live error.
    access(std::ptr::null(), || Ok(opt_text(&unsafe { get::<ErrorBox>(err, "err") }?.request_id)))
}

/// How long the service asks to wait before the request is made again (`Retry-After`), in milliseconds.
///
/// @param err  The error, or NULL.
/// @return Milliseconds; 0 when the service did not say.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_retry_after_ms(err: *const cognite_error) -> u64 {
    fact(err, 0, |_, d| d.retry_after.map_or(0, |w| w.as_millis() as u64))
}

/// How many times the request was made before the call gave up.
///
/// @param err  The error, or NULL.
/// @return The number; 0 when it never was.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_attempts(err: *const cognite_error) -> u32 {
    fact(err, 0, |_, d| d.attempts)
}

/// Whether the same call may succeed later without a change. Look at cognite_error_in_doubt() too before repeating
/// a write.
///
/// @param err  The error, or NULL.
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_is_retryable(err: *const cognite_error) -> i32 {
    fact(err, 0, |_, d| i32::from(d.retryable))
}

/// Whether a write may have been applied although the call failed: the request was sent, and the answer got lost or
/// came from something on the way. 0 on a failed write means: surely not applied. Always 0 for reads.
///
/// @param err  The error, or NULL.
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_in_doubt(err: *const cognite_error) -> i32 {
    fact(err, 0, |_, d| i32::from(d.in_doubt))
}

/// Everything known, as one JSON object without secrets. Members that are not known are absent.
///
///     {"status":7,"statusName":"DUPLICATED","message":"…","httpStatus":409,"code":"409",
///      "serviceMessage":"…","requestId":"…","missing":[…],"duplicated":[{"externalId":"a"}],"extra":{…},
///      "cluster":"…","project":"…","attempts":1,"retryable":false,"inDoubt":false,"retryAfterMs":1000,
///      "cause":"refused|dns|tls|proxy|proxy_auth|reset|closed|protocol|connect_timeout|idle_timeout|total_timeout|
///               body_decode|too_large|token_incomplete|device_start|header",
///      "phase":"connect|send|body","oauthError":"…","oauthDescription":"…","correlationId":"…",
///      "maybeProjects":["…"]|null,
///      "method":"POST","url":"without its query","location":"…"}
///
/// An operation that writes items places each of them in exactly one of four lists, whatever happened to its requests.
/// Then there are also:
///
///     {"succeeded":[…],                     applied
///      "failed":[…],                        refused, or surely not received: not applied
///      "unknown":[…],                       sent, and no word of what became of it
///      "skipped":[…],                       not attempted
///      "answered":[…],                      what the service answered for those that succeeded, in the order given
///      "requests":[{"positions":[0,1],      which items, counted from 0 in the order given
///                   "status":5,"statusName":"API","message":"…","httpStatus":400, as above}]}
///
/// Created items stand in the lists as they were given, others by what identifies them: `{"externalId":"a"}`. `missing`
/// and `duplicated` are then those of all requests, the other members those of the last one that failed.
///
/// @param err  The error; NULL gives `{}`.
/// @return JSON text, never NULL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_json(err: *const cognite_error) -> *const c_char {
    access(c"{}".as_ptr(), || {
        // SAFETY: NULL or a live error.
        let e = unsafe { get::<ErrorBox>(err, "err") }?;
        Ok(e.json.get_or_init(|| c_text(&e.error.to_json_text())).as_ptr())
    })
}

/// Frees an error. NULL does nothing.
///
/// @param err  The error; not used afterwards.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the error. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_error_free(err: *mut cognite_error) {
    // SAFETY: NULL or an error the caller gives up.
    unsafe { free::<ErrorBox>(err) }
}
