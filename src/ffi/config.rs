//! Configs: made, loaded, shown, freed. Their values are in `config_values`.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::sync::Mutex;

use super::credentials::{CredentialsBox, cognite_credentials};
use super::error::cognite_error;
use super::guard::{Out, access, cognite_status, entry};
use super::handle::{Object, free, get, into_raw};
use super::text::{bytes, c_text, text, text_opt};
use crate::config::ClientConfig;

/// Settings of a client, being collected. A collector: one thread at a time; copied from, so it can be freed or changed
/// as soon as it was passed on. Free it with cognite_config_free().
pub struct cognite_config {
    _opaque: [u8; 0],
}

pub(crate) struct ConfigBox {
    pub(crate) config: ClientConfig,
    /// Texts lent to the caller, by what they show.
    texts: Mutex<HashMap<&'static str, CString>>,
}

impl ConfigBox {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self { config, texts: Mutex::default() }
    }

    /// Lends `text`; a text lent before for the same `what` is valid no longer.
    pub(crate) fn lend(&self, what: &'static str, text: &str) -> *const c_char {
        let mut texts = self.texts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let slot = texts.entry(what).or_default();
        if slot.to_bytes() != text.as_bytes() {
            *slot = c_text(text);
        }
        slot.as_ptr()
    }
}

impl Object for ConfigBox {
    type C = cognite_config;
    const TAG: u64 = 0x636f_675f_636f_6e66;
    const NAME: &'static str = "cognite_config";
}

/// An empty config. To be complete it needs client_name, project, credentials, and one of base_url and cluster.
///
/// @return The config; NULL only when memory is out (the next call with it answers INVALID_ARGUMENT).
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn cognite_config_new() -> *mut cognite_config {
    access(std::ptr::null_mut(), || Ok(into_raw(ConfigBox::new(ClientConfig::default()))))
}

/// Reads a config from YAML or JSON and checks that it is complete.
///
///     client_name: my-historian              # required; Latin-1
///     project: my-project                    # required
///     cluster: westeurope-1                  # this, or base_url: https://…
///     credentials: {…}                       # required; see cognite_credentials_load()
///     api_subversion: "20230101"             # the cdf-version header
///     headers: {x-team: pumps}               # sent with every request
///     timeout: 60                            # seconds to connect, and for each wait for data
///     file_transfer_timeout: 600             # the same for file content
///     debug: false                           # calls on standard error, with bodies, secrets masked
///     total_timeout: 600                     # seconds for a whole call, repeats and pauses included
///     max_response_bytes: 268435456          # larger answers are refused
///     max_accepted_calls: 10000              # calls under way; beyond it they are answered BUSY
///     gzip_min_bytes: 1024                   # smaller JSON bodies are not compressed
///     refresh_on_401: true                   # one new token and one repeat after a 401
///     project_hint_on_401: false             # after a 401 ask which projects the token does reach
///
///     ca_file: /etc/ssl/plant-ca.pem         # authorities trusted beside the system's; or ca_pem: the text itself
///     ca_only: false                         # true: not the system's store, only ca_file
///     client_certificate_file: client.pem    # shown to servers that ask (mutual TLS); or client_certificate_pem
///     client_key_file: client.key            # its key, not encrypted; or client_key_pem
///     min_tls_version: "1.2"                 # or "1.3"
///     connect_timeout: null                  # seconds to make a connection; null: as timeout
///     keep_alive_idle: 30                    # seconds an unused connection is kept
///
/// The client's own values of `max_retries`, `max_retries_connect`, `max_retry_backoff`, `status_forcelist`,
/// `disable_gzip`, `follow_redirects`, `proxy`, `disable_ssl`, `max_connection_pool_size`, `file_download_chunk_size`,
/// `file_upload_chunk_size` and `concurrency_settings` can be given too; null or not given is the process's, see cognite_global_apply_settings(). Files are read here, not later.
///
/// @param text      UTF-8, a byte order mark allowed, at most 256 KiB. Not expanded: `${NAME}` stays as it is.
/// @param len       Its length in bytes.
/// @param[out] out  The config. Not NULL.
/// @param[out] err  May be NULL. An unknown key is answered with the nearest valid one; values are never quoted.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_load(
    text: *const c_char,
    len: usize,
    out: *mut *mut cognite_config,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or `len` bytes.
        let config = ClientConfig::load(unsafe { bytes(text.cast(), len, "text") }?)?;
        out.set(into_raw(ConfigBox::new(config)));
        Ok(())
    })
}

/// A complete config for a project on one of CDF's clusters, `https://{cdf_cluster}.cognitedata.com`.
///
/// @param project      The project. Not empty.
/// @param cdf_cluster  The cluster, such as `westeurope-1`.
/// @param credentials  Copied. Not NULL.
/// @param client_name  Names the program to CDF; NULL: the login name.
/// @param[out] out     The config. Not NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_default(
    project: *const c_char,
    cdf_cluster: *const c_char,
    credentials: *const cognite_credentials,
    client_name: *const c_char,
    out: *mut *mut cognite_config,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL, texts, or live credentials.
        let config = unsafe { default_config(project, cdf_cluster, credentials, client_name) }?;
        out.set(into_raw(ConfigBox::new(config)));
        Ok(())
    })
}

/// # Safety
/// NULL, texts, or live credentials.
pub(crate) unsafe fn default_config(
    project: *const c_char,
    cdf_cluster: *const c_char,
    credentials: *const cognite_credentials,
    client_name: *const c_char,
) -> Result<ClientConfig, crate::error::Error> {
    // SAFETY: passed on to the caller of this function.
    let (project, cluster, credentials, name) = unsafe {
        (
            text(project, "project")?,
            text(cdf_cluster, "cdf_cluster")?,
            get::<CredentialsBox>(credentials, "credentials")?,
            text_opt(client_name, "client_name")?,
        )
    };
    ClientConfig::for_cluster(project, cluster, credentials.credentials.clone(), name)
}

/// Everything in a config that may be seen, as JSON under the keys of cognite_config_load(), with `cluster_hint` (the
/// cluster the address belongs to, or null) and `credentials` as in cognite_credentials_json(). Times in seconds. Values
/// of headers whose names sound secret are `"***"`.
///
/// @param config  The config; NULL gives `{}`.
/// @return JSON text, never NULL.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until the next call on it. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_json(config: *const cognite_config) -> *const c_char {
    access(c"{}".as_ptr(), || {
        // SAFETY: NULL or a live config.
        let c = unsafe { get::<ConfigBox>(config, "config") }?;
        Ok(c.lend("json", &c.config.to_json().to_string()))
    })
}

/// Frees a config. NULL does nothing. Clients made from it go on.
///
/// @param config  The config; not used afterwards.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the config. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_free(config: *mut cognite_config) {
    // SAFETY: NULL or a config the caller gives up.
    unsafe { free::<ConfigBox>(config) }
}
