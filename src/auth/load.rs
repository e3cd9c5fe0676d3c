//! Credentials from a mapping: exactly one key, which names the way to log in.

use std::time::Duration;

use serde_json::{Map, Value};

use super::credentials::{Credentials, Scopes, within_a_week};
use super::load_logins;
use super::secret_source::secret;
use crate::document::{kind_of, parse_mapping};
use crate::error::Error;

/// The five ways the reference knows.
const WAYS: [&str; 5] = ["client_certificate", "client_credentials", "device_code", "interactive", "token"];

impl Credentials {
    /// From YAML or JSON text.
    pub fn load(text: &[u8]) -> Result<Self, Error> {
        Self::from_map(&parse_mapping(text, "the credentials")?.map)
    }

    /// From the value of a config's `credentials` key: a mapping, or text that is one.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Object(map) => Self::from_map(map),
            Value::String(text) => Self::load(text.as_bytes()),
            other => Err(Error::config(format!("credentials must be a mapping, not {}", kind_of(other)))),
        }
    }

    fn from_map(map: &Map<String, Value>) -> Result<Self, Error> {
        let mut entries = map.iter();
        let (Some((way, value)), None) = (entries.next(), entries.next()) else {
            return Err(Error::config(format!(
                "credentials must have exactly one key, one of: {} (it has {})",
                WAYS.join(", "),
                map.len()
            )));
        };
        match way.as_str() {
            "token" => Self::token(
                match value {
                    Value::Object(inner) if inner.contains_key("token") && inner.len() == 1 => {
                        secret("credentials.token.token", &inner["token"])?
                    }
                    other => secret("credentials.token", other)?,
                }
                .reveal(),
            ),
            "client_credentials" => client_credentials(mapping(way, value)?),
            "client_certificate" => load_logins::client_certificate(mapping(way, value)?),
            "device_code" => load_logins::device_code(mapping(way, value)?),
            "interactive" => load_logins::interactive(mapping(way, value)?),
            other => {
                let (e, all) = (crate::document::unknown_key(other, &WAYS, "credentials"), WAYS.join(", "));
                Err(if e.message().ends_with(&all) {
                    e
                } else {
                    Error::config(format!("{} There are: {all}", e.message()))
                })
            }
        }
    }
}

fn mapping<'a>(way: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Error> {
    value
        .as_object()
        .ok_or_else(|| Error::config(format!("credentials.{way} must be a mapping, not {}", kind_of(value))))
}

/// The value of a key that must be there and not null.
pub fn needed<'a>(way: &str, map: &'a Map<String, Value>, key: &str) -> Result<&'a Value, Error> {
    map.get(key).ok_or_else(|| Error::config(format!("credentials.{way} lacks the key '{key}'")))
}

pub fn needed_text<'a>(way: &str, map: &'a Map<String, Value>, key: &str) -> Result<&'a str, Error> {
    let value = needed(way, map, key)?;
    value.as_str().ok_or_else(|| Error::config(format!("credentials.{way}.{key} must be text, not {}", kind_of(value))))
}

/// A list, text or null.
pub fn scopes(way: &str, value: &Value) -> Result<Scopes, Error> {
    let wrong = |found: &str| {
        Error::config(format!("credentials.{way}.scopes must be a list of texts, text or null, not {found}"))
    };
    Ok(match value {
        Value::Null => Scopes::None,
        Value::String(s) => Scopes::Text(s.clone()),
        Value::Array(list) => {
            let names: Option<Vec<String>> = list.iter().map(|v| v.as_str().map(str::to_owned)).collect();
            Scopes::List(names.ok_or_else(|| wrong("a list of other things"))?)
        }
        other => return Err(wrong(kind_of(other))),
    })
}

fn client_credentials(map: &Map<String, Value>) -> Result<Credentials, Error> {
    const WAY: &str = "client_credentials";
    let (url, id) = (needed_text(WAY, map, "token_url")?, needed_text(WAY, map, "client_id")?);
    let password = secret("credentials.client_credentials.client_secret", needed(WAY, map, "client_secret")?)?;
    let Some(given) = map.get("scopes") else {
        return Err(Error::config(
            "credentials.client_credentials lacks the key 'scopes' (a list or text; null for none)",
        ));
    };
    let mut credentials = Credentials::client_credentials(url, id, password.reveal(), scopes(WAY, given)?)?;
    for (key, value) in map {
        match key.as_str() {
            "token_url" | "client_id" | "client_secret" | "scopes" => {}
            "token_expiry_leeway_seconds" => credentials.set_leeway(leeway(value)?)?,
            "timeout" => {
                let wanted = value.as_f64().filter(|s| *s > 0.0).and_then(|s| Duration::try_from_secs_f64(s).ok());
                if let Some(t) = wanted {
                    within_a_week("credentials.client_credentials.timeout", t).map_err(Error::config)?;
                }
                set_option(&mut credentials, key, value, |cc| {
                    cc.timeout = Some(wanted?);
                    Some(())
                })?;
            }
            "follow_redirects" => set_option(&mut credentials, key, value, |cc| {
                cc.follow_redirects = value.as_bool()?;
                Some(())
            })?,
            _ => credentials.set_form_field(key, value)?,
        }
    }
    Ok(credentials)
}

pub fn leeway(value: &Value) -> Result<Duration, Error> {
    // The reference makes a number of it, from text as well: from an environment variable, say.
    let given = match value {
        Value::String(text) => text.trim().parse::<u32>().ok().map(f64::from),
        other => other.as_f64(),
    };
    given
        .filter(|s| (0.0..=86_400.0).contains(s))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| Error::config("token_expiry_leeway_seconds must be a number of seconds from 0 to 86400"))
}

/// The two keys that are options of the token request rather than fields of its form.
fn set_option(
    credentials: &mut Credentials,
    key: &str,
    value: &Value,
    set: impl FnOnce(&mut super::ClientCredentials) -> Option<()>,
) -> Result<(), Error> {
    if let Credentials::ClientCredentials(cc) = credentials {
        set(cc)
            .ok_or_else(|| Error::config(format!("credentials.client_credentials.{key} has a value it cannot have")))?;
        cc.custom_args.insert(key.to_owned(), value.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Credentials, Error> {
        Credentials::load(text.as_bytes())
    }

    #[test]
    fn one_known_way() {
        assert!(load("token: abc").is_ok() && load("token: {token: abc}").is_ok());
        let e = load("{}").unwrap_err();
        for way in WAYS {
            assert!(e.message().contains(way), "{e}");
        }
        assert!(load("token: 5").is_err() && load("token: null").is_err() && load("token: ''").is_err());
        for unknown in ["tokn: x", "zzzzzzzzzzzz: x"] {
            let e = load(unknown).unwrap_err();
            assert!(WAYS.iter().all(|way| e.message().matches(way).count() >= 1), "{e}");
        }
        assert!(load("tokn: x").unwrap_err().message().contains("mean 'token'?"));
        assert!(load("interactive: {}").unwrap_err().message().contains("authority_url"));
        assert!(load("token: {env: COGNITE_NO_SUCH_VARIABLE}").unwrap_err().message().contains("not set"));
        assert!(load("token: {token: {env: PATH}}").is_ok() && load("token: {env: PATH, file: x}").is_err());
    }

    #[test]
    fn client_credentials_keys() {
        let base = "client_credentials:\n  token_url: https://idp/t\n  client_id: i\n  client_secret: canary-s\n";
        let c = load(&format!("{base}  scopes: [a, b]\n  audience: x\n  tenant: 17\n  empty: ''\n")).unwrap();
        let Credentials::ClientCredentials(cc) = &c else { panic!() };
        assert_eq!(cc.scopes.joined().as_deref(), Some("a b"));
        let sent: Vec<_> = cc.fields.iter().map(|(n, v)| (n.as_str(), v.reveal())).collect();
        assert_eq!(sent, [("audience", "x"), ("tenant", "17")]);
        assert!(!format!("{c:?}").contains("canary"));
        let scopes_sent = |extra: &str| {
            let Credentials::ClientCredentials(cc) = load(&format!("{base}  scopes: a\n{extra}")).unwrap() else {
                panic!()
            };
            cc.request().form.contains("scope=a")
        };
        assert!(scopes_sent("  audience: x\n") && !scopes_sent("  scope: b\n") && !scopes_sent("  scope: null\n"));
        let leeway = |given: &str| load(&format!("{base}  scopes: a\n  token_expiry_leeway_seconds: {given}\n"));
        assert_eq!(leeway("'45'").unwrap().leeway().time, Duration::from_secs(45));
        assert!(leeway("'-1'").is_err() && leeway("soon").is_err() && leeway("true").is_err());
        for (extra, word) in [
            ("", "scopes"),
            ("  scopes: null\n  url: x\n", "url"),
            ("  scopes: null\n  audience: [1]\n", "audience"),
            ("  scopes: null\n  token_expiry_leeway_seconds: -1\n", "leeway"),
            ("  scopes: 5\n", "scopes"),
            ("  scopes: null\n  timeout: 1.0e+19\n", "timeout is longer than a week"),
            ("  scopes: null\n  timeout: 604801\n", "timeout is longer than a week"),
            ("  scopes: null\n  timeout: 1.0e+300\n", "timeout has a value"),
            ("  scopes: null\n  timeout: 0\n", "timeout has a value"),
        ] {
            assert!(load(&format!("{base}{extra}")).unwrap_err().message().contains(word), "{extra}");
        }
        assert!(
            load("client_credentials: {scopes: null, client_id: a, client_secret: b, token_url: nowhere}").is_err()
        );
    }
}
