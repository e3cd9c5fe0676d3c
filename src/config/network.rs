//! The network around the requests of one client: what it trusts, how it connects, and its own values for settings
//! that are otherwise the process's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::client::{ClientConfig, checked_timeout};
use super::concurrency::Limits;
use super::global::{self, Global};
use super::load::{boolean, text, time};
use crate::auth::Secret;
use crate::auth::credentials::seconds;
use crate::auth::secret_source::read_file;
use crate::error::Error;

/// How long an unused connection is kept. Load balancers close theirs after a minute or more.
pub const DEFAULT_KEEP_ALIVE_IDLE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinTls {
    #[default]
    V1_2,
    V1_3,
}

/// A certificate with its key, checked to belong together.
#[derive(Clone)]
pub struct Identity(pub Arc<CertifiedKey>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Clone, Default)]
struct Halves {
    certificate: Option<Zeroizing<Vec<u8>>>,
    key: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Halves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Clone, Debug)]
pub struct Network {
    /// Authorities trusted beside the system's store, or instead of it.
    pub ca: Vec<CertificateDer<'static>>,
    pub ca_only: bool,
    pub identity: Option<Identity>,
    /// One of certificate and key, while the other is still to come.
    waiting: Halves,
    pub min_tls: MinTls,
    /// `None`: the client's timeout.
    pub connect_timeout: Option<Duration>,
    pub keep_alive_idle: Duration,
    pub own: Own,
}

/// A client's own values; `None` is the process's.
#[derive(Clone, Debug, Default)]
pub struct Own {
    pub max_retries: Option<u32>,
    pub max_retries_connect: Option<u32>,
    pub max_retry_backoff: Option<Duration>,
    pub status_forcelist: Option<Vec<u16>>,
    pub disable_gzip: Option<bool>,
    pub follow_redirects: Option<bool>,
    pub proxy: Option<Secret>,
    pub disable_ssl: Option<bool>,
    pub pool_size: Option<u32>,
    pub file_download_chunk_size: Option<u64>,
    pub file_upload_chunk_size: Option<u64>,
    /// Requests that have an own limit are counted for this client alone.
    pub concurrency: Limits,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            ca: Vec::new(),
            ca_only: false,
            identity: None,
            waiting: Halves::default(),
            min_tls: MinTls::default(),
            connect_timeout: None,
            keep_alive_idle: DEFAULT_KEEP_ALIVE_IDLE,
            own: Own::default(),
        }
    }
}

impl Own {
    /// The settings in force for a client: its own, and the process's of this moment for the rest.
    pub fn over(&self, global: Arc<Global>) -> Arc<Global> {
        let mut merged = global;
        let mut change = |apply: &dyn Fn(&mut Global)| apply(Arc::make_mut(&mut merged));
        if let Some(n) = self.max_retries {
            change(&|g| g.max_retries = n);
        }
        if let Some(n) = self.max_retries_connect {
            change(&|g| g.max_retries_connect = n);
        }
        if let Some(t) = self.max_retry_backoff {
            change(&|g| g.max_retry_backoff = t);
        }
        if let Some(list) = &self.status_forcelist {
            change(&|g| g.status_forcelist.clone_from(list));
        }
        if let Some(on) = self.disable_gzip {
            change(&|g| g.disable_gzip = on);
        }
        if let Some(on) = self.follow_redirects {
            change(&|g| g.follow_redirects = on);
        }
        if self.proxy.is_some() {
            change(&|g| g.proxy.clone_from(&self.proxy));
        }
        if let Some(on) = self.disable_ssl {
            change(&|g| g.disable_ssl = on);
        }
        if let Some(n) = self.pool_size {
            change(&|g| g.pool_size = n);
        }
        if let Some(n) = self.file_download_chunk_size {
            change(&|g| g.file_download_chunk_size = Some(n));
        }
        if let Some(n) = self.file_upload_chunk_size {
            change(&|g| g.file_upload_chunk_size = Some(n));
        }
        merged
    }
}

impl Network {
    /// Authorities in PEM form, in the place of those given before. Empty: none.
    pub fn set_ca_pem(&mut self, pem: &[u8]) -> Result<(), Error> {
        self.ca = if pem.is_empty() { Vec::new() } else { certificates("the CA file", pem)? };
        Ok(())
    }

    /// The certificate the client shows, with the chain after it, and its key: both PEM, the key not encrypted.
    pub fn set_client_certificate_pem(&mut self, certificate: &[u8], key: &[u8]) -> Result<(), Error> {
        let chain = certificates("the client certificate", certificate)?;
        // What the parser says could quote the key.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            Error::config(
                "the key of the client certificate holds no private key in PEM form (an encrypted key must be decrypted first)",
            )
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let identity = CertifiedKey::from_der(chain, key, &provider).map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => {
                Error::config("the key of the client certificate belongs to another certificate")
            }
            e => Error::config(format!("the client certificate cannot be used: {e}")),
        })?;
        self.identity = Some(Identity(Arc::new(identity)));
        self.waiting = Halves::default();
        Ok(())
    }

    fn half(&mut self, certificate: Option<Zeroizing<Vec<u8>>>, key: Option<Zeroizing<Vec<u8>>>) -> Result<(), Error> {
        self.waiting.certificate = certificate.or(self.waiting.certificate.take());
        self.waiting.key = key.or(self.waiting.key.take());
        if let Halves { certificate: Some(certificate), key: Some(key) } = &self.waiting {
            let (certificate, key) = (certificate.clone(), key.clone());
            self.set_client_certificate_pem(&certificate, &key)?;
        }
        Ok(())
    }

    pub fn set_min_tls(&mut self, version: &str) -> Result<(), Error> {
        self.min_tls = match version {
            "1.2" => MinTls::V1_2,
            "1.3" => MinTls::V1_3,
            _ => return Err(Error::config("min_tls_version must be \"1.2\" or \"1.3\"")),
        };
        Ok(())
    }

    /// 0: as long as the client's timeout.
    pub fn set_connect_timeout(&mut self, wanted: Duration) -> Result<(), Error> {
        let t = checked_timeout("connect_timeout", wanted, Duration::ZERO)?;
        self.connect_timeout = Some(t).filter(|t| !t.is_zero());
        Ok(())
    }

    pub fn set_keep_alive_idle(&mut self, wanted: Duration) -> Result<(), Error> {
        self.keep_alive_idle = checked_timeout("keep_alive_idle", wanted, DEFAULT_KEEP_ALIVE_IDLE)?;
        Ok(())
    }

    /// What belongs together, once everything is given.
    pub fn check(&self) -> Result<(), Error> {
        match &self.waiting {
            Halves { certificate: Some(_), key: None } => {
                return Err(Error::config("there is a client certificate without its key: give client_key_file too"));
            }
            Halves { certificate: None, key: Some(_) } => {
                return Err(Error::config("there is a key without its certificate: give client_certificate_file too"));
            }
            _ => {}
        }
        if self.ca_only && self.ca.is_empty() {
            return Err(Error::config("ca_only is on, but there is no CA file to trust: give ca_file or ca_pem"));
        }
        Ok(())
    }

    /// The values that may be seen, under the keys of `load`; certificates are only counted.
    pub fn add_to_json(&self, out: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("ca_certificates", json!(self.ca.len()));
        put("ca_only", json!(self.ca_only));
        put("client_certificate", json!(self.identity.is_some()));
        put("min_tls_version", json!(if self.min_tls == MinTls::V1_3 { "1.3" } else { "1.2" }));
        put("connect_timeout", self.connect_timeout.map_or(Value::Null, seconds));
        put("keep_alive_idle", seconds(self.keep_alive_idle));
        let own = &self.own;
        put("max_retries", json!(own.max_retries));
        put("max_retries_connect", json!(own.max_retries_connect));
        put("max_retry_backoff", own.max_retry_backoff.map_or(Value::Null, seconds));
        put("status_forcelist", json!(own.status_forcelist));
        put("disable_gzip", json!(own.disable_gzip));
        put("follow_redirects", json!(own.follow_redirects));
        put("proxy", json!(global::shown_proxy(own.proxy.as_ref())));
        put("disable_ssl", json!(own.disable_ssl));
        put("max_connection_pool_size", json!(own.pool_size));
        put("file_download_chunk_size", json!(own.file_download_chunk_size));
        put("file_upload_chunk_size", json!(own.file_upload_chunk_size));
        put("concurrency_settings", own.concurrency.to_json());
    }
}

fn certificates(what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(Error::config(format!("{what} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"))),
        Err(_) => Err(Error::config(format!("{what} is not valid PEM"))),
    }
}

type Set = fn(&mut ClientConfig, &Value) -> Result<(), Error>;

/// The keys of this file among those of a config.
pub const KEYS: &[(&str, Set)] = &[
    ("ca_file", |c, v| given(v, || c.network.set_ca_pem(&file("ca_file", v)?))),
    ("ca_pem", |c, v| {
        given(v, || match text("ca_pem", v)? {
            "" => Err(Error::config("ca_pem is empty")),
            pem => c.network.set_ca_pem(pem.as_bytes()),
        })
    }),
    ("ca_only", |c, v| given(v, || put(&mut c.network.ca_only, boolean("ca_only", v)))),
    // The two halves are kept until both are there; keys come in any order.
    ("client_certificate_file", |c, v| given(v, || c.network.half(Some(file("client_certificate_file", v)?), None))),
    ("client_key_file", |c, v| given(v, || c.network.half(None, Some(file("client_key_file", v)?)))),
    ("client_certificate_pem", |c, v| given(v, || c.network.half(Some(pem("client_certificate_pem", v)?), None))),
    ("client_key_pem", |c, v| given(v, || c.network.half(None, Some(pem("client_key_pem", v)?)))),
    ("min_tls_version", |c, v| given(v, || c.network.set_min_tls(text("min_tls_version", v)?))),
    ("connect_timeout", |c, v| given(v, || c.network.set_connect_timeout(time("connect_timeout", v)?))),
    ("keep_alive_idle", |c, v| given(v, || c.network.set_keep_alive_idle(time("keep_alive_idle", v)?))),
    ("max_retries", |c, v| own(&mut c.network.own.max_retries, v, |v| global::count("max_retries", v, 0))),
    ("max_retries_connect", |c, v| {
        own(&mut c.network.own.max_retries_connect, v, |v| global::count("max_retries_connect", v, 0))
    }),
    ("max_retry_backoff", |c, v| own(&mut c.network.own.max_retry_backoff, v, |v| time("max_retry_backoff", v))),
    ("status_forcelist", |c, v| own(&mut c.network.own.status_forcelist, v, global::statuses)),
    ("disable_gzip", |c, v| own(&mut c.network.own.disable_gzip, v, |v| boolean("disable_gzip", v))),
    ("follow_redirects", |c, v| own(&mut c.network.own.follow_redirects, v, |v| boolean("follow_redirects", v))),
    ("proxy", |c, v| own(&mut c.network.own.proxy, v, |v| global::proxy(text("proxy", v)?))),
    ("disable_ssl", |c, v| own(&mut c.network.own.disable_ssl, v, |v| boolean("disable_ssl", v))),
    ("max_connection_pool_size", |c, v| {
        own(&mut c.network.own.pool_size, v, |v| global::count("max_connection_pool_size", v, 1))
    }),
    ("file_download_chunk_size", |c, v| {
        put(&mut c.network.own.file_download_chunk_size, global::chunk_size("file_download_chunk_size", v))
    }),
    ("file_upload_chunk_size", |c, v| {
        put(&mut c.network.own.file_upload_chunk_size, global::chunk_size("file_upload_chunk_size", v))
    }),
    ("concurrency_settings", |c, v| c.network.own.concurrency.merge(v, &Limits::default())),
];

/// The same thing twice: which of the two wins would be a matter of their order.
pub const EITHER: [(&str, &str); 3] = [
    ("ca_file", "ca_pem"),
    ("client_certificate_file", "client_certificate_pem"),
    ("client_key_file", "client_key_pem"),
];

/// null is not given.
fn given(value: &Value, set: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    if value.is_null() { Ok(()) } else { set() }
}

fn put<T>(into: &mut T, value: Result<T, Error>) -> Result<(), Error> {
    *into = value?;
    Ok(())
}

fn own<T>(into: &mut Option<T>, value: &Value, read: impl Fn(&Value) -> Result<T, Error>) -> Result<(), Error> {
    *into = if value.is_null() { None } else { Some(read(value)?) };
    Ok(())
}

fn pem(key: &str, value: &Value) -> Result<Zeroizing<Vec<u8>>, Error> {
    Ok(Zeroizing::new(text(key, value)?.as_bytes().to_vec()))
}

/// PEM bundles are kilobytes; the bound keeps a wrong path (a device, a log) from filling memory.
const MAX_FILE: u64 = 16 << 20;

fn file(key: &str, value: &Value) -> Result<Zeroizing<Vec<u8>>, Error> {
    read_file(key, text(key, value)?, MAX_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "client_name: n\nproject: p\ncluster: c\ncredentials: {token: t}\n";

    fn load(text: &str) -> Result<ClientConfig, Error> {
        ClientConfig::load(format!("{BASE}{text}").as_bytes())
    }

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = rcgen::CertificateParams::new(vec!["x".into()]).unwrap().self_signed(&key).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    #[test]
    fn own_values_win_and_the_rest_is_the_process_s() {
        let c = load(
            "max_retries: 1\nmax_retries_connect: 0\nmax_retry_backoff: 0.5\nstatus_forcelist: [500]\ndisable_gzip: true\n\
             follow_redirects: true\nproxy: http://u:canary@h:1\ndisable_ssl: true\nmax_connection_pool_size: 3\n\
             file_download_chunk_size: 9\nfile_upload_chunk_size: null\n",
        )
        .unwrap();
        let (sixty, other) = (Some(60), Some(77));
        let global = Global { file_download_chunk_size: sixty, file_upload_chunk_size: other, ..Global::default() };
        let global = Arc::new(global);
        let g = c.network.own.over(Arc::clone(&global));
        assert_eq!((g.max_retries, g.max_retries_connect, g.pool_size, g.file_upload_chunk_size), (1, 0, 3, Some(77)));
        assert_eq!((g.max_retry_backoff, &g.status_forcelist), (Duration::from_millis(500), &vec![500]));
        assert!(g.disable_gzip && g.follow_redirects && g.disable_ssl);
        assert_eq!(g.file_download_chunk_size, Some(9));
        assert_eq!(g.proxy.as_ref().map(Secret::reveal), Some("http://u:canary@h:1"));
        assert!(Arc::ptr_eq(&load("").unwrap().network.own.over(Arc::clone(&global)), &global));
        let shown = c.to_json().to_string();
        assert!(!shown.contains("canary") && shown.contains("\"proxy\":\"http://h:1\""), "{shown}");
    }

    #[test]
    fn certificates_are_checked_when_they_are_given() {
        let (cert, key) = pair();
        let (_, foreign) = pair();
        let yaml = |k: &str, v: &str| format!("{k}: {}\n", serde_json::to_string(v).unwrap());
        let c = load(&(yaml("client_key_pem", &key) + &yaml("client_certificate_pem", &cert) + &yaml("ca_pem", &cert)));
        let c = c.unwrap();
        assert!(c.network.identity.is_some() && c.network.ca.len() == 1);
        assert!(!c.to_json().to_string().contains("BEGIN") && !format!("{c:?}").contains("PRIVATE"));
        for (text, word) in [
            (yaml("client_certificate_pem", &cert), "client_key"),
            (yaml("client_key_pem", &key), "client_certificate"),
            (yaml("client_certificate_pem", &cert) + &yaml("client_key_pem", &foreign), "another certificate"),
            (yaml("client_certificate_pem", &cert) + &yaml("client_key_pem", &cert), "no private key"),
            (yaml("ca_pem", &key), "no certificate"),
            (yaml("ca_pem", ""), "ca_pem"),
            (yaml("ca_pem", &cert) + "ca_file: /x.pem\n", "both ca_file and ca_pem"),
            (yaml("client_certificate_pem", &cert) + "client_certificate_file: /x\n", "both client_certificate_file"),
            (yaml("client_key_pem", &key) + "client_key_file: /x\n", "both client_key_file"),
            ("ca_file: /nonexistent/x.pem\n".into(), "/nonexistent/x.pem"),
            ("ca_file: /\n".into(), "not a regular file"),
            ("ca_only: true\n".into(), "ca_only"),
            ("min_tls_version: '1.1'\n".into(), "min_tls_version"),
            ("min_tls_version: 1.3\n".into(), "quotes"),
            ("connect_timeout: -1\n".into(), "connect_timeout"),
            ("max_retries: -1\n".into(), "max_retries"),
            ("proxy: nowhere\n".into(), "proxy"),
            ("max_connection_pool_size: 0\n".into(), "max_connection_pool_size"),
            ("file_upload_chunk_size: 0\n".into(), "file_upload_chunk_size"),
            ("connect_timout: 1\n".into(), "did you mean 'connect_timeout'"),
        ] {
            let e = load(&text).unwrap_err();
            assert!(e.message().contains(word), "{text}: {e}");
        }
        assert_eq!(load(&(yaml("ca_pem", &cert) + "ca_file: null\n")).unwrap().network.ca.len(), 1);
        let c = load("connect_timeout: 2\nkeep_alive_idle: 5\nmin_tls_version: '1.3'\nca_file: null\n").unwrap();
        assert_eq!(c.network.connect_timeout, Some(Duration::from_secs(2)));
        assert_eq!((c.network.keep_alive_idle, c.network.min_tls), (Duration::from_secs(5), MinTls::V1_3));
    }
}
