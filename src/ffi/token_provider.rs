//! Tokens from the host: a callback that is asked, and the one-use handle it answers through.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use super::credentials::{CredentialsBox, cognite_credentials};
use super::error::cognite_error;
use super::guard::{Out, UserData, cognite_status, entry};
use super::handle::{Object, into_raw, take};
use super::text::text;
use crate::auth::credentials::{Answer, Provided};
use crate::auth::{Credentials, Secret, TokenProvider};
use crate::error::Error;
use crate::runtime;

/// A question for a token. Answered once, with cognite_token_request_answer() or cognite_token_request_fail(), at once
/// or later, from any thread; either call frees it.
pub struct cognite_token_request {
    _opaque: [u8; 0],
}

struct TokenRequest(Answer);

impl Object for TokenRequest {
    type C = cognite_token_request;
    const TAG: u64 = 0x636f_675f_746f_6b72;
    const NAME: &'static str = "cognite_token_request";
}

/// Asked for a token whenever one is needed, on a callback thread of the library. May answer before it returns. Must
/// not throw, longjmp or wait for a call of the same client, which waits for the token.
///
/// @param user_data  As given to cognite_credentials_new_token_provider().
/// @param request    Owned by the callee: answer it exactly once. One that is never answered keeps its callers waiting
///                   until their deadline, and counts as refused after two minutes.
pub type cognite_token_provider =
    Option<unsafe extern "C" fn(user_data: *mut c_void, request: *mut cognite_token_request)>;

/// Called once when `user_data` is no longer needed. Never while another callback with it runs.
pub type cognite_destroy = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

struct Provider {
    ask: unsafe extern "C" fn(*mut c_void, *mut cognite_token_request),
    user_data: Owned,
}

/// The host's pointer with its destructor.
pub(crate) struct Owned {
    pub(crate) user_data: UserData,
    pub(crate) destroy: cognite_destroy,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let Some(destroy) = self.destroy.take() else { return };
        if runtime::is_forked_child() {
            return;
        }
        let user_data = self.user_data;
        let run = move || {
            let user_data = user_data;
            // SAFETY: the host's own function with the host's own pointer, once.
            unsafe { destroy(user_data.0) }
        };
        // The host's code never runs on an I/O thread, also not while the engine ends: it may call us.
        if runtime::on_io_thread() {
            runtime::run_to_the_last(Box::new(run));
        } else {
            run();
        }
    }
}

impl TokenProvider for Provider {
    fn ask(&self, answer: Answer) {
        let request = into_raw(TokenRequest(answer));
        // SAFETY: the host's own function with the host's own pointer; the request is the callee's.
        unsafe { (self.ask)(self.user_data.user_data.0, request) }
    }
}

/// Tokens from the host program, for ways to log in that the library does not know.
///
/// @param provider   Asked for tokens. Not NULL.
/// @param user_data  Handed to `provider` and `destroy`; the library does not look into it.
/// @param destroy    Called exactly once with `user_data` when the last copy of the credentials is gone, also when this
///                   function fails; may be NULL. If that happens inside the library's own threads, on a callback thread.
/// @param[out] out   The credentials. Not NULL.
/// @param[out] err   May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_token_provider(
    provider: cognite_token_provider,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = Owned { user_data: UserData(user_data), destroy };
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        let ask = provider.ok_or_else(|| Error::argument("provider is NULL"))?;
        let credentials = Credentials::Provider(Arc::new(Provider { ask, user_data }));
        out.set(into_raw(CredentialsBox::new(credentials)));
        Ok(())
    })
}

/// Answers a question for a token. The request is freed, whatever the result.
///
/// @param request        The request. Not NULL.
/// @param token          The token, without `Bearer`. Not empty.
/// @param expires_in_ms  How long it is good for; the library asks again shortly before. 0: not known, so the library asks
///                       before each attempt of each request.
/// @param[out] err       May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT (the callers who wait are then told AUTH).
///
/// **Blocks:** no. **Threads:** any. **Owns:** takes the request. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_token_request_answer(
    request: *mut cognite_token_request,
    token: *const c_char,
    expires_in_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or a request the caller gives up.
        let TokenRequest(answer) = unsafe { take::<TokenRequest>(request, "request") }?;
        // SAFETY: NULL or a text.
        let token = Secret::new(unsafe { text(token, "token") }?);
        let lifetime = (expires_in_ms != 0).then(|| Duration::from_millis(expires_in_ms));
        // Nobody may be waiting any more (shutdown); that is no fault of the host's.
        let _ = answer.send(Ok(Provided { token, lifetime }));
        Ok(())
    })
}

/// Answers that no token can be had. The request is freed, whatever the result.
///
/// @param request   The request. Not NULL.
/// @param message   Why, for the error that the waiting callers get (status AUTH). No secrets.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any. **Owns:** takes the request. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_token_request_fail(
    request: *mut cognite_token_request,
    message: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or a request the caller gives up.
        let TokenRequest(answer) = unsafe { take::<TokenRequest>(request, "request") }?;
        // SAFETY: NULL or a text.
        let message = unsafe { text(message, "message") }?;
        let _ = answer.send(Err(Error::auth(format!("the token provider has no token: {message}"))));
        Ok(())
    })
}
