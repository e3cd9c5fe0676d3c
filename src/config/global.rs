//! Settings of the process, shared by every client: one value behind a lock, changed as a whole or not at all.

use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use once_cell::sync::Lazy;
use serde_json::{Map, Value, json};

use super::client::ClientConfig;
use super::concurrency::Limits;
use super::load::{boolean, integer, names, text, time};
use crate::auth::Secret;
use crate::auth::credentials::seconds;
use crate::document::{parse_mapping, unknown_key};
use crate::error::Error;
use crate::log::{self, Level, Record};
use crate::runtime;
use crate::runtime::Threads;

/// Read anew for each call, so a change takes effect with the next one; what concerns connections (`pool_size`,
/// `disable_ssl`, `proxy`) is read when a client is made.
#[derive(Clone, Debug)]
pub struct Global {
    pub default_config: Option<ClientConfig>,
    pub disable_gzip: bool,
    pub disable_pypi_version_check: bool,
    pub status_forcelist: Vec<u16>,
    pub max_retries: u32,
    pub max_retries_connect: u32,
    pub max_retry_backoff: Duration,
    pub pool_size: u32,
    pub disable_ssl: bool,
    pub proxy: Option<Secret>,
    pub max_workers: i64,
    pub concurrency: Limits,
    pub follow_redirects: bool,
    pub file_download_chunk_size: Option<u64>,
    pub file_upload_chunk_size: Option<u64>,
    pub silence_feature_preview_warnings: bool,
    /// Settled once the engine runs.
    pub threads: Threads,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            default_config: None,
            disable_gzip: false,
            disable_pypi_version_check: false,
            status_forcelist: vec![429, 502, 503, 504],
            max_retries: 10,
            max_retries_connect: 3,
            max_retry_backoff: Duration::from_secs(60),
            pool_size: 20,
            disable_ssl: false,
            proxy: None,
            max_workers: 5,
            concurrency: Limits::standard(),
            follow_redirects: false,
            file_download_chunk_size: None,
            file_upload_chunk_size: None,
            silence_feature_preview_warnings: false,
            threads: Threads::default(),
        }
    }
}

static GLOBAL: Lazy<RwLock<Arc<Global>>> = Lazy::new(RwLock::default);
/// Told after each change: limits that grow let in who waits for them.
static TELL: OnceLock<fn()> = OnceLock::new();

/// `tell` is called after each change; the first one given stays.
pub fn on_change(tell: fn()) {
    let _ = TELL.set(tell);
}

/// The settings in force now.
pub fn current() -> Arc<Global> {
    match GLOBAL.read() {
        Ok(g) => Arc::clone(&g),
        Err(poisoned) => Arc::clone(&poisoned.into_inner()),
    }
}

/// The config of clients that are made without one.
pub fn default_config() -> Result<ClientConfig, Error> {
    let none = "no config was given and there is no default one; set default_client_config in the global settings";
    current().default_config.clone().ok_or_else(|| Error::config(none))
}

/// Changes the settings in one step. If `change` fails nothing is applied. Every call waits meanwhile, so it does no more
/// than that: what is read or parsed is read before.
pub fn update(change: impl FnOnce(&mut Global) -> Result<(), Error>) -> Result<(), Error> {
    let mut guard = GLOBAL.write().unwrap_or_else(|p| p.into_inner());
    let mut next = Global::clone(&guard);
    change(&mut next)?;
    if next.threads != guard.threads {
        runtime::engine::set_threads(next.threads.clone())?;
    }
    *guard = Arc::new(next);
    drop(guard);
    if let Some(tell) = TELL.get() {
        tell();
    }
    Ok(())
}

type Set = fn(&mut Global, &Value) -> Result<(), Error>;

const KEYS: &[(&str, Set)] = &[
    (DEFAULT_CONFIG, |g, v| {
        g.default_config = if v.is_null() { None } else { Some(ClientConfig::from_value(v, DEFAULT_CONFIG)?) };
        Ok(())
    }),
    ("disable_gzip", |g, v| put(&mut g.disable_gzip, boolean("disable_gzip", v))),
    ("disable_pypi_version_check", |g, v| {
        put(&mut g.disable_pypi_version_check, boolean("disable_pypi_version_check", v))
    }),
    ("status_forcelist", |g, v| put(&mut g.status_forcelist, statuses(v))),
    ("max_retries", |g, v| put(&mut g.max_retries, count("max_retries", v, 0))),
    ("max_retries_connect", |g, v| put(&mut g.max_retries_connect, count("max_retries_connect", v, 0))),
    ("max_retry_backoff", |g, v| put(&mut g.max_retry_backoff, time("max_retry_backoff", v))),
    ("max_connection_pool_size", |g, v| put(&mut g.pool_size, count("max_connection_pool_size", v, 1))),
    ("disable_ssl", |g, v| put(&mut g.disable_ssl, boolean("disable_ssl", v))),
    ("proxy", |g, v| {
        g.proxy = if v.is_null() { None } else { Some(proxy(text("proxy", v)?)?) };
        Ok(())
    }),
    ("max_workers", |g, v| {
        if v.is_null() {
            return Ok(());
        }
        let n = v.as_i64().ok_or_else(|| Error::config("max_workers must be a whole number (it has no effect)"))?;
        put(&mut g.max_workers, Ok(n))
    }),
    ("concurrency_settings", |g, v| g.concurrency.merge(v, &Limits::standard())),
    ("follow_redirects", |g, v| put(&mut g.follow_redirects, boolean("follow_redirects", v))),
    ("file_download_chunk_size", |g, v| {
        put(&mut g.file_download_chunk_size, chunk_size("file_download_chunk_size", v))
    }),
    ("file_upload_chunk_size", |g, v| put(&mut g.file_upload_chunk_size, chunk_size("file_upload_chunk_size", v))),
    ("silence_feature_preview_warnings", |g, v| {
        put(&mut g.silence_feature_preview_warnings, boolean("silence_feature_preview_warnings", v))
    }),
    ("io_threads", |g, v| g.threads.set_io(thread_number("io_threads", v)?)),
    ("callback_threads", |g, v| g.threads.set_callback(thread_number("callback_threads", v)?)),
    ("thread_stack_size", |g, v| g.threads.set_stack_size(thread_number("thread_stack_size", v)?)),
    ("thread_name_prefix", |g, v| {
        g.threads.set_name_prefix(if v.is_null() { "" } else { text("thread_name_prefix", v)? })
    }),
];

/// 0 and null: the default.
fn thread_number(key: &str, value: &Value) -> Result<u64, Error> {
    if value.is_null() { Ok(0) } else { integer(key, value, 0) }
}

/// Applies a YAML or JSON mapping of settings: all of it, or on any error nothing.
pub fn apply_settings(input: &[u8]) -> Result<(), Error> {
    let document = parse_mapping(input, "the settings")?;
    for key in document.map.keys().filter(|k| !document.templates.contains(k)) {
        if key == "ssl_context" {
            return Err(Error::config(
                "ssl_context cannot be set: ca_file, min_tls_version and others of a config do it",
            ));
        }
        if !KEYS.iter().any(|(k, _)| k == key) {
            return Err(unknown_key(key, &names(KEYS), "the settings"));
        }
    }
    let known = |(key, value)| KEYS.iter().find(|(k, _)| *k == key).map(|(k, set)| (*k, set, value));
    let given = || document.map.iter().map(|(key, value)| (key.as_str(), value)).filter_map(known);
    // Once where nobody waits: a default config may name files, and every call reads the settings.
    let mut read = Global::default();
    given().try_for_each(|(_, set, value)| set(&mut read, value))?;
    update(|global| {
        given().try_for_each(|(key, set, value)| match key {
            DEFAULT_CONFIG => {
                global.default_config = read.default_config.take();
                Ok(())
            }
            _ => set(global, value),
        })
    })?;
    document.map.keys().for_each(|key| warn_if_without_effect(key));
    Ok(())
}

const DEFAULT_CONFIG: &str = "default_client_config";

/// Settings of the reference that are accepted so that one text serves both.
const WITHOUT_EFFECT: [&str; 2] = ["max_workers", "silence_feature_preview_warnings"];

/// Told to whoever sets `key`.
pub fn warn_if_without_effect(key: &str) {
    if WITHOUT_EFFECT.contains(&key) {
        let message = format!("the setting {key} is kept but has no effect in this version");
        log::emit(Record::new(Level::Warning, "warning", message).with("setting", key));
    }
}

fn put<T>(into: &mut T, value: Result<T, Error>) -> Result<(), Error> {
    *into = value?;
    Ok(())
}

pub fn count(key: &str, value: &Value, least: u64) -> Result<u32, Error> {
    u32::try_from(integer(key, value, least)?)
        .ok()
        .filter(|n| *n <= 1_000_000)
        .ok_or_else(|| Error::config(format!("{key} is larger than 1000000")))
}

pub fn chunk_size(key: &str, value: &Value) -> Result<Option<u64>, Error> {
    if value.is_null() { Ok(None) } else { integer(key, value, 1).map(Some) }
}

pub fn statuses(value: &Value) -> Result<Vec<u16>, Error> {
    let bad = || Error::config("status_forcelist must be a list of HTTP status codes from 100 to 599");
    let list = value.as_array().ok_or_else(bad)?;
    status_list(list.iter().map(|v| v.as_i64().unwrap_or(-1)))
}

pub fn status_list(given: impl Iterator<Item = i64>) -> Result<Vec<u16>, Error> {
    let bad = || Error::config("status_forcelist must be a list of HTTP status codes from 100 to 599");
    given.map(|n| u16::try_from(n).ok().filter(|n| (100..600).contains(n)).ok_or_else(bad)).collect()
}

/// A proxy's address without user name and password.
pub fn shown_proxy(proxy: Option<&Secret>) -> Option<String> {
    proxy.map(|p| crate::redact::url(p.reveal()))
}

/// The word for a connection without any proxy, whatever the environment says.
pub(crate) const NO_PROXY_AT_ALL: &str = "none";

pub fn proxy(given: &str) -> Result<Secret, Error> {
    if given == NO_PROXY_AT_ALL {
        return Ok(Secret::new(given));
    }
    match reqwest::Url::parse(given) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Secret::new(given)),
        // The text may hold a password, so it is not quoted.
        _ => Err(Error::config(
            "proxy must be an http:// or https:// URL, none for no proxy, or null for the environment's",
        )),
    }
}

impl Global {
    /// Everything, under the keys of `apply_settings`; secrets redacted.
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("default_client_config", self.default_config.as_ref().map_or(Value::Null, ClientConfig::to_json));
        put("disable_gzip", json!(self.disable_gzip));
        put("disable_pypi_version_check", json!(self.disable_pypi_version_check));
        put("status_forcelist", json!(self.status_forcelist));
        put("max_retries", json!(self.max_retries));
        put("max_retries_connect", json!(self.max_retries_connect));
        put("max_retry_backoff", seconds(self.max_retry_backoff));
        put("max_connection_pool_size", json!(self.pool_size));
        put("disable_ssl", json!(self.disable_ssl));
        put("proxy", json!(shown_proxy(self.proxy.as_ref())));
        put("max_workers", json!(self.max_workers));
        put("concurrency_settings", self.concurrency.to_json());
        put("follow_redirects", json!(self.follow_redirects));
        put("file_download_chunk_size", json!(self.file_download_chunk_size));
        put("file_upload_chunk_size", json!(self.file_upload_chunk_size));
        put("silence_feature_preview_warnings", json!(self.silence_feature_preview_warnings));
        put("io_threads", json!(self.threads.io()));
        put("callback_threads", json!(self.threads.callback()));
        put("thread_stack_size", json!(self.threads.stack_size()));
        put("thread_name_prefix", json!(self.threads.name_prefix()));
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever opens a pipe waits for its writer.
    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_a_file_stalls_nobody() {
        let pipe = std::env::temp_dir().join(format!("cognite-pipe-{}", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (tell, told) = std::sync::mpsc::channel();
        let path = pipe.display().to_string();
        std::thread::spawn(move || {
            let base = "client_name: n, project: p, cluster: c, credentials: {token: t}";
            for key in ["ca_file", "client_certificate_file", "client_key_file"] {
                let text = format!("default_client_config: {{{base}, {key}: {path}}}");
                let e = apply_settings(text.as_bytes()).unwrap_err();
                let _ = tell.send((key, e.message().to_owned(), current().default_config.is_none()));
            }
        });
        for key in ["ca_file", "client_certificate_file", "client_key_file"] {
            let (of, said, unchanged) = told.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(of == key && said.contains(key) && said.contains("not a regular file") && unchanged, "{said}");
        }
        std::fs::remove_file(pipe).unwrap();
    }

    #[test]
    fn files_are_read_before_anybody_has_to_wait() {
        let path = std::env::temp_dir().join(format!("cognite-token-{}", std::process::id()));
        std::fs::write(&path, "t").unwrap();
        let text = format!(
            "default_client_config: {{client_name: n, project: p, cluster: c, credentials: {{token: {{file: {}}}}}}}",
            path.display()
        );
        // Held as a change holds it: what is wrong is found without it, and so is the file.
        let guard = GLOBAL.write().unwrap_or_else(|p| p.into_inner());
        let bad = std::thread::spawn({
            let text = format!("{text}\nmax_retries: -1");
            move || apply_settings(text.as_bytes()).unwrap_err().message().to_owned()
        });
        let ends = std::time::Instant::now() + Duration::from_secs(10);
        while !bad.is_finished() && std::time::Instant::now() < ends {
            std::thread::sleep(Duration::from_millis(5));
        }
        let found = bad.is_finished();
        drop(guard);
        std::fs::remove_file(path).unwrap();
        assert!(found && bad.join().unwrap().contains("max_retries"));
    }

    /// One test: the settings are the process's, and tests run side by side.
    #[test]
    fn all_or_nothing() {
        let before = current().to_json();
        for (bad, word) in [
            ("max_retriez: 1", "did you mean 'max_retries'"),
            ("max_retries: 1\nmax_retry_backoff: -1", "max_retry_backoff"),
            ("max_retries: 3.5", "max_retries"),
            ("max_retries: true", "max_retries"),
            ("max_connection_pool_size: 0", "max_connection_pool_size"),
            ("file_download_chunk_size: 0", "file_download_chunk_size"),
            ("status_forcelist: abc", "status_forcelist"),
            ("status_forcelist: [99]", "status_forcelist"),
            ("proxy: 5", "proxy"),
            ("proxy: user:canary@h", "proxy"),
            ("max_retries: 1\nconcurrency_settings: {general: {read: 0}}", "concurrency_settings.general.read"),
            ("ssl_context: null", "ssl_context"),
            ("_concurrency_settings: 1", "unknown key"),
            ("default_client_config: {client_name: x}", "credentials"),
            ("- 1", "mapping"),
            ("{", "not valid"),
        ] {
            let e = apply_settings(bad.as_bytes()).unwrap_err();
            assert!(e.message().contains(word), "{bad}: {e}");
            assert!(!e.message().contains("canary"));
            assert_eq!(current().to_json(), before, "{bad}");
        }
        assert_eq!(names(KEYS).len(), before.as_object().unwrap().len());
        apply_settings(b"{\"file_upload_chunk_size\": 5, \"max_workers\": -3}").unwrap();
        assert_eq!(current().file_upload_chunk_size, Some(5));
        apply_settings(b"file_upload_chunk_size: null\nmax_workers: 5").unwrap();
        assert_eq!(current().to_json(), before);
        apply_settings(b"concurrency_settings: {general: {read: 9}, raw: {}}").unwrap();
        assert_eq!(current().to_json()["concurrency_settings"]["general"], json!({"read": 9, "write": 4, "delete": 2}));
        apply_settings(b"concurrency_settings: null").unwrap();
        assert_eq!(current().to_json(), before);
    }
}
