//! Settings of logins that need a person, on credentials and on configs that were loaded.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use super::config::{ConfigBox, cognite_config};
use super::credentials::{change, cognite_credentials};
use super::error::cognite_error;
use super::guard::{cognite_status, entry};
use super::handle::get_mut;
use super::logins::{cognite_device_code_prompt, cognite_open_url, opener, owned, prompt};
use super::text::text_opt;
use super::token_provider::cognite_destroy;
use crate::auth::Credentials;
use crate::error::Error;
use crate::sys::process::path_from_here;

/// # Safety
/// `config` is NULL or a live config that no other thread uses.
unsafe fn change_config(
    config: *mut cognite_config,
    err: *mut *mut cognite_error,
    apply: impl FnOnce(&mut Credentials) -> Result<(), Error>,
) -> cognite_status {
    entry(err, || {
        // SAFETY: passed on to the caller of this function.
        let config = &mut unsafe { get_mut::<ConfigBox>(config, "config") }?.config;
        apply(config.credentials.as_mut().ok_or_else(|| Error::argument("the config has no credentials yet"))?)
    })
}

/// Sets who shows the code of a device code login, for credentials that were loaded.
///
/// @param credentials  A device code login. Not NULL.
/// @param prompt       Shows the code. Not NULL.
/// @param user_data    Handed to `prompt` and `destroy`; the library does not look into it.
/// @param destroy      Called exactly once with `user_data` when the last copy is gone, also when this function fails; may
///                     be NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials).
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_device_code_prompt(
    credentials: *mut cognite_credentials,
    prompt: cognite_device_code_prompt,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    change(credentials, err, |c| c.set_device_code_prompt(self::prompt(prompt, user_data)?))
}

/// cognite_credentials_set_device_code_prompt() for the credentials inside a config, such as one that was loaded.
///
/// @param config     Its credentials are a device code login. Not NULL.
/// @param prompt     Shows the code. Not NULL.
/// @param user_data  Handed to `prompt` and `destroy`; the library does not look into it.
/// @param destroy    Called exactly once with `user_data` when the last copy is gone, also when this function fails; may be
///                   NULL.
/// @param[out] err   May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials, or none).
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_device_code_prompt(
    config: *mut cognite_config,
    prompt: cognite_device_code_prompt,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    // SAFETY: NULL or a live config.
    unsafe { change_config(config, err, |c| c.set_device_code_prompt(self::prompt(prompt, user_data)?)) }
}

/// Sets who opens the browser of an interactive login, instead of the system.
///
/// @param credentials  An interactive login. Not NULL.
/// @param open_url     Opens an address. Not NULL.
/// @param user_data    Handed to `open_url` and `destroy`; the library does not look into it.
/// @param destroy      Called exactly once with `user_data` when the last copy is gone, also when this function fails; may
///                     be NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials).
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_open_url(
    credentials: *mut cognite_credentials,
    open_url: cognite_open_url,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    change(credentials, err, |c| c.set_open_url(opener(open_url, user_data)?))
}

/// cognite_credentials_set_open_url() for the credentials inside a config, such as one that was loaded.
///
/// @param config     Its credentials are an interactive login. Not NULL.
/// @param open_url   Opens an address. Not NULL.
/// @param user_data  Handed to `open_url` and `destroy`; the library does not look into it.
/// @param destroy    Called exactly once with `user_data` when the last copy is gone, also when this function fails; may be
///                   NULL.
/// @param[out] err   May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials, or none).
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_open_url(
    config: *mut cognite_config,
    open_url: cognite_open_url,
    user_data: *mut c_void,
    destroy: cognite_destroy,
    err: *mut *mut cognite_error,
) -> cognite_status {
    let user_data = owned(user_data, destroy);
    // SAFETY: NULL or a live config.
    unsafe { change_config(config, err, |c| c.set_open_url(opener(open_url, user_data)?)) }
}

/// The port of this machine to which the browser brings the answer of an interactive login: `http://localhost:<port>` is
/// what must be registered for the client.
///
/// @param credentials  An interactive login. Not NULL.
/// @param port         1 to 65535; 0: any free one, for providers that do not look at the port. The default is 53000.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_redirect_port(
    credentials: *mut cognite_credentials,
    port: u32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(credentials, err, |c| {
        let port = u16::try_from(port).map_err(|_| Error::argument("port is larger than 65535"))?;
        c.interactive_mut("a redirect port")?.redirect_port = port;
        Ok(())
    })
}

/// How an interactive login begins, and for whom.
///
/// @param credentials  An interactive login. Not NULL.
/// @param prompt       select_account, login or consent: asked for at the first login, even if a refresh token is kept.
///                     NULL: whatever the provider thinks right.
/// @param login_hint   The user's name, to be filled in; only a kept refresh token of that user is used. NULL: none.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (another prompt).
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_login_prompt(
    credentials: *mut cognite_credentials,
    prompt: *const c_char,
    login_hint: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(credentials, err, |c| {
        // SAFETY: NULL or texts.
        let (prompt, hint) = unsafe { (text_opt(prompt, "prompt")?, text_opt(login_hint, "login_hint")?) };
        let login = c.interactive_mut("a prompt")?;
        login.set_prompt(prompt)?;
        login.person.login_hint = hint.map(str::to_owned);
        Ok(())
    })
}

/// How long an interactive login waits for the person, from the opening of the browser on.
///
/// @param credentials  An interactive login. Not NULL.
/// @param timeout_ms   1 to 86400000 (a day); the default is 300000. A call's own deadline still ends the call.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_login_timeout_ms(
    credentials: *mut cognite_credentials,
    timeout_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(credentials, err, |c| {
        if !(1..=86_400_000).contains(&timeout_ms) {
            return Err(Error::argument("timeout_ms must be from 1 to 86400000"));
        }
        c.interactive_mut("a login timeout")?.login_timeout = Duration::from_millis(timeout_ms);
        Ok(())
    })
}

/// Keep the refresh token of a login in memory only.
pub const COGNITE_TOKEN_CACHE_MEMORY: u32 = 1;
/// Forget what an earlier run kept.
pub const COGNITE_TOKEN_CACHE_CLEAR: u32 = 2;

/// Where the refresh token of a device code or interactive login is kept between runs: a file that only the user can read,
/// written in one step. The default is a file per provider, client and scopes in the user's cache folder
/// (`$XDG_CACHE_HOME/libcognite` or `~/.cache/libcognite` on Linux). Links are refused.
///
/// @param credentials  A device code or interactive login. Not NULL.
/// @param path         The file; NULL: the default.
/// @param flags        0, or `COGNITE_TOKEN_CACHE_MEMORY` and `COGNITE_TOKEN_CACHE_CLEAR` added up.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_credentials_set_token_cache(
    credentials: *mut cognite_credentials,
    path: *const c_char,
    flags: u32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(credentials, err, |c| {
        // SAFETY: NULL or a text.
        let path = unsafe { text_opt(path, "path") }?;
        if path == Some("") {
            return Err(Error::argument("path is empty; NULL means the default"));
        }
        if flags & !(COGNITE_TOKEN_CACHE_MEMORY | COGNITE_TOKEN_CACHE_CLEAR) != 0 {
            return Err(Error::argument("flags holds bits that mean nothing"));
        }
        let cache = &mut c.person_mut("a token cache")?.cache;
        cache.path = path.map(path_from_here);
        cache.memory_only = flags & COGNITE_TOKEN_CACHE_MEMORY != 0;
        cache.clear = flags & COGNITE_TOKEN_CACHE_CLEAR != 0;
        Ok(())
    })
}
