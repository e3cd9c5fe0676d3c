//! Credentials from a mapping: exactly one key, which names the way to log in.

use std::time::Duration;

use serde_json::{Map, Value};

use super::credentials::{Credentials, Scopes};
use crate::document::{kind_of, parse_mapping};
use crate::error::Error;

/// The five ways the reference knows. Those that are not there yet say so by name.
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
            "token" => match value {
                Value::String(token) => Self::token(token),
                Value::Object(inner) if inner.len() == 1 => match inner.get("token") {
                    Some(Value::String(token)) => Self::token(token),
                    _ => {
                        Err(Error::config("credentials.token must be text, or a mapping with the one text key 'token'"))
                    }
                },
                other => Err(Error::config(format!("credentials.token must be text, not {}", kind_of(other)))),
            },
            "client_credentials" => match value {
                Value::Object(inner) => client_credentials(inner),
                other => Err(Error::config(format!(
                    "credentials.client_credentials must be a mapping, not {}",
                    kind_of(other)
                ))),
            },
            other if WAYS.contains(&other) => Err(Error::config(format!(
                "credentials of the kind '{other}' are not in this version of the library; use token or client_credentials"
            ))),
            other => Err(crate::document::unknown_key(other, &WAYS, "credentials")),
        }
    }
}

fn client_credentials(map: &Map<String, Value>) -> Result<Credentials, Error> {
    let text = |key: &str| match map.get(key) {
        Some(Value::String(s)) => Ok(s.as_str()),
        Some(other) => {
            Err(Error::config(format!("credentials.client_credentials.{key} must be text, not {}", kind_of(other))))
        }
        None => Err(Error::config(format!("credentials.client_credentials lacks the key '{key}'"))),
    };
    let scopes = match map.get("scopes") {
        None => {
            return Err(Error::config(
                "credentials.client_credentials lacks the key 'scopes' (a list or text; null for none)",
            ));
        }
        Some(Value::Null) => Scopes::None,
        Some(Value::String(s)) => Scopes::Text(s.clone()),
        Some(Value::Array(list)) => Scopes::List(
            list.iter()
                .map(|v| v.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| Error::config("credentials.client_credentials.scopes must be a list of texts"))?,
        ),
        Some(other) => {
            return Err(Error::config(format!(
                "credentials.client_credentials.scopes must be a list, text or null, not {}",
                kind_of(other)
            )));
        }
    };
    let mut credentials =
        Credentials::client_credentials(text("token_url")?, text("client_id")?, text("client_secret")?, scopes)?;
    for (key, value) in map {
        match key.as_str() {
            "token_url" | "client_id" | "client_secret" | "scopes" => {}
            "token_expiry_leeway_seconds" => credentials.set_leeway(leeway(value)?)?,
            "timeout" => set_option(&mut credentials, key, value, |cc| {
                cc.timeout = Some(Duration::try_from_secs_f64(value.as_f64().filter(|s| *s > 0.0)?).ok()?);
                Some(())
            })?,
            "follow_redirects" => set_option(&mut credentials, key, value, |cc| {
                cc.follow_redirects = value.as_bool()?;
                Some(())
            })?,
            _ => credentials.set_form_field(key, value)?,
        }
    }
    Ok(credentials)
}

fn leeway(value: &Value) -> Result<Duration, Error> {
    value
        .as_f64()
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
        assert!(load("tokn: x").unwrap_err().message().contains("'token'"));
        assert!(load("interactive: {}").unwrap_err().message().contains("interactive"));
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
        for (extra, word) in [
            ("", "scopes"),
            ("  scopes: null\n  url: x\n", "url"),
            ("  scopes: null\n  audience: [1]\n", "audience"),
            ("  scopes: null\n  token_expiry_leeway_seconds: -1\n", "leeway"),
            ("  scopes: 5\n", "scopes"),
        ] {
            assert!(load(&format!("{base}{extra}")).unwrap_err().message().contains(word), "{extra}");
        }
        assert!(
            load("client_credentials: {scopes: null, client_id: a, client_secret: b, token_url: nowhere}").is_err()
        );
    }
}
