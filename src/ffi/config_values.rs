//! The values of a config: one typed setter each, getters for what programs read back.

use std::ffi::c_char;
use std::time::Duration;

use super::config::{ConfigBox, cognite_config};
use super::credentials::{CredentialsBox, cognite_credentials};
use super::error::cognite_error;
use super::guard::{access, cognite_status, entry};
use super::handle::{get, get_mut};
use super::text::{text, text_opt};
use crate::config::ClientConfig;
use crate::config::client::{DEFAULT_FILE_TRANSFER_TIMEOUT, DEFAULT_TIMEOUT, DEFAULT_TOTAL_TIMEOUT, checked_timeout};
use crate::error::Error;

pub(super) fn change(
    config: *mut cognite_config,
    err: *mut *mut cognite_error,
    apply: impl FnOnce(&mut ClientConfig) -> Result<(), Error>,
) -> cognite_status {
    // SAFETY: NULL or a live config that no other thread uses.
    entry(err, || apply(&mut unsafe { get_mut::<ConfigBox>(config, "config") }?.config))
}

fn read<T>(config: *const cognite_config, default: T, value: impl FnOnce(&ClientConfig) -> T) -> T {
    // SAFETY: NULL or a live config.
    access(default, || Ok(value(&unsafe { get::<ConfigBox>(config, "config") }?.config)))
}

fn lend(
    config: *const cognite_config,
    what: &'static str,
    value: impl FnOnce(&ClientConfig) -> Option<String>,
) -> *const c_char {
    access(std::ptr::null(), || {
        // SAFETY: NULL or a live config.
        let c = unsafe { get::<ConfigBox>(config, "config") }?;
        Ok(value(&c.config).map_or(std::ptr::null(), |text| c.lend(what, &text)))
    })
}

pub(super) fn flag(name: &str, on: i32) -> Result<bool, Error> {
    match on {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::argument(format!("{name} must be 0 or 1"))),
    }
}

/// Names the program to CDF (the `x-cdp-app` header).
///
/// @param config    The config. Not NULL.
/// @param client_name  Latin-1; may be empty.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_client_name(
    config: *mut cognite_config,
    client_name: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or a text.
        c.set_client_name(unsafe { text(client_name, "client_name") }?)
    })
}

/// The CDF project.
///
/// @param config    The config. Not NULL.
/// @param project  Not empty.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_project(
    config: *mut cognite_config,
    project: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or a text.
        c.set_project(unsafe { text(project, "project") }?)
    })
}

/// The address of the API; a path in it is kept. Give this or the cluster.
///
/// @param config    The config. Not NULL.
/// @param base_url  A full http:// or https:// URL without user name, query and fragment.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_base_url(
    config: *mut cognite_config,
    base_url: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or a text.
        c.set_base_url(unsafe { text(base_url, "base_url") }?)
    })
}

/// The CDF cluster; the address is then `https://{cluster}.cognitedata.com`. Give this or the base URL.
///
/// @param config    The config. Not NULL.
/// @param cluster  Such as `westeurope-1`.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_cluster(
    config: *mut cognite_config,
    cluster: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or a text.
        c.set_cluster(unsafe { text(cluster, "cluster") }?)
    })
}

/// How to log in.
///
/// @param config    The config. Not NULL.
/// @param credentials  Copied. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_credentials(
    config: *mut cognite_config,
    credentials: *const cognite_credentials,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or live credentials.
        let credentials = unsafe { get::<CredentialsBox>(credentials, "credentials") }?;
        c.credentials = Some(credentials.credentials.clone());
        Ok(())
    })
}

/// The API version asked for (the `cdf-version` header).
///
/// @param config    The config. Not NULL.
/// @param api_subversion  Empty: the default, 20230101.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_api_subversion(
    config: *mut cognite_config,
    api_subversion: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or a text.
        c.set_api_subversion(unsafe { text(api_subversion, "api_subversion") }?)
    })
}

/// A header that goes with every request. Names have no letter case; a later value replaces an earlier one. Authorization,
/// Host, Content-Length and Transfer-Encoding are the library's own and not sent from here.
///
/// @param config    The config. Not NULL.
/// @param name   The name.
/// @param value  The value, ASCII; NULL removes the header.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_header(
    config: *mut cognite_config,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or texts.
        let (name, value) = unsafe { (text(name, "name")?, text_opt(value, "value")?) };
        c.set_header(name, value)
    })
}

/// Time to make a connection, and for each wait for data on it.
///
/// @param config    The config. Not NULL.
/// @param timeout_ms  Milliseconds up to a week; 0: the default, 60 s (the reference's).
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_timeout_ms(
    config: *mut cognite_config,
    timeout_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.timeout = checked_timeout("timeout_ms", Duration::from_millis(timeout_ms), DEFAULT_TIMEOUT)?;
        Ok(())
    })
}

/// Time for a whole call: tokens, attempts, pauses, and waiting for a free connection. A request may ask for its own.
///
/// @param config    The config. Not NULL.
/// @param total_timeout_ms  Milliseconds up to a week; 0: the default, 600 s.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_total_timeout_ms(
    config: *mut cognite_config,
    total_timeout_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.total_timeout =
            checked_timeout("total_timeout_ms", Duration::from_millis(total_timeout_ms), DEFAULT_TOTAL_TIMEOUT)?;
        Ok(())
    })
}

/// Like the timeout, for the content of files.
///
/// @param config    The config. Not NULL.
/// @param file_transfer_timeout_ms  Milliseconds up to a week; 0: the default, 600 s (the reference's).
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_file_transfer_timeout_ms(
    config: *mut cognite_config,
    file_transfer_timeout_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.file_transfer_timeout = checked_timeout(
            "file_transfer_timeout_ms",
            Duration::from_millis(file_transfer_timeout_ms),
            DEFAULT_FILE_TRANSFER_TIMEOUT,
        )?;
        Ok(())
    })
}

/// Writes every call and repeat of the client to standard error: method, address, outcome, attempts, time, and with calls
/// the headers and bodies, cut to 1000 characters. Secrets are masked. See also cognite_log_set_callback().
///
/// @param config    The config. Not NULL.
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_debug(
    config: *mut cognite_config,
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.debug = flag("on", on)?;
        Ok(())
    })
}

/// The largest answer taken, counted after decompression. A larger one fails with DECODE and costs no more memory than this.
///
/// @param config    The config. Not NULL.
/// @param bytes  1 or more; the default is 256 MiB.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_max_response_bytes(
    config: *mut cognite_config,
    bytes: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        if bytes == 0 {
            return Err(Error::argument("bytes must be 1 or more"));
        }
        c.max_response_bytes = bytes;
        Ok(())
    })
}

/// How many calls of a client may be accepted and not finished, blocking ones included; beyond it they are answered BUSY.
///
/// @param config    The config. Not NULL.
/// @param calls     1 or more; the default is 10000.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_max_accepted_calls(
    config: *mut cognite_config,
    calls: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        if calls == 0 {
            return Err(Error::argument("calls must be 1 or more"));
        }
        c.max_accepted_calls = calls;
        Ok(())
    })
}

/// JSON bodies of at least this size are compressed. The global setting disable_gzip switches compression off.
///
/// @param config    The config. Not NULL.
/// @param bytes  The default is 1024; 0 compresses every body, as the reference does.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_gzip_min_bytes(
    config: *mut cognite_config,
    bytes: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.gzip_min_bytes = bytes;
        Ok(())
    })
}

/// After a 401, get one new token and repeat the request once. Without effect for a fixed token.
///
/// @param config    The config. Not NULL.
/// @param on  1 or 0; the default is 1.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_refresh_on_401(
    config: *mut cognite_config,
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.refresh_on_401 = flag("on", on)?;
        Ok(())
    })
}

/// After a final 401, ask the service which projects the token does reach; the error then names them. One more request, at
/// most 5 s.
///
/// @param config    The config. Not NULL.
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_project_hint_on_401(
    config: *mut cognite_config,
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.project_hint_on_401 = flag("on", on)?;
        Ok(())
    })
}

/// The client name.
///
/// @param config  The config, or NULL.
/// @return Text, or NULL when it is not set.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_client_name(config: *const cognite_config) -> *const c_char {
    lend(config, "client_name", |c| c.client_name.clone())
}

/// The project.
///
/// @param config  The config, or NULL.
/// @return Text, or NULL when it is not set.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_project(config: *const cognite_config) -> *const c_char {
    lend(config, "project", |c| c.project.clone())
}

/// The address of the API, from the base URL or the cluster, without a slash at its end.
///
/// @param config  The config, or NULL.
/// @return Text, or NULL when neither is set.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_base_url(config: *const cognite_config) -> *const c_char {
    lend(config, "base_url", ClientConfig::effective_base_url)
}

/// The API version asked for.
///
/// @param config  The config, or NULL.
/// @return Text; NULL for NULL.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_api_subversion(config: *const cognite_config) -> *const c_char {
    lend(config, "api_subversion", |c| Some(c.api_subversion.clone()))
}

/// See cognite_config_set_timeout_ms().
///
/// @param config  The config, or NULL.
/// @return Milliseconds; 0 for NULL.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_timeout_ms(config: *const cognite_config) -> u64 {
    read(config, 0, |c| c.timeout.as_millis() as u64)
}

/// See cognite_config_set_total_timeout_ms().
///
/// @param config  The config, or NULL.
/// @return Milliseconds; 0 for NULL.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_total_timeout_ms(config: *const cognite_config) -> u64 {
    read(config, 0, |c| c.total_timeout.as_millis() as u64)
}

/// See cognite_config_set_file_transfer_timeout_ms().
///
/// @param config  The config, or NULL.
/// @return Milliseconds; 0 for NULL.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_file_transfer_timeout_ms(config: *const cognite_config) -> u64 {
    read(config, 0, |c| c.file_transfer_timeout.as_millis() as u64)
}

/// See cognite_config_set_debug().
///
/// @param config  The config, or NULL.
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_get_debug(config: *const cognite_config) -> i32 {
    read(config, 0, |c| i32::from(c.debug))
}
