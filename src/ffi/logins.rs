//! Logins with a certificate or a person, and the callbacks by which the host shows what the person must see.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use super::credentials::{CredentialsBox, cognite_credentials, listed};
use super::error::cognite_error;
use super::guard::{Out, UserData, cognite_status, entry};
use super::handle::into_raw;
use super::text::{c_text, text, text_opt};
use super::token_provider::{Owned, cognite_destroy};
use crate::auth::Credentials;
use crate::auth::authority::Authority;
use crate::auth::certificate::ClientCertificate;
use crate::auth::device_code::{DeviceCode, DevicePrompt, ShowPrompt};
use crate::auth::interactive::{Interactive, OpenUrl};
use crate::error::Error;

/// Shows a person where to enter which code. Called on a callback thread of the library; the texts are valid during the
/// call. Must not throw, longjmp or wait for a call of the same client, which waits for the person.
///
/// @param user_data         As given with the callback.
/// @param verification_uri  The address to open, in any browser; empty if the provider says it in `message` only.
/// @param complete_uri      The same with the code in it already; NULL if the provider has none.
/// @param user_code         The code to enter; empty likewise.
/// @param message           A sentence with both, ready to be shown.
/// @param expires_in_ms     How long the code is good for.
pub type cognite_device_code_prompt = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        verification_uri: *const c_char,
        complete_uri: *const c_char,
        user_code: *const c_char,
        message: *const c_char,
        expires_in_ms: u64,
    ),
>;

/// Opens an address in the person's browser. Called on a callback thread of the library; the text is valid during the
/// call. Must not throw, longjmp or wait for a call of the same client, which waits for the person.
///
/// @param user_data  As given with the callback.
/// @param url        The address, good for one login.
pub type cognite_open_url = Option<unsafe extern "C" fn(user_data: *mut c_void, url: *const c_char)>;

struct Prompt {
    show: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, *const c_char, u64),
    user_data: Owned,
}

impl ShowPrompt for Prompt {
    fn show(&self, prompt: &DevicePrompt) {
        let complete: Option<CString> = prompt.verification_uri_complete.as_deref().map(c_text);
        let (uri, code, message) =
            (c_text(&prompt.verification_uri), c_text(&prompt.user_code), c_text(&prompt.message));
        let complete = complete.as_ref().map_or(std::ptr::null(), |c| c.as_ptr());
        let ms = u64::try_from(prompt.expires_in.as_millis()).unwrap_or(u64::MAX);
        // SAFETY: the host's own function with the host's own pointer; the texts live until it returns.
        unsafe {
            (self.show)(self.user_data.user_data.0, uri.as_ptr(), complete, code.as_ptr(), message.as_ptr(), ms);
        }
    }
}

struct Opener {
    open: unsafe extern "C" fn(*mut c_void, *const c_char),
    user_data: Owned,
}

impl OpenUrl for Opener {
    fn open(&self, url: &str) {
        let url = c_text(url);
        // SAFETY: the host's own function with the host's own pointer; the text lives until it returns.
        unsafe { (self.open)(self.user_data.user_data.0, url.as_ptr()) }
    }
}

pub(crate) fn owned(user_data: *mut c_void, destroy: cognite_destroy) -> Owned {
    Owned { user_data: UserData(user_data), destroy }
}

pub(crate) fn prompt(show: cognite_device_code_prompt, user_data: Owned) -> Result<Arc<dyn ShowPrompt>, Error> {
    let show = show.ok_or_else(|| Error::argument("prompt is NULL; somebody must show the code"))?;
    Ok(Arc::new(Prompt { show, user_data }))
}

pub(crate) fn opener(open: cognite_open_url, user_data: Owned) -> Result<Arc<dyn OpenUrl>, Error> {
    let open = open.ok_or_else(|| Error::argument("open_url is NULL"))?;
    Ok(Arc::new(Opener { open, user_data }))
}

fn make(
    out: Out<cognite_credentials>,
    err: *mut *mut cognite_error,
    credentials: impl FnOnce() -> Result<Credentials, Error>,
) -> cognite_status {
    entry(err, || {
        out.required("out")?;
        out.set(into_raw(CredentialsBox::new(credentials()?)));
        Ok(())
    })
}

fn with_opener(mut login: Credentials, open: cognite_open_url, user_data: Owned) -> Result<Credentials, Error> {
    if open.is_some() {
        login.set_open_url(opener(open, user_data)?)?;
    }
    Ok(login)
}

/// OAuth 2.0 with a client certificate: instead of a secret a statement is sent that the certificate's private key has
/// signed (RS256). The endpoints are looked up at the first use.
///
/// @param authority_url    `https://login.microsoftonline.com/<tenant>`, or an AD FS address that ends with `/adfs`.
/// @param client_id        Not empty.
/// @param cert_thumbprint  SHA-1 of the certificate in hex; NULL: computed from the certificate in `private_key`.
/// @param private_key      PEM text: an RSA key (PKCS#1 or PKCS#8, not encrypted), perhaps with the certificate beside it.
///                         Never shown.
/// @param scopes           Separated by spaces. Not empty.
/// @param[out] out         The credentials. Not NULL.
/// @param[out] err         May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (a key or thumbprint that cannot be used).
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_client_certificate(
    authority_url: *const c_char,
    client_id: *const c_char,
    cert_thumbprint: *const c_char,
    private_key: *const c_char,
    scopes: *const c_char,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        let (url, id, print, key, scopes) = unsafe {
            (
                text(authority_url, "authority_url")?,
                text(client_id, "client_id")?,
                text_opt(cert_thumbprint, "cert_thumbprint")?,
                text(private_key, "private_key")?,
                text(scopes, "scopes")?,
            )
        };
        let login = ClientCertificate::new(Authority::microsoft(url)?, id, print, key, listed(Some(scopes)))?;
        Ok(Credentials::ClientCertificate(Box::new(login)))
    })
}

/// OAuth 2.0 device code (RFC 8628): a person enters a code in a browser, on this machine or another, while the call that
/// needs the token waits. Later tokens come from the refresh token, which is kept between runs
/// (cognite_credentials_set_token_cache()).
///
/// @param authority_url        `https://login.microsoftonline.com/<tenant>`; NULL where the next one is given.
/// @param oauth_discovery_url  The address of any OpenID Connect provider; NULL where the one before is given.
/// @param client_id            Not empty.
/// @param scopes               Separated by spaces. Not empty. `offline_access` among them asks for a refresh token.
/// @param prompt               Shows the code. Not NULL.
/// @param user_data            Handed to `prompt` and `destroy`; the library does not look into it.
/// @param destroy              Called exactly once with `user_data` when the last copy of the credentials is gone, also
///                             when this function fails; may be NULL.
/// @param[out] out             The credentials. Not NULL.
/// @param[out] err             May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_device_code(
    authority_url: *const c_char,
    oauth_discovery_url: *const c_char,
    client_id: *const c_char,
    scopes: *const c_char,
    prompt: cognite_device_code_prompt,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        let (authority, discovery, id, scopes) = unsafe {
            (
                text_opt(authority_url, "authority_url")?,
                text_opt(oauth_discovery_url, "oauth_discovery_url")?,
                text(client_id, "client_id")?,
                text(scopes, "scopes")?,
            )
        };
        let authority = match (authority, discovery) {
            (Some(url), None) => Authority::microsoft(url)?,
            (None, Some(url)) => Authority::open_id(url)?,
            _ => return Err(Error::argument("exactly one of authority_url and oauth_discovery_url must be given")),
        };
        let mut login = DeviceCode::new(authority, id, listed(Some(scopes)))?;
        login.prompt = Some(self::prompt(prompt, user_data)?);
        Ok(Credentials::DeviceCode(Box::new(login)))
    })
}

/// OAuth 2.0 in a browser on this machine (authorization code with PKCE), while the call that needs the token waits. The
/// browser brings the answer to `http://localhost:53000` (cognite_credentials_set_redirect_port()), which must be
/// registered for the client. Later tokens come from the refresh token, which is kept between runs
/// (cognite_credentials_set_token_cache()).
///
/// @param authority_url  `https://login.microsoftonline.com/<tenant>`.
/// @param client_id      Not empty.
/// @param scopes         Separated by spaces. Not empty; without openid, profile and offline_access, which are added.
/// @param open_url       Opens the browser; NULL: what the environment variable BROWSER names, else the system's own.
/// @param user_data      Handed to `open_url` and `destroy`; the library does not look into it.
/// @param destroy        Called exactly once with `user_data` when the last copy of the credentials is gone, also when
///                       this function fails; may be NULL.
/// @param[out] out       The credentials. Not NULL.
/// @param[out] err       May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_interactive(
    authority_url: *const c_char,
    client_id: *const c_char,
    scopes: *const c_char,
    open_url: cognite_open_url,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        let (url, id, scopes) =
            unsafe { (text(authority_url, "authority_url")?, text(client_id, "client_id")?, text(scopes, "scopes")?) };
        let login = Interactive::new(Authority::microsoft(url)?, id, listed(Some(scopes)))?;
        with_opener(Credentials::Interactive(Box::new(login)), open_url, user_data)
    })
}

/// Client credentials of a Microsoft Entra ID tenant, for the scope `https://{cdf_cluster}.cognitedata.com/.default`.
///
/// @param tenant_id      GUID or domain name of the tenant.
/// @param client_id      Not empty.
/// @param client_secret  Not empty.
/// @param cdf_cluster    The cluster, such as `westeurope-1`.
/// @param[out] out       The credentials. Not NULL.
/// @param[out] err       May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_entra_client_credentials(
    tenant_id: *const c_char,
    client_id: *const c_char,
    client_secret: *const c_char,
    cdf_cluster: *const c_char,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        unsafe {
            Credentials::entra_client_credentials(
                text(tenant_id, "tenant_id")?,
                text(client_id, "client_id")?,
                text(client_secret, "client_secret")?,
                text(cdf_cluster, "cdf_cluster")?,
            )
        }
    })
}

/// A client certificate of a Microsoft Entra ID tenant, for the scope `https://{cdf_cluster}.cognitedata.com/.default`.
///
/// @param tenant_id        GUID or domain name of the tenant.
/// @param client_id        Not empty.
/// @param cert_thumbprint  As for cognite_credentials_new_client_certificate(); may be NULL.
/// @param private_key      As for cognite_credentials_new_client_certificate().
/// @param cdf_cluster      The cluster, such as `westeurope-1`.
/// @param[out] out         The credentials. Not NULL.
/// @param[out] err         May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_entra_client_certificate(
    tenant_id: *const c_char,
    client_id: *const c_char,
    cert_thumbprint: *const c_char,
    private_key: *const c_char,
    cdf_cluster: *const c_char,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        unsafe {
            Credentials::entra_client_certificate(
                text(tenant_id, "tenant_id")?,
                text(client_id, "client_id")?,
                text_opt(cert_thumbprint, "cert_thumbprint")?,
                text(private_key, "private_key")?,
                text(cdf_cluster, "cdf_cluster")?,
            )
        }
    })
}

/// A device code login at a Microsoft Entra ID tenant, with the scopes of a CDF cluster and a refresh token.
///
/// @param tenant_id    GUID or domain name of the tenant.
/// @param client_id    Not empty.
/// @param cdf_cluster  The cluster, such as `westeurope-1`.
/// @param prompt       Shows the code. Not NULL.
/// @param user_data    Handed to `prompt` and `destroy`; the library does not look into it.
/// @param destroy      As for cognite_credentials_new_device_code(); may be NULL.
/// @param[out] out     The credentials. Not NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_entra_device_code(
    tenant_id: *const c_char,
    client_id: *const c_char,
    cdf_cluster: *const c_char,
    prompt: cognite_device_code_prompt,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        let (tenant, id, cluster) = unsafe {
            (text(tenant_id, "tenant_id")?, text(client_id, "client_id")?, text(cdf_cluster, "cdf_cluster")?)
        };
        let mut login = Credentials::entra_device_code(tenant, id, cluster)?;
        login.set_device_code_prompt(self::prompt(prompt, user_data)?)?;
        Ok(login)
    })
}

/// A login in a browser at a Microsoft Entra ID tenant, for the scope `https://{cdf_cluster}.cognitedata.com/.default`.
///
/// @param tenant_id    GUID or domain name of the tenant.
/// @param client_id    Not empty.
/// @param cdf_cluster  The cluster, such as `westeurope-1`.
/// @param open_url     Opens the browser; NULL: as for cognite_credentials_new_interactive().
/// @param user_data    Handed to `open_url` and `destroy`; the library does not look into it.
/// @param destroy      As for cognite_credentials_new_interactive(); may be NULL.
/// @param[out] out     The credentials. Not NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_new_entra_interactive(
    tenant_id: *const c_char,
    client_id: *const c_char,
    cdf_cluster: *const c_char,
    open_url: cognite_open_url,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    out: *mut *mut cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        let (tenant, id, cluster) = unsafe {
            (text(tenant_id, "tenant_id")?, text(client_id, "client_id")?, text(cdf_cluster, "cdf_cluster")?)
        };
        with_opener(Credentials::entra_interactive(tenant, id, cluster)?, open_url, user_data)
    })
}
