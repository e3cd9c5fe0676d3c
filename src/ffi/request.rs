//! The general request: any method, every option.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use super::cancel::{CancelBox, cognite_cancel};
use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status};
use super::handle::{get, get_opt};
use super::notify::{Sized, blocking, cognite_notify, later, read_sized};
use super::response::cognite_response;
use super::text::{bytes, text, text_opt};
use crate::api::{Request, RetryChoice};
use crate::error::Error;

/// Repeat by method and path: what reads or can be done twice is repeated, a create is not.
pub const COGNITE_RETRY_DEFAULT: u32 = 0;
/// The caller knows that sending it twice is the same as sending it once.
pub const COGNITE_RETRY_SAFE: u32 = 1;
/// Never repeat what may have had an effect.
pub const COGNITE_RETRY_UNSAFE: u32 = 2;

/// A request. Read during the call only. Begin with COGNITE_REQUEST_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_request {
    /// sizeof(cognite_request), set by COGNITE_REQUEST_INIT.
    pub struct_size: usize,
    /// In capital letters: `"GET"`, `"POST"`, … Not NULL.
    pub method: *const c_char,
    /// A path that begins with `/`, put behind the base URL, or a full http(s) URL. A full URL of another origin than the
    /// base URL's is sent without the token. Not NULL.
    pub url: *const c_char,
    /// Query parameters as a JSON object of text, numbers, booleans, null (an empty value) and lists of these (the name is
    /// repeated); added to a query that `url` has. NULL: none.
    pub params: *const c_char,
    /// Headers as a JSON object of text values; over those of the config. NULL: none.
    pub headers: *const c_char,
    /// NULL only with `body_len` 0: no body.
    pub body: *const c_void,
    /// Bytes of the body.
    pub body_len: usize,
    /// NULL: the body is JSON, is checked, and compressed where that is worth it. Else the body is sent as it is.
    pub content_type: *const c_char,
    /// For the whole call with tokens, repeats and pauses, in milliseconds up to a week; 0: the client's.
    pub timeout_ms: u64,
    /// COGNITE_RETRY_DEFAULT, COGNITE_RETRY_SAFE or COGNITE_RETRY_UNSAFE.
    pub retry: u32,
    /// 0.
    pub reserved: u32,
    /// Cancels the call when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
    pub cancel: *mut cognite_cancel,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_request {
    const NAME: &'static str = "cognite_request";
    const FIRST: usize = std::mem::offset_of!(cognite_request, cancel);
}

/// # Safety
/// `raw` is NULL or a request whose pointers live as long as `'a`.
unsafe fn request_of<'a>(raw: *const cognite_request) -> Result<Request<'a>, Error> {
    // SAFETY: passed on to the caller of this function, here and below.
    let r = unsafe { read_sized(raw, "request") }?;
    let retry = match r.retry {
        COGNITE_RETRY_DEFAULT => RetryChoice::ByPath,
        COGNITE_RETRY_SAFE => RetryChoice::Safe,
        COGNITE_RETRY_UNSAFE => RetryChoice::Unsafe,
        other => return Err(Error::argument(format!("request.retry is {other}, which is none of COGNITE_RETRY_*"))),
    };
    if r.reserved != 0 {
        return Err(Error::argument("request.reserved must be 0"));
    }
    // SAFETY: as above.
    unsafe {
        Ok(Request {
            method: text(r.method, "request.method")?,
            url: text(r.url, "request.url")?,
            params: text_opt(r.params, "request.params")?,
            headers: text_opt(r.headers, "request.headers")?,
            body: bytes(r.body, r.body_len, "request.body")?,
            content_type: text_opt(r.content_type, "request.content_type")?,
            timeout: Duration::from_millis(r.timeout_ms),
            retry,
            cancel: get_opt::<CancelBox>(r.cancel, "request.cancel")?.map(|c| &c.0),
        })
    }
}

/// Makes a request and waits for its result. Only an answer with a status 200 to 299 is a success.
///
/// What is repeated, and how often: answers of the status_forcelist, answers marked `cdf-is-auto-retryable`, connections
/// that fail or break, and waits that take too long - each only where the request may be made twice (a create is
/// repeated after 429, or when it surely was not sent), within the global settings and the deadline. `Retry-After` is
/// obeyed.
///
/// @param client    The client. Not NULL.
/// @param request   What to ask. Not NULL.
/// @param[out] out  The response. Not NULL.
/// @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, AUTH, ACCESS, API, NOT_FOUND, DUPLICATED, CONNECTION, TLS, TIMEOUT, CANCELLED,
///         DECODE, BUSY, SHUTDOWN.
///
/// **Blocks:** on the network, until the deadline or `cancel`. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_call(
    client: *mut cognite_client,
    request: *const cognite_request,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    blocking((out, "out"), err, || {
        // SAFETY: NULL or live objects of the caller's.
        let accepted = unsafe { get::<ClientBox>(client, "client")?.0.accept(&request_of(request)?) }?;
        Ok(accepted.run())
    })
}

/// cognite_client_call() that tells its result later. The request is encoded before this returns; nothing of the
/// caller's memory is needed afterwards.
///
/// @param client    The client. Not NULL.
/// @param request   What to ask. Not NULL.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_call_async(
    client: *mut cognite_client,
    request: *const cognite_request,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or live objects of the caller's, here and below.
    unsafe { later(notify, err, || Ok(get::<ClientBox>(client, "client")?.0.accept(&request_of(request)?)?.run())) }
}
