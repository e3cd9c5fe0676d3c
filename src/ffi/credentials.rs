//! Credentials: how to log in.

use std::ffi::{CString, c_char};
use std::sync::Mutex;
use std::time::Duration;

use super::error::cognite_error;
use super::guard::{Out, access, cognite_status, entry};
use super::handle::{Object, free, get, get_mut, into_raw};
use super::text::{bytes, c_text, text, text_opt};
use crate::auth::{Credentials, Scopes};
use crate::error::Error;

/// How to log in. A collector: one thread at a time; copied from, so it can be freed as soon as it was passed on.
/// Free it with cognite_credentials_free().
pub struct cognite_credentials {
    _opaque: [u8; 0],
}

pub(crate) struct CredentialsBox {
    pub(crate) credentials: Credentials,
    json: Mutex<CString>,
}

impl CredentialsBox {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, json: Mutex::default() }
    }
}

impl Object for CredentialsBox {
    type C = cognite_credentials;
    const TAG: u64 = 0x636f_675f_6372_6564;
    const NAME: &'static str = "cognite_credentials";
}

/// A token that was had by other means. White space around it is dropped; it is sent as `Bearer <token>`.
///
/// @param token     The token: not empty.
/// @param[out] out  The credentials. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (an empty token).
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_token(
    token: *const c_char,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a text.
        let credentials = Credentials::token(unsafe { text(token, "token") }?)?;
        out.set(into_raw(CredentialsBox::new(credentials)));
        Ok(())
    })
}

/// Scopes as C gives them: separated by spaces.
pub(crate) fn listed(scopes: Option<&str>) -> Scopes {
    match scopes {
        None | Some("") => Scopes::None,
        Some(list) => Scopes::List(list.split_whitespace().map(str::to_owned).collect()),
    }
}

/// OAuth 2.0 client credentials: a client id and secret exchanged for tokens, which are cached, renewed before they
/// end and asked for once for any number of callers. The secret goes to `token_url` only.
///
/// @param token_url      Full URL of the token endpoint.
/// @param client_id      Not empty.
/// @param client_secret  Not empty. Wiped from memory when no longer needed; never shown.
/// @param scopes         Separated by spaces; NULL for none.
/// @param[out] out       The credentials. Not NULL.
/// @param[out] err       May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_client_credentials(
    token_url: *const c_char,
    client_id: *const c_char,
    client_secret: *const c_char,
    scopes: *const c_char,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or texts.
        let (url, id, secret, scopes) = unsafe {
            (
                text(token_url, "token_url")?,
                text(client_id, "client_id")?,
                text(client_secret, "client_secret")?,
                text_opt(scopes, "scopes")?,
            )
        };
        let credentials = Credentials::client_credentials(url, id, secret, listed(scopes))?;
        out.set(into_raw(CredentialsBox::new(credentials)));
        Ok(())
    })
}

/// Reads credentials from YAML or JSON: a mapping with exactly one key.
///
///     token: abc
///
///     client_credentials:
///       token_url: https://…/token
///       client_id: …
///       client_secret: …
///       scopes: [https://…/.default]        # required; a list, text or null
///       token_expiry_leeway_seconds: 30     # optional
///       timeout: 10                         # optional, seconds for one token request
///       follow_redirects: false             # optional
///       audience: …                         # any other key: a further field of the token request
///
///     client_certificate:
///       authority_url: https://login.microsoftonline.com/<tenant>
///       client_id: …
///       certificate: {file: key.pem}        # PEM of the private key (RSA, not encrypted), perhaps with the certificate
///       cert_thumbprint: …                  # SHA-1 in hex; needed where the certificate is not there
///       scopes: [https://…/.default]
///       token_expiry_leeway_seconds: 30     # optional
///
///     device_code:                          # needs cognite_config_set_device_code_prompt()
///       authority_url: https://…/<tenant>   # or oauth_discovery_url: https://… (OpenID Connect); one of the two
///       client_id: …
///       scopes: […]                         # or cdf_cluster: westeurope-1
///       token_cache_path: …                 # optional, a file for the refresh token
///       mem_cache_only: false               # optional, keep nothing between runs
///       clear_cache: false                  # optional, forget what was kept
///       token_expiry_leeway_seconds: 30     # optional
///       audience: …                         # any other key: a further field of the requests
///
///     interactive:                          # opens a browser on this machine, or cognite_config_set_open_url()
///       authority_url: https://…/<tenant>
///       client_id: …
///       scopes: […]
///       redirect_port: 53000                # optional; http://localhost:<port> is registered for the client
///       prompt: select_account              # optional; or login, consent
///       login_hint: somebody@example.com    # optional
///       login_timeout_seconds: 300          # optional, for the person
///       token_cache_path, mem_cache_only, clear_cache, token_expiry_leeway_seconds   # optional, as above
///
/// `token`, `client_secret` and `certificate` may be `{env: NAME}` or `{file: PATH}` instead of text: an environment variable,
/// or a file of at most 64 KiB, read now; a line end at the end is dropped. Logins that need a person keep their refresh
/// token in a file only the user can read, in the user's cache folder.
///
/// @param text      UTF-8, a byte order mark allowed, at most 256 KiB.
/// @param len       Its length in bytes.
/// @param[out] out  The credentials. Not NULL.
/// @param[out] err  May be NULL. Names the key that is wrong; never quotes a value.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_load(
    text: *const c_char,
    len: usize,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or `len` bytes.
        let credentials = Credentials::load(unsafe { bytes(text.cast(), len, "text") }?)?;
        out.set(into_raw(CredentialsBox::new(credentials)));
        Ok(())
    })
}

pub(crate) fn change(
    credentials: *mut cognite_credentials,
    err: *mut *mut cognite_error,
    apply: impl FnOnce(&mut Credentials) -> Result<(), Error>,
) -> cognite_status {
    // SAFETY: NULL or live credentials that no other thread uses.
    entry(err, || apply(&mut unsafe { get_mut::<CredentialsBox>(credentials, "credentials") }?.credentials))
}

/// Adds a field to the form of the token request, such as `audience`. `scope` replaces the scopes.
///
/// @param credentials  Client credentials or a device code login. Not NULL.
/// @param name         The field; not auth, body, cookies, grant_type, headers, method, state or url.
/// @param value        Its value; an empty one is not sent.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials), CONFIG (a reserved name).
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_form_field(
    credentials: *mut cognite_credentials,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(credentials, err, |c| {
        // SAFETY: NULL or texts.
        let (name, value) = unsafe { (text(name, "name")?, text(value, "value")?) };
        c.set_form_field(name, &value.into())
    })
}

/// How long before its end a token counts as used up. Unless this is set, a token that lives no longer than the default
/// is used for half its life; if it is set, such a token is asked for anew for each request.
///
/// @param credentials  Credentials of an OAuth login. Not NULL.
/// @param leeway_ms    Milliseconds up to a day; the default is 30 s.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_expiry_leeway_ms(
    credentials: *mut cognite_credentials,
    leeway_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(credentials, err, |c| {
        if leeway_ms > 86_400_000 {
            return Err(Error::argument("leeway_ms is longer than a day"));
        }
        c.set_leeway(Duration::from_millis(leeway_ms))
    })
}

/// What may be shown of credentials, as JSON: `{"type":"token"}`, or
/// `{"type":"client_credentials","token_url":"…","client_id":"…","scopes":[…],"token_custom_args":{…},
/// "token_expiry_leeway_seconds":30}`; of `client_certificate`, `device_code` and `interactive` likewise `authority_url`,
/// `client_id`, `scopes`, `token_expiry_leeway_seconds`, and `oauth_discovery_url` or `prompt` and `login_hint`.
///
/// @param credentials  The credentials; NULL gives `{}`.
/// @return JSON text, never NULL.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the credentials; valid until the next call on them.
/// **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_json(credentials: *const cognite_credentials) -> *const c_char {
    access(c"{}".as_ptr(), || {
        // SAFETY: NULL or live credentials.
        let c = unsafe { get::<CredentialsBox>(credentials, "credentials") }?;
        let mut json = c.json.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *json = c_text(&c.credentials.to_json().to_string());
        Ok(json.as_ptr())
    })
}

/// Frees credentials. NULL does nothing. Configs and clients they were passed to keep their copy.
///
/// @param credentials  The credentials; not used afterwards.
///
/// **Blocks:** no. **Threads:** one, no other using them. **Owns:** takes the credentials. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_free(credentials: *mut cognite_credentials) {
    // SAFETY: NULL or credentials the caller gives up.
    unsafe { free::<CredentialsBox>(credentials) }
}
