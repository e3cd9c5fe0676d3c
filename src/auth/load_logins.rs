//! The three ways to log in that look their endpoints up: certificate, device code, interactive.

use std::time::Duration;

use serde_json::{Map, Value};

use super::authority::Authority;
use super::certificate::ClientCertificate;
use super::credentials::{Credentials, Scopes};
use super::device_code::DeviceCode;
use super::interactive::Interactive;
use super::load::{leeway, needed, needed_text, scopes};
use super::secret_source::secret;
use crate::document::{kind_of, unknown_key};
use crate::error::Error;
use crate::sys::process::path_from_here;

/// A person does not need longer than a day.
const LONGEST_LOGIN: f64 = 86_400.0;

fn known(way: &str, map: &Map<String, Value>, keys: &[&str]) -> Result<(), Error> {
    match map.keys().find(|k| !keys.contains(&k.as_str())) {
        Some(key) => Err(unknown_key(key, keys, &format!("credentials.{way}"))),
        None => Ok(()),
    }
}

/// A text that may be missing or null.
fn optional<'a>(way: &str, map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Error> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::config(format!("credentials.{way}.{key} must be text, not {}", kind_of(other)))),
    }
}

fn flag(way: &str, map: &Map<String, Value>, key: &str) -> Result<bool, Error> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(b)) => Ok(*b),
        Some(other) => {
            Err(Error::config(format!("credentials.{way}.{key} must be true or false, not {}", kind_of(other))))
        }
    }
}

fn set_leeway(credentials: &mut Credentials, map: &Map<String, Value>) -> Result<(), Error> {
    match map.get("token_expiry_leeway_seconds") {
        None | Some(Value::Null) => Ok(()),
        Some(value) => credentials.set_leeway(leeway(value)?),
    }
}

/// The three keys about what is kept between runs.
fn set_cache(way: &str, credentials: &mut Credentials, map: &Map<String, Value>) -> Result<(), Error> {
    let path = optional(way, map, "token_cache_path")?;
    if path == Some("") {
        return Err(Error::config(format!("credentials.{way}.token_cache_path is empty")));
    }
    let cache = &mut credentials.person_mut("a token cache")?.cache;
    cache.path = path.map(path_from_here);
    cache.memory_only = flag(way, map, "mem_cache_only")?;
    cache.clear = flag(way, map, "clear_cache")?;
    Ok(())
}

pub fn client_certificate(map: &Map<String, Value>) -> Result<Credentials, Error> {
    const WAY: &str = "client_certificate";
    let keys =
        ["authority_url", "client_id", "cert_thumbprint", "certificate", "scopes", "token_expiry_leeway_seconds"];
    known(WAY, map, &keys)?;
    let authority = Authority::microsoft(needed_text(WAY, map, "authority_url")?)?;
    let client_id = needed_text(WAY, map, "client_id")?;
    let pem = secret("credentials.client_certificate.certificate", needed(WAY, map, "certificate")?)?;
    let thumbprint = optional(WAY, map, "cert_thumbprint")?;
    let scopes = scopes(WAY, needed(WAY, map, "scopes")?)?;
    let login = ClientCertificate::new(authority, client_id, thumbprint, pem.reveal(), scopes)?;
    let mut credentials = Credentials::ClientCertificate(Box::new(login));
    set_leeway(&mut credentials, map)?;
    Ok(credentials)
}

pub fn device_code(map: &Map<String, Value>) -> Result<Credentials, Error> {
    const WAY: &str = "device_code";
    const OWN: [&str; 9] = [
        "authority_url",
        "oauth_discovery_url",
        "client_id",
        "scopes",
        "cdf_cluster",
        "token_cache_path",
        "token_expiry_leeway_seconds",
        "clear_cache",
        "mem_cache_only",
    ];
    let authority = match (optional(WAY, map, "authority_url")?, optional(WAY, map, "oauth_discovery_url")?) {
        (Some(url), None) => Authority::microsoft(url)?,
        (None, Some(url)) => Authority::open_id(url)?,
        _ => {
            return Err(Error::config(
                "credentials.device_code needs exactly one of the keys authority_url and oauth_discovery_url",
            ));
        }
    };
    let client_id = needed_text(WAY, map, "client_id")?;
    let scopes = match (scopes(WAY, map.get("scopes").unwrap_or(&Value::Null))?, optional(WAY, map, "cdf_cluster")?) {
        (scopes, Some(cluster)) if scopes.joined().is_none_or(|s| s.is_empty()) => {
            Scopes::List(DeviceCode::cluster_scopes(cluster)?)
        }
        (Scopes::None, None) => {
            return Err(Error::config("credentials.device_code needs one of the keys scopes and cdf_cluster"));
        }
        (scopes, _) => scopes,
    };
    let mut credentials = Credentials::DeviceCode(Box::new(DeviceCode::new(authority, client_id, scopes)?));
    set_leeway(&mut credentials, map)?;
    set_cache(WAY, &mut credentials, map)?;
    for (key, value) in map.iter().filter(|(k, _)| !OWN.contains(&k.as_str())) {
        credentials.set_form_field(key, value)?;
    }
    Ok(credentials)
}

pub fn interactive(map: &Map<String, Value>) -> Result<Credentials, Error> {
    const WAY: &str = "interactive";
    let keys = [
        "authority_url",
        "client_id",
        "scopes",
        "redirect_port",
        "token_cache_path",
        "token_expiry_leeway_seconds",
        "prompt",
        "login_hint",
        "login_timeout_seconds",
        "clear_cache",
        "mem_cache_only",
    ];
    known(WAY, map, &keys)?;
    let authority = Authority::microsoft(needed_text(WAY, map, "authority_url")?)?;
    let client_id = needed_text(WAY, map, "client_id")?;
    let mut login = Interactive::new(authority, client_id, scopes(WAY, needed(WAY, map, "scopes")?)?)?;
    login.set_prompt(optional(WAY, map, "prompt")?)?;
    login.person.login_hint = optional(WAY, map, "login_hint")?.map(str::to_owned);
    if let Some(value) = map.get("redirect_port").filter(|v| !v.is_null()) {
        let port = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64().and_then(|n| u16::try_from(n).ok()),
        };
        login.redirect_port = port
            .ok_or_else(|| Error::config("credentials.interactive.redirect_port must be a number from 0 to 65535"))?;
    }
    if let Some(value) = map.get("login_timeout_seconds").filter(|v| !v.is_null()) {
        login.login_timeout = value
            .as_f64()
            .filter(|s| *s > 0.0 && *s <= LONGEST_LOGIN)
            .map(Duration::from_secs_f64)
            .ok_or_else(|| {
            Error::config("credentials.interactive.login_timeout_seconds must be a number above 0, at most 86400")
        })?;
    }
    let mut credentials = Credentials::Interactive(Box::new(login));
    set_leeway(&mut credentials, map)?;
    set_cache(WAY, &mut credentials, map)?;
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Credentials, Error> {
        Credentials::load(text.as_bytes())
    }

    #[test]
    fn device_code_keys() {
        let base = "device_code:\n  client_id: c\n  authority_url: https://h/t\n";
        let c = load(&format!("{base}  cdf_cluster: api\n  audience: canary-x\n  mem_cache_only: true\n")).unwrap();
        let Credentials::DeviceCode(d) = &c else { panic!() };
        assert_eq!(d.fields.len(), 1);
        assert!(d.person.cache.memory_only && c.check().unwrap_err().message().contains("set_device_code_prompt"));
        assert_eq!(c.to_json()["scopes"][1], "https://api.cognitedata.com/user_impersonation");
        assert!(c.to_json()["oauth_discovery_url"].is_null() && !c.to_json().to_string().contains("canary"));
        for (extra, word) in [
            ("", "cdf_cluster"),
            ("  scopes: [a]\n  oauth_discovery_url: https://i\n", "exactly one"),
            ("  scopes: [a]\n  clear_cache: 1\n", "clear_cache"),
            ("  scopes: [a]\n  url: x\n", "reserved"),
            ("  cdf_cluster: a/b\n", "cdf_cluster"),
        ] {
            assert!(load(&format!("{base}{extra}")).unwrap_err().message().contains(word), "{extra}");
        }
        assert!(load("device_code: {client_id: c, scopes: [a]}").unwrap_err().message().contains("authority_url"));
        assert!(
            load("device_code: {oauth_discovery_url: 'https://i', scopes: [a]}")
                .unwrap_err()
                .message()
                .contains("client_id")
        );
    }

    #[test]
    fn interactive_keys() {
        let base = "interactive:\n  client_id: c\n  authority_url: https://h/t\n  scopes: [a]\n";
        let c = load(&format!(
            "{base}  redirect_port: '99'\n  prompt: login\n  login_hint: a@b\n  login_timeout_seconds: 2\n"
        ))
        .unwrap();
        let Credentials::Interactive(i) = &c else { panic!() };
        assert_eq!((i.redirect_port, i.login_timeout), (99, Duration::from_secs(2)));
        assert_eq!(c.to_json()["login_hint"], "a@b");
        for (extra, word) in [
            ("  prompt: none\n", "prompt"),
            ("  redirect_port: x\n", "redirect_port"),
            ("  redirect_port: 70000\n", "redirect_port"),
            ("  login_timeout_seconds: 0\n", "login_timeout_seconds"),
            ("  redirect_prt: 5\n", "did you mean 'redirect_port'"),
            ("  token_cache_path: ''\n", "token_cache_path"),
        ] {
            assert!(load(&format!("{base}{extra}")).unwrap_err().message().contains(word), "{extra}");
        }
    }

    #[test]
    fn client_certificate_keys() {
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/test_only_client_key.pem");
        let base = format!(
            "client_certificate:\n  client_id: c\n  authority_url: https://h/t\n  certificate: {{file: {key}}}\n"
        );
        let print = "  cert_thumbprint: B1B70D1DB983DAB09A5DDBD20E3507476F8DA320\n";
        let c = load(&format!("{base}{print}  scopes: [a]\n  token_expiry_leeway_seconds: 5\n")).unwrap();
        assert_eq!(c.to_json()["token_expiry_leeway_seconds"], 5);
        assert!(!format!("{c:?}").contains("PRIVATE"));
        for (extra, word) in [
            (print.to_owned(), "'scopes'"),
            ("  scopes: [a]\n".into(), "cert_thumbprint"),
            (format!("{print}  scopes: [a]\n  audience: x\n"), "audience"),
        ] {
            assert!(load(&format!("{base}{extra}")).unwrap_err().message().contains(word), "{extra}");
        }
    }
}
