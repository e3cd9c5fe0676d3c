//! The network of one client: trust, certificates, connections, and its own values for settings of the process.

use std::ffi::c_char;
use std::time::Duration;

use super::config::cognite_config;
use super::config_values::{change, flag};
use super::error::cognite_error;
use super::guard::cognite_status;
use super::text::{bytes, numbers, text, text_opt};
use crate::config::global;
use crate::error::Error;

/// -1 takes a client's own value away.
fn own_flag(on: i32) -> Result<Option<bool>, Error> {
    if on == -1 { Ok(None) } else { flag("on", on).map(Some).map_err(|_| Error::argument("on must be 0, 1 or -1")) }
}

fn own_count(key: &str, count: i32, least: u64) -> Result<Option<u32>, Error> {
    if count == -1 { Ok(None) } else { global::count(key, &count.into(), least).map(Some) }
}

fn own_size(key: &str, bytes: i64) -> Result<Option<u64>, Error> {
    if bytes == -1 { Ok(None) } else { global::chunk_size(key, &bytes.into()) }
}

/// Certificate authorities the client trusts beside the system's store (or instead of it: cognite_config_set_ca_only()).
/// For the API, tokens and a proxy that is spoken to over TLS. They take the place of those given before.
///
/// @param config    The config. Not NULL.
/// @param pem  One or more certificates in PEM form. NULL with length 0: none.
/// @param len  Its length in bytes.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_ca_pem(
    config: *mut cognite_config,
    pem: *const c_char,
    len: usize,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or `len` bytes.
    change(config, err, |c| c.network.set_ca_pem(unsafe { bytes(pem.cast(), len, "pem") }?))
}

/// Trusts the authorities of cognite_config_set_ca_pem() only, not the system's store.
///
/// @param config    The config. Not NULL.
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_ca_only(
    config: *mut cognite_config,
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.ca_only = flag("on", on)?;
        Ok(())
    })
}

/// The certificate the client shows to servers that ask for one (mutual TLS).
/// That the two belong together is checked here. NULL for both: none.
///
/// @param config    The config. Not NULL.
/// @param certificate  The certificate and the chain after it, PEM.
/// @param certificate_len  Its length in bytes.
/// @param key  The private key, PEM, not encrypted.
/// @param key_len  Its length in bytes.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_client_certificate_pem(
    config: *mut cognite_config,
    certificate: *const c_char,
    certificate_len: usize,
    key: *const c_char,
    key_len: usize,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or as many bytes as the lengths say.
        let (certificate, key) =
            unsafe { (bytes(certificate.cast(), certificate_len, "certificate")?, bytes(key.cast(), key_len, "key")?) };
        if certificate.is_empty() && key.is_empty() {
            c.network.identity = None;
            return Ok(());
        }
        c.network.set_client_certificate_pem(certificate, key)
    })
}

/// The oldest version of TLS the client speaks.
///
/// @param config    The config. Not NULL.
/// @param version  `1.2` or `1.3`; the default is 1.2.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_min_tls_version(
    config: *mut cognite_config,
    version: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a text.
    change(config, err, |c| c.network.set_min_tls(unsafe { text(version, "version") }?))
}

/// Time to make a connection: name look-up, TCP, proxy and TLS.
///
/// @param config    The config. Not NULL.
/// @param connect_timeout_ms  Milliseconds up to a week; 0: as cognite_config_set_timeout_ms().
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_connect_timeout_ms(
    config: *mut cognite_config,
    connect_timeout_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| c.network.set_connect_timeout(Duration::from_millis(connect_timeout_ms)))
}

/// How long an unused connection is kept for the next request.
/// Choose less than what the load balancer in between keeps.
///
/// @param config    The config. Not NULL.
/// @param keep_alive_idle_ms  Milliseconds up to a week; 0: the default, 30 s.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_keep_alive_idle_ms(
    config: *mut cognite_config,
    keep_alive_idle_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| c.network.set_keep_alive_idle(Duration::from_millis(keep_alive_idle_ms)))
}

/// The client's own value of cognite_global_set_max_retries().
///
/// @param config    The config. Not NULL.
/// @param count  0 to 1000000; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_max_retries(
    config: *mut cognite_config,
    count: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.max_retries = own_count("max_retries", count, 0)?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_max_retries_connect().
///
/// @param config    The config. Not NULL.
/// @param count  0 to 1000000; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_max_retries_connect(
    config: *mut cognite_config,
    count: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.max_retries_connect = own_count("max_retries_connect", count, 0)?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_max_retry_backoff_ms().
///
/// @param config    The config. Not NULL.
/// @param max_retry_backoff_ms  Milliseconds; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_max_retry_backoff_ms(
    config: *mut cognite_config,
    max_retry_backoff_ms: i64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.max_retry_backoff = match max_retry_backoff_ms {
            -1 => None,
            ms => Some(Duration::from_millis(
                u64::try_from(ms).map_err(|_| Error::argument("max_retry_backoff_ms must be 0 or more, or -1"))?,
            )),
        };
        Ok(())
    })
}

/// The client's own value of cognite_global_set_status_forcelist().
///
/// @param config    The config. Not NULL.
/// @param statuses  HTTP status codes; NULL: the process's. Not NULL with count 0: none.
/// @param count  How many.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_status_forcelist(
    config: *mut cognite_config,
    statuses: *const i32,
    count: usize,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or `count` numbers.
        let given = unsafe { numbers(statuses, count, "statuses") }?;
        let list = global::status_list(given.iter().map(|n| i64::from(*n)))?;
        c.network.own.status_forcelist = (!statuses.is_null()).then_some(list);
        Ok(())
    })
}

/// The client's own value of cognite_global_set_disable_gzip().
///
/// @param config    The config. Not NULL.
/// @param on  1 or 0; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_disable_gzip(
    config: *mut cognite_config,
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.disable_gzip = own_flag(on)?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_follow_redirects().
///
/// @param config    The config. Not NULL.
/// @param on  1 or 0; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_follow_redirects(
    config: *mut cognite_config,
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.follow_redirects = own_flag(on)?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_proxy().
///
/// @param config    The config. Not NULL.
/// @param proxy  As there; NULL: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_proxy(
    config: *mut cognite_config,
    proxy: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        // SAFETY: NULL or a text.
        c.network.own.proxy = unsafe { text_opt(proxy, "proxy") }?.map(global::proxy).transpose()?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_disable_ssl().
///
/// @param config    The config. Not NULL.
/// @param on  1 or 0; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_disable_ssl(
    config: *mut cognite_config,
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.disable_ssl = own_flag(on)?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_max_connection_pool_size().
///
/// @param config    The config. Not NULL.
/// @param count  1 to 1000000; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_max_connection_pool_size(
    config: *mut cognite_config,
    count: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.pool_size = own_count("max_connection_pool_size", count, 1)?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_file_download_chunk_size().
///
/// @param config    The config. Not NULL.
/// @param bytes  1 or more; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_file_download_chunk_size(
    config: *mut cognite_config,
    bytes: i64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.file_download_chunk_size = own_size("file_download_chunk_size", bytes)?;
        Ok(())
    })
}

/// The client's own value of cognite_global_set_file_upload_chunk_size().
///
/// @param config    The config. Not NULL.
/// @param bytes  1 or more; -1: the process's.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_file_upload_chunk_size(
    config: *mut cognite_config,
    bytes: i64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(config, err, |c| {
        c.network.own.file_upload_chunk_size = own_size("file_upload_chunk_size", bytes)?;
        Ok(())
    })
}
