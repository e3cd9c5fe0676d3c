//! The usual requests with fewer words: get, post, put, each blocking and asynchronous.

use std::ffi::{c_char, c_void};

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status};
use super::handle::get;
use super::notify::{Coming, blocking, cognite_notify, later};
use super::response::cognite_response;
use super::text::{bytes, text, text_opt};
use crate::api::Request;
use crate::error::Error;

/// What the six functions have in common.
struct Parts {
    method: &'static str,
    client: *mut cognite_client,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    params: *const c_char,
    headers: *const c_char,
}

impl Parts {
    /// # Safety
    /// Every pointer is NULL or what the header says, for the time of the call.
    unsafe fn accept(&self) -> Result<Coming, Error> {
        // SAFETY: passed on to the caller of this function.
        let accepted = unsafe {
            get::<ClientBox>(self.client, "client")?.0.accept(&Request {
                method: self.method,
                url: text(self.url, "url")?,
                params: text_opt(self.params, "params")?,
                headers: text_opt(self.headers, "headers")?,
                body: bytes(self.body, self.body_len, "body")?,
                ..Request::default()
            })
        }?;
        Ok(accepted.run())
    }
}

/// Reads: a GET request. Only an answer with a status 200 to 299 is a success; for what is repeated see
/// cognite_client_call().
///
/// @param client    The client. Not NULL.
/// @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
/// @param params    Query parameters as a JSON object, or NULL; see cognite_request.
/// @param headers   Headers as a JSON object of text values, or NULL.
/// @param[out] out  The response. Not NULL.
/// @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
/// @return As cognite_client_call().
///
/// **Blocks:** on the network, until the client's total timeout at most. **Threads:** any number. **Owns:** the caller the
/// result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_get(
    client: *mut cognite_client,
    url: *const c_char,
    params: *const c_char,
    headers: *const c_char,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    let parts = Parts { method: "GET", client, url, body: std::ptr::null(), body_len: 0, params, headers };
    // SAFETY: what the caller passed.
    blocking((out, "out"), err, || unsafe { parts.accept() })
}

/// cognite_client_get() that tells its result later.
///
/// @param client    The client. Not NULL.
/// @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
/// @param params    Query parameters as a JSON object, or NULL; see cognite_request.
/// @param headers   Headers as a JSON object of text values, or NULL.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return As cognite_client_call_async().
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_get_async(
    client: *mut cognite_client,
    url: *const c_char,
    params: *const c_char,
    headers: *const c_char,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let parts = Parts { method: "GET", client, url, body: std::ptr::null(), body_len: 0, params, headers };
    // SAFETY: what the caller passed, here and below.
    unsafe { later(notify, err, || parts.accept()) }
}

/// A POST request with a JSON body. Only an answer with a status 200 to 299 is a success; for what is repeated see
/// cognite_client_call().
///
/// @param client    The client. Not NULL.
/// @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
/// @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
/// @param body_len  Its length in bytes.
/// @param params    Query parameters as a JSON object, or NULL; see cognite_request.
/// @param headers   Headers as a JSON object of text values, or NULL.
/// @param[out] out  The response. Not NULL.
/// @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
/// @return As cognite_client_call().
///
/// **Blocks:** on the network, until the client's total timeout at most. **Threads:** any number. **Owns:** the caller the
/// result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_post(
    client: *mut cognite_client,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    params: *const c_char,
    headers: *const c_char,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    let parts = Parts { method: "POST", client, url, body, body_len, params, headers };
    // SAFETY: what the caller passed.
    blocking((out, "out"), err, || unsafe { parts.accept() })
}

/// cognite_client_post() that tells its result later.
///
/// @param client    The client. Not NULL.
/// @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
/// @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
/// @param body_len  Its length in bytes.
/// @param params    Query parameters as a JSON object, or NULL; see cognite_request.
/// @param headers   Headers as a JSON object of text values, or NULL.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return As cognite_client_call_async().
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_post_async(
    client: *mut cognite_client,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    params: *const c_char,
    headers: *const c_char,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let parts = Parts { method: "POST", client, url, body, body_len, params, headers };
    // SAFETY: what the caller passed, here and below.
    unsafe { later(notify, err, || parts.accept()) }
}

/// A PUT request with a JSON body. Only an answer with a status 200 to 299 is a success; for what is repeated see
/// cognite_client_call().
///
/// @param client    The client. Not NULL.
/// @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
/// @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
/// @param body_len  Its length in bytes.
/// @param params    Query parameters as a JSON object, or NULL; see cognite_request.
/// @param headers   Headers as a JSON object of text values, or NULL.
/// @param[out] out  The response. Not NULL.
/// @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
/// @return As cognite_client_call().
///
/// **Blocks:** on the network, until the client's total timeout at most. **Threads:** any number. **Owns:** the caller the
/// result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_put(
    client: *mut cognite_client,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    params: *const c_char,
    headers: *const c_char,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    let parts = Parts { method: "PUT", client, url, body, body_len, params, headers };
    // SAFETY: what the caller passed.
    blocking((out, "out"), err, || unsafe { parts.accept() })
}

/// cognite_client_put() that tells its result later.
///
/// @param client    The client. Not NULL.
/// @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
/// @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
/// @param body_len  Its length in bytes.
/// @param params    Query parameters as a JSON object, or NULL; see cognite_request.
/// @param headers   Headers as a JSON object of text values, or NULL.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return As cognite_client_call_async().
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_put_async(
    client: *mut cognite_client,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    params: *const c_char,
    headers: *const c_char,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let parts = Parts { method: "PUT", client, url, body, body_len, params, headers };
    // SAFETY: what the caller passed, here and below.
    unsafe { later(notify, err, || parts.accept()) }
}
