//! The usual requests with fewer words: get, post, put, each blocking and asynchronous.

use std::ffi::{c_char, c_void};

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::get;
use super::notify::{cognite_notify, finish, notify_of};
use super::response::cognite_response;
use super::text::{bytes, text, text_opt};
use crate::api::Request;
use crate::api::client::Accepted;
use crate::error::Error;
use crate::runtime;

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
    unsafe fn accept(&self) -> Result<Accepted, Error> {
        // SAFETY: passed on to the caller of this function.
        unsafe {
            get::<ClientBox>(self.client, "client")?.0.accept(&Request {
                method: self.method,
                url: text(self.url, "url")?,
                params: text_opt(self.params, "params")?,
                headers: text_opt(self.headers, "headers")?,
                body: bytes(self.body, self.body_len, "body")?,
                ..Request::default()
            })
        }
    }
}

fn blocking(parts: &Parts, out: Out<cognite_response>, err: *mut *mut cognite_error) -> cognite_status {
    entry(err, || {
        out.required("out")?;
        // SAFETY: what the caller of the exported function passed.
        let accepted = unsafe { parts.accept() }?;
        finish(out, runtime::block_on(accepted.run())?);
        Ok(())
    })
}

fn later(parts: &Parts, notify: *const cognite_notify, err: *mut *mut cognite_error) -> cognite_status {
    entry(err, || {
        // SAFETY: what the caller of the exported function passed.
        let (accepted, notify) = unsafe {
            let notify = notify_of(notify)?;
            (parts.accept()?, notify)
        };
        runtime::spawn_notified(accepted.run(), notify)
    })
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
    blocking(&Parts { method: "GET", client, url, body: std::ptr::null(), body_len: 0, params, headers }, out, err)
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
    later(&Parts { method: "GET", client, url, body: std::ptr::null(), body_len: 0, params, headers }, notify, err)
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
    blocking(&Parts { method: "POST", client, url, body, body_len, params, headers }, out, err)
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
    later(&Parts { method: "POST", client, url, body, body_len, params, headers }, notify, err)
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
    blocking(&Parts { method: "PUT", client, url, body, body_len, params, headers }, out, err)
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
    later(&Parts { method: "PUT", client, url, body, body_len, params, headers }, notify, err)
}
