//! Clients: made, asked for their config, freed. Requests are in `request` and `shortcuts`.

use std::ffi::c_char;
use std::sync::Arc;

use super::config::{ConfigBox, cognite_config, default_config};
use super::credentials::cognite_credentials;
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{Object, free, get, get_opt, into_raw};
use super::notify::{cognite_notify, finish, notify_of};
use super::response::cognite_response;
use super::text::{bytes, text, text_opt};
use crate::api::Client;
use crate::auth::Credentials;
use crate::config::ClientConfig;
use crate::error::Error;
use crate::runtime;

/// A connection to one CDF project: its connections, its token, its limits. Used by any number of threads at a time.
/// Free it with cognite_client_free().
pub struct cognite_client {
    _opaque: [u8; 0],
}

pub(crate) struct ClientBox(pub(crate) Arc<Client>);

impl Object for ClientBox {
    type C = cognite_client;
    const TAG: u64 = 0x636f_675f_636c_6965;
    const NAME: &'static str = "cognite_client";
}

fn make(
    out: Out<cognite_client>,
    err: *mut *mut cognite_error,
    client: impl FnOnce() -> Result<Arc<Client>, Error>,
) -> cognite_status {
    entry(err, || {
        out.required("out")?;
        out.set(into_raw(ClientBox(client()?)));
        Ok(())
    })
}

/// Makes a client. No connection is made yet and no token asked for.
///
/// @param config    Copied; may be changed or freed afterwards. NULL: the default config of the process.
/// @param[out] out  The client. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_new(
    config: *const cognite_config,
    out: *mut *mut cognite_client,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    // SAFETY: NULL or a live config.
    make(out, err, || match unsafe { get_opt::<ConfigBox>(config, "config") }? {
        Some(config) => Client::new(&config.config),
        None => Client::from_global(),
    })
}

/// Makes a client for a project on one of CDF's clusters: cognite_config_default() and cognite_client_new() in one.
///
/// @param project      The project. Not empty.
/// @param cdf_cluster  The cluster, such as `westeurope-1`.
/// @param credentials  Copied. Not NULL.
/// @param client_name  Names the program to CDF; NULL: the login name.
/// @param[out] out     The client. Not NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_default(
    project: *const c_char,
    cdf_cluster: *const c_char,
    credentials: *const cognite_credentials,
    client_name: *const c_char,
    out: *mut *mut cognite_client,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    // SAFETY: NULL, texts, or live credentials.
    make(out, err, || Client::new(&unsafe { default_config(project, cdf_cluster, credentials, client_name) }?))
}

/// Makes a client that logs in with client credentials of a Microsoft Entra ID tenant, for the scope
/// `https://{cdf_cluster}.cognitedata.com/.default`.
///
/// @param project        The project. Not empty.
/// @param cdf_cluster    The cluster, such as `westeurope-1`.
/// @param tenant_id      GUID or domain name of the tenant.
/// @param client_id      Not empty.
/// @param client_secret  Not empty.
/// @param client_name    Names the program to CDF; NULL: the login name.
/// @param[out] out       The client. Not NULL.
/// @param[out] err       May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_default_oauth_client_credentials(
    project: *const c_char,
    cdf_cluster: *const c_char,
    tenant_id: *const c_char,
    client_id: *const c_char,
    client_secret: *const c_char,
    client_name: *const c_char,
    out: *mut *mut cognite_client,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        let (project, cluster, tenant, id, secret, name) = unsafe {
            (
                text(project, "project")?,
                text(cdf_cluster, "cdf_cluster")?,
                text(tenant_id, "tenant_id")?,
                text(client_id, "client_id")?,
                text(client_secret, "client_secret")?,
                text_opt(client_name, "client_name")?,
            )
        };
        let credentials = Credentials::entra_client_credentials(tenant, id, secret, cluster)?;
        Client::new(&ClientConfig::for_cluster(project, cluster, credentials, name)?)
    })
}

/// Makes a client that logs a person in at a Microsoft Entra ID tenant, in this machine's browser, at the first call that
/// needs a token: cognite_credentials_new_entra_interactive() and cognite_client_default() in one.
///
/// @param project      The project. Not empty.
/// @param cdf_cluster  The cluster, such as `westeurope-1`.
/// @param tenant_id    GUID or domain name of the tenant.
/// @param client_id    Not empty.
/// @param client_name  Names the program to CDF; NULL: the login name.
/// @param prompt       select_account, login or consent; NULL: whatever the provider thinks right.
/// @param login_hint   The user's name, to be filled in; NULL: none.
/// @param[out] out     The client. Not NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_default_oauth_interactive(
    project: *const c_char,
    cdf_cluster: *const c_char,
    tenant_id: *const c_char,
    client_id: *const c_char,
    client_name: *const c_char,
    prompt: *const c_char,
    login_hint: *const c_char,
    out: *mut *mut cognite_client,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    make(out, err, || {
        // SAFETY: NULL or texts.
        let (project, cluster, tenant, id, name, prompt, hint) = unsafe {
            (
                text(project, "project")?,
                text(cdf_cluster, "cdf_cluster")?,
                text(tenant_id, "tenant_id")?,
                text(client_id, "client_id")?,
                text_opt(client_name, "client_name")?,
                text_opt(prompt, "prompt")?,
                text_opt(login_hint, "login_hint")?,
            )
        };
        let mut credentials = Credentials::entra_interactive(tenant, id, cluster)?;
        let login = credentials.interactive_mut("a prompt")?;
        login.set_prompt(prompt)?;
        login.person.login_hint = hint.map(str::to_owned);
        Client::new(&ClientConfig::for_cluster(project, cluster, credentials, name)?)
    })
}

/// Makes a client from a YAML or JSON config: cognite_config_load() and cognite_client_new() in one.
///
/// @param text      As for cognite_config_load().
/// @param len       Its length in bytes.
/// @param[out] out  The client. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_load(
    text: *const c_char,
    len: usize,
    out: *mut *mut cognite_client,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    // SAFETY: NULL or `len` bytes.
    make(out, err, || Client::new(&ClientConfig::load(unsafe { bytes(text.cast(), len, "text") }?)?))
}

/// The config a client was made from: a copy, which can be read, changed and used for another client.
///
/// @param client    The client. Not NULL.
/// @param[out] out  The config. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_config(
    client: *const cognite_client,
    out: *mut *mut cognite_config,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live client.
        let client = unsafe { get::<ClientBox>(client, "client") }?;
        out.set(into_raw(ConfigBox::new(client.0.config().clone())));
        Ok(())
    })
}

/// The `Authorization` header the client would send now, for requests the program makes by itself. The body of the
/// response is `{"header":"Authorization","value":"Bearer …"}`: a secret.
///
/// @param client    The client. Not NULL.
/// @param[out] out  The response. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, AUTH, TIMEOUT, BUSY, SHUTDOWN.
///
/// **Blocks:** on the network when there is no token in hand. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_authorization(
    client: *mut cognite_client,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live client.
        let accepted = unsafe { get::<ClientBox>(client, "client") }?.0.accept_authorization()?;
        finish(out, runtime::block_on(Box::pin(accepted.authorization()))?);
        Ok(())
    })
}

/// cognite_client_authorization() that tells its result later.
///
/// @param client    The client. Not NULL.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_authorization_async(
    client: *mut cognite_client,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (client, notify) = unsafe { (get::<ClientBox>(client, "client")?, notify_of(notify)?) };
        runtime::spawn_notified(Box::pin(client.0.accept_authorization()?.authorization()), notify)
    })
}

/// Looks up where the login of a client goes, as its first request would otherwise: a wrong address is found when the
/// program starts. What is found is kept. No token is asked for, and no person; logins with a token, a callback or client
/// credentials have nothing to look up.
///
/// @param client    The client. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (what is at `authority_url` or `oauth_discovery_url` is no identity
///         provider, or another one), AUTH (it cannot be reached), TIMEOUT, BUSY, SHUTDOWN.
///
/// **Blocks:** on the network, the first time. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_check_login(
    client: *mut cognite_client,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or a live client.
        let accepted = unsafe { get::<ClientBox>(client, "client") }?.0.accept_authorization()?;
        runtime::block_on(Box::pin(accepted.check_login())).map(drop)
    })
}

/// cognite_client_check_login() that tells its result later: a response whose body is `{}`, or the error.
///
/// @param client    The client. Not NULL.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_check_login_async(
    client: *mut cognite_client,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (client, notify) = unsafe { (get::<ClientBox>(client, "client")?, notify_of(notify)?) };
        runtime::spawn_notified(Box::pin(client.0.accept_authorization()?.check_login()), notify)
    })
}

/// Frees a client. NULL does nothing. Accepted calls go on and are told.
///
/// @param client  The client; not used afterwards, and not while a call on it is being made.
///
/// **Blocks:** no. **Threads:** one, no other making a call. **Owns:** takes the client. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_free(client: *mut cognite_client) {
    // SAFETY: NULL or a client the caller gives up.
    unsafe { free::<ClientBox>(client) }
}
