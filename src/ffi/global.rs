//! Settings of the process.

use std::ffi::c_char;

use super::config::{ConfigBox, cognite_config};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{get_opt, into_raw};
use super::response::{ResponseBox, cognite_response};
use super::text::bytes;
use crate::config::global;
use crate::http::Response;

/// Changes settings of the process from a YAML or JSON mapping: all of it or, on any error, nothing.
///
///     max_retries: 10                  # repeats of a call, of all kinds together
///     max_retries_connect: 3           # of these, after connections that failed or broke
///     max_retry_backoff: 60            # longest pause between attempts, seconds; the first is at most 0.5
///     status_forcelist: [429, 502, 503, 504]   # answers that are repeated where that is safe
///     disable_gzip: false              # do not compress what is sent
///     max_connection_pool_size: 20     # exchanges at a time, per client            (next client)
///     concurrency_settings: {general: {read: 5}}   # see cognite_global_set_concurrency(); what is not named stays
///     disable_ssl: false               # true: accept any certificate. For tests.   (next client)
///     proxy: null                      # http://user:password@host:port; none; null: the environment's (next client)
///     follow_redirects: false          # see cognite_global_set_follow_redirects()
///     file_download_chunk_size: null   # bytes written to a local file at a time; null: 256 KiB
///     file_upload_chunk_size: null     # bytes read from a local file at a time; null: 256 KiB
///     default_client_config: null      # a config as for cognite_config_load()
///     io_threads: 2                    # for all network I/O; default: one per CPU, at most 2   (before the first call)
///     callback_threads: 1              # for completion callbacks                               (before the first call)
///     thread_stack_size: 2097152       # bytes, 512 KiB or more                                 (before the first call)
///     thread_name_prefix: cognite      # at most 12 characters                                  (before the first call)
///
/// Settings take effect with the next call, those marked so with the next client; those about threads are refused while
/// the library runs. A null proxy means HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, read when a client is made.
/// `disable_pypi_version_check`, `max_workers` and `silence_feature_preview_warnings` are accepted and kept, and have no
/// effect.
///
/// @param text      UTF-8, a byte order mark allowed, at most 256 KiB.
/// @param len       Its length in bytes.
/// @param[out] err  May be NULL. Names the key that is wrong.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_apply_settings(
    text: *const c_char,
    len: usize,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or `len` bytes.
    entry(err, || global::apply_settings(unsafe { bytes(text.cast(), len, "text") }?))
}

/// All settings of the process, as a JSON object under the keys of cognite_global_apply_settings(). The default config
/// is shown as by cognite_config_json(); the proxy without its password.
///
/// @param[out] out  A response whose body is the JSON. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_settings(
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        out.set(into_raw(ResponseBox::new(Response::of_json(&global::current().to_json()))));
        Ok(())
    })
}

/// Sets the config of clients that are made without one.
///
/// @param config    Copied; NULL: none.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (the config is not complete).
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_default_config(
    config: *const cognite_config,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or a live config.
        let config = unsafe { get_opt::<ConfigBox>(config, "config") }?.map(|c| c.config.clone());
        config.as_ref().map(|c| c.check()).transpose()?;
        global::update(|g| {
            g.default_config = config;
            Ok(())
        })
    })
}

/// The config of clients that are made without one, as cognite_global_set_default_config() or `default_client_config` set it.
///
/// @param[out] config  A copy, to be freed with cognite_config_free(). Not NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (there is none).
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the copy. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_default_config(
    config: *mut *mut cognite_config,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(config) };
    entry(err, || {
        out.required("config")?;
        out.set(into_raw(ConfigBox::new(global::default_config()?)));
        Ok(())
    })
}
