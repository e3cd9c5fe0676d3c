//! Settings from a mapping. One table of keys for a config, used for reading and for naming the nearest valid key.

use std::time::Duration;

use serde_json::Value;

use super::client::{
    ClientConfig, DEFAULT_FILE_TRANSFER_TIMEOUT, DEFAULT_TIMEOUT, DEFAULT_TOTAL_TIMEOUT, checked_timeout,
};
use super::network;
use crate::auth::Credentials;
use crate::document::{Document, kind_of, parse_mapping, unknown_key};
use crate::error::Error;

type Set = fn(&mut ClientConfig, &Value) -> Result<(), Error>;

/// Key and what it does. The first nine are the reference's, the rest our own.
const KEYS: &[(&str, Set)] = &[
    ("client_name", |c, v| c.set_client_name(text("client_name", v)?)),
    ("project", |c, v| c.set_project(text("project", v)?)),
    ("credentials", |c, v| {
        c.credentials = Some(Credentials::from_value(v)?);
        Ok(())
    }),
    ("api_subversion", |c, v| if v.is_null() { Ok(()) } else { c.set_api_subversion(text("api_subversion", v)?) }),
    ("base_url", |c, v| if v.is_null() { Ok(()) } else { c.set_base_url(address("base_url", v)?) }),
    ("cluster", |c, v| if v.is_null() { Ok(()) } else { c.set_cluster(address("cluster", v)?) }),
    ("headers", headers),
    ("timeout", |c, v| set_time("timeout", v, DEFAULT_TIMEOUT, &mut c.timeout)),
    ("file_transfer_timeout", |c, v| {
        set_time("file_transfer_timeout", v, DEFAULT_FILE_TRANSFER_TIMEOUT, &mut c.file_transfer_timeout)
    }),
    ("debug", |c, v| set_bool("debug", v, &mut c.debug)),
    ("total_timeout", |c, v| set_time("total_timeout", v, DEFAULT_TOTAL_TIMEOUT, &mut c.total_timeout)),
    ("max_response_bytes", |c, v| {
        c.max_response_bytes = integer("max_response_bytes", v, 1)?;
        Ok(())
    }),
    ("max_accepted_calls", |c, v| {
        c.max_accepted_calls = integer("max_accepted_calls", v, 1)?;
        Ok(())
    }),
    ("gzip_min_bytes", |c, v| {
        c.gzip_min_bytes = integer("gzip_min_bytes", v, 0)?;
        Ok(())
    }),
    ("refresh_on_401", |c, v| set_bool("refresh_on_401", v, &mut c.refresh_on_401)),
    ("project_hint_on_401", |c, v| set_bool("project_hint_on_401", v, &mut c.project_hint_on_401)),
];

impl ClientConfig {
    /// From YAML or JSON text. Complete when it returns: a missing or contradictory setting is an error here.
    pub fn load(input: &[u8]) -> Result<Self, Error> {
        Self::from_document(&parse_mapping(input, "the config")?)
    }

    /// From a mapping inside another text (the default config among the global settings).
    pub fn from_value(value: &Value, what: &str) -> Result<Self, Error> {
        match value {
            Value::Object(map) => Self::from_document(&Document { map: map.clone(), templates: Vec::new() }),
            Value::String(input) => Self::load(input.as_bytes()),
            other => Err(Error::config(format!("{what} must be a mapping, not {}", kind_of(other)))),
        }
    }

    fn from_document(document: &Document) -> Result<Self, Error> {
        let mut config = Self::default();
        let has = |key: &str| document.map.get(key).is_some_and(|v| !v.is_null());
        if let Some((a, b)) = network::EITHER.iter().find(|(a, b)| has(a) && has(b)) {
            return Err(Error::config(format!("the config has both {a} and {b}; give one of the two")));
        }
        for (key, value) in &document.map {
            match KEYS.iter().chain(network::KEYS).find(|(k, _)| k == key) {
                Some((_, set)) => set(&mut config, value)?,
                None if document.templates.contains(key) => {}
                None => return Err(unknown_key(key, &[names(KEYS), names(network::KEYS)].concat(), "the config")),
            }
        }
        let missing: Vec<&str> =
            ["client_name", "project", "credentials"].into_iter().filter(|k| !document.map.contains_key(*k)).collect();
        if !missing.is_empty() {
            return Err(Error::config(format!("the config lacks {}", missing.join(", "))));
        }
        config.check()?;
        Ok(config)
    }
}

/// The names of a table of keys.
pub fn names<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(k, _)| *k).collect()
}

pub fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, Error> {
    match value {
        Value::String(s) => Ok(s),
        Value::Number(_) | Value::Bool(_) => {
            Err(Error::config(format!("{key} must be text, not {}; put it in quotes", kind_of(value))))
        }
        other => Err(Error::config(format!("{key} must be text, not {}", kind_of(other)))),
    }
}

fn address<'a>(key: &str, value: &'a Value) -> Result<&'a str, Error> {
    text(key, value).map_err(|e| Error::config(format!("{} (one of base_url and cluster is needed)", e.message())))
}

pub fn boolean(key: &str, value: &Value) -> Result<bool, Error> {
    match value {
        Value::Bool(b) => Ok(*b),
        // YAML 1.1 spells booleans in more ways than YAML 1.2 does; the reference's parser reads them.
        Value::String(s) => match s.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" => Ok(true),
            "no" | "off" | "false" => Ok(false),
            _ => Err(Error::config(format!("{key} must be true or false"))),
        },
        other => Err(Error::config(format!("{key} must be true or false, not {}", kind_of(other)))),
    }
}

fn set_bool(key: &str, value: &Value, into: &mut bool) -> Result<(), Error> {
    if !value.is_null() {
        *into = boolean(key, value)?;
    }
    Ok(())
}

pub fn integer(key: &str, value: &Value, least: u64) -> Result<u64, Error> {
    value
        .as_u64()
        .filter(|n| *n >= least)
        .ok_or_else(|| Error::config(format!("{key} must be a whole number of {least} or more")))
}

/// A time in seconds, fractions allowed.
pub fn time(key: &str, value: &Value) -> Result<Duration, Error> {
    value.as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok()).ok_or_else(|| {
        let given = if value.is_number() { "this one" } else { kind_of(value) };
        Error::config(format!("{key} must be a number of seconds of 0 or more, not {given}"))
    })
}

fn set_time(key: &str, value: &Value, default: Duration, into: &mut Duration) -> Result<(), Error> {
    *into = if value.is_null() { default } else { checked_timeout(key, time(key, value)?, default)? };
    Ok(())
}

fn headers(config: &mut ClientConfig, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null => Ok(()),
        Value::Object(map) => {
            map.iter().try_for_each(|(name, v)| config.set_header(name, Some(text(&format!("headers.{name}"), v)?)))
        }
        other => Err(Error::config(format!("headers must be a mapping of names to text, not {}", kind_of(other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "client_name: n\nproject: p\nbase_url: https://h/x/\ncredentials: {token: canary-token}\n";

    fn load(text: &str) -> Result<ClientConfig, Error> {
        ClientConfig::load(text.as_bytes())
    }

    #[test]
    fn every_key() {
        let c = load(&format!(
            "{BASE}api_subversion: beta\nheaders: {{X-A: '1'}}\ntimeout: 2.5\nfile_transfer_timeout: 901\ndebug: yes\n\
             total_timeout: 30\nmax_response_bytes: 1000\nmax_accepted_calls: 9\n\
             gzip_min_bytes: 0\nrefresh_on_401: off\nproject_hint_on_401: on\n"
        ))
        .unwrap();
        let shown = c.to_json();
        assert_eq!((&shown["timeout"], &shown["file_transfer_timeout"]), (&2.5.into(), &901.into()));
        assert!(c.debug && !c.refresh_on_401 && c.project_hint_on_401);
        assert_eq!(c.base_url.as_deref(), Some("https://h/x"));
        assert!(!shown.to_string().contains("canary"));
        let shown = shown.as_object().unwrap();
        for (key, _) in KEYS {
            assert!(shown.contains_key(*key) || *key == "cluster", "{key} is not shown");
        }
    }

    #[test]
    fn refused_by_name() {
        for (text, word) in [
            (format!("{BASE}projct: x\n"), "did you mean 'project'"),
            (format!("{BASE}cluster: c\n"), "both"),
            (format!("{BASE}timeout: '30'\n"), "timeout"),
            (format!("{BASE}timeout: -1\n"), "timeout"),
            (format!("{BASE}headers: {{x-n: 5}}\n"), "headers.x-n"),
            (format!("{BASE}headers: [1]\n"), "headers"),
            (format!("{BASE}debug: maybe\n"), "debug"),
            (format!("{BASE}max_response_bytes: 0\n"), "max_response_bytes"),
            (format!("{BASE}max_accepted_calls: 0\n"), "max_accepted_calls"),
            (BASE.replace("client_name: n\n", ""), "client_name"),
            (BASE.replace("base_url: https://h/x/\n", ""), "base_url"),
            (BASE.replace("project: p", "project: ''"), "project"),
            (BASE.replace("project: p", "project: 0"), "quotes"),
            (BASE.replace("project: p", "project: null"), "project"),
            (BASE.replace("{token: canary-token}", "[token]"), "mapping"),
            (BASE.replace("{token: canary-token}", "canary-token"), "credentials"),
        ] {
            let e = load(&text).unwrap_err();
            assert!(e.message().contains(word), "{text}: {e}");
            assert!(!e.message().contains("canary"), "{e}");
        }
    }

    #[test]
    fn null_is_not_given() {
        let c =
            load(&format!("{BASE}timeout: null\nheaders: null\ncluster: null\ndebug: null\napi_subversion: null\n"));
        assert_eq!(c.unwrap().timeout, DEFAULT_TIMEOUT);
        assert_eq!(load(&format!("{BASE}timeout: 0\n")).unwrap().timeout, DEFAULT_TIMEOUT);
        let merged = "base: &b\n  client_name: merged\n  project: p\n<<: *b\ncluster: c\ncredentials: {token: t}\n";
        assert_eq!(load(merged).unwrap().client_name.as_deref(), Some("merged"));
    }
}
