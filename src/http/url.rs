//! Where a request goes: below the base URL or anywhere, with its query, and whether our token may go there.

use reqwest::Url;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::auth::form::form_encode;
use crate::config::BaseUrl;
use crate::error::Error;

#[derive(Clone)]
pub struct Target {
    pub url: Arc<Url>,
    /// Below the base URL: its path from there on. Elsewhere: `None`.
    pub path: Option<Arc<str>>,
    /// Same scheme, host and port as the base URL: the only place the token is sent to.
    pub own_origin: bool,
}

/// Paths of one client that were asked for lately: most programs ask for the same few again and again.
#[derive(Default)]
pub struct Addresses(Mutex<VecDeque<(String, Target)>>);

impl Addresses {
    const KEPT: usize = 4;
    const LONGEST: usize = 200;

    /// As [`resolve`]; `base` is the same each time.
    pub fn resolve(&self, base: &BaseUrl, given: &str, params: Option<&str>) -> Result<Target, Error> {
        if params.is_some() || given.len() > Self::LONGEST {
            return resolve(base, given, params);
        }
        // Whoever does not get it at once works it out.
        let Ok(mut kept) = self.0.try_lock() else { return resolve(base, given, None) };
        if let Some((_, target)) = kept.iter().find(|(path, _)| path == given) {
            return Ok(target.clone());
        }
        let target = resolve(base, given, None)?;
        kept.truncate(Self::KEPT - 1);
        kept.push_front((given.to_owned(), target.clone()));
        Ok(target)
    }
}

/// `given` is a path that begins with `/` (put behind the base URL) or a full http(s) URL. `params` is a JSON object of
/// query parameters, added to the query that is there.
pub fn resolve(base: &BaseUrl, given: &str, params: Option<&str>) -> Result<Target, Error> {
    // The parser would leave some of them out without a word.
    if given.contains(|c: char| c.is_ascii_control()) {
        return Err(Error::argument("url must not hold control characters"));
    }
    let prefix = base.url.path().trim_end_matches('/');
    let mut url = if given.starts_with('/') {
        // Put together from parts: the host was understood when the config was made.
        let given = given.split('#').next().unwrap_or_default();
        let (path, query) = given.split_once('?').map_or((given, None), |(p, q)| (p, Some(q)));
        let mut url = base.url.clone();
        match prefix {
            "" => url.set_path(path),
            _ => url.set_path(&format!("{prefix}{path}")),
        }
        url.set_query(query);
        url
    } else if let Some(rest) = given.strip_prefix("http://").or_else(|| given.strip_prefix("https://")) {
        if rest.starts_with(['/', '\\']) {
            // The parser would take the first part of the path for the host.
            return Err(Error::argument("url names no host"));
        }
        Url::parse(given).map_err(|e| Error::argument(format!("url cannot be understood: {e}")))?
    } else {
        return Err(Error::argument("url must begin with / (a path below base_url), http:// or https://"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::argument("url must not hold a user name or password"));
    }
    url.set_fragment(None);
    if let Some(params) = params {
        let mut query = url.query().unwrap_or_default().to_owned();
        append_params(params, &mut query)?;
        url.set_query(Some(query.as_str()).filter(|q| !q.is_empty()));
    }
    let own_origin = given.starts_with('/') || url.origin() == base.url.origin();
    let path = match url.path().strip_prefix(prefix) {
        Some(rest) if own_origin && (rest.is_empty() || rest.starts_with('/')) => Some(rest.into()),
        _ => None,
    };
    Ok(Target { url: url.into(), path, own_origin })
}

fn append_params(params: &str, query: &mut String) -> Result<(), Error> {
    let fault = || Error::argument("params must be a JSON object of query parameters");
    for (name, value) in pairs(params).map_err(|_| fault())? {
        let raw = value.get().trim();
        let list: Vec<Box<RawValue>>;
        let values: Vec<&str> = if raw.starts_with('[') {
            list = serde_json::from_str(raw).map_err(|_| fault())?;
            list.iter().map(|v| v.get().trim()).collect()
        } else {
            vec![raw]
        };
        for value in values {
            if !query.is_empty() {
                query.push('&');
            }
            form_encode(&name, query);
            query.push('=');
            form_encode(&scalar(&name, value)?, query);
        }
    }
    Ok(())
}

/// The members of a JSON object in their order, values as they are written: numbers keep every digit.
pub fn pairs(object: &str) -> Result<Vec<(String, Box<RawValue>)>, serde_json::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, Box<RawValue>)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::new();
            while let Some(entry) = map.next_entry()? {
                out.push(entry);
            }
            Ok(out)
        }
    }
    let mut de = serde_json::Deserializer::from_str(object);
    let out = de.deserialize_map(Pairs)?;
    de.end()?;
    Ok(out)
}

/// A query value as text: null is empty, integers keep their digits, fractions are written as Python does.
fn scalar(name: &str, raw: &str) -> Result<String, Error> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map_err(|_| Error::argument("params must be a JSON object")),
        Some(b'n') => Ok(String::new()),
        Some(b't' | b'f') => Ok(raw.to_owned()),
        Some(b'{' | b'[') => {
            Err(Error::argument(format!("params.{name} must be text, a number, a boolean, null or a list of these")))
        }
        _ if raw.contains(['.', 'e', 'E']) => match raw.parse::<f64>() {
            Ok(v) if v.is_finite() => Ok(float(v)),
            _ => Err(Error::argument(format!("params.{name} is a number too large to send"))),
        },
        _ => Ok(raw.to_owned()),
    }
}

/// Shortest digits that read back the same: `1.5`, `2.0`, `1e+21`, `1e-05`.
fn float(v: f64) -> String {
    let sci = format!("{v:e}");
    let (digits, exponent) = sci.split_once('e').unwrap_or((&sci, "0"));
    match exponent.parse::<i32>() {
        Ok(e) if (-4..16).contains(&e) => {
            let plain = format!("{v}");
            if plain.contains('.') { plain } else { plain + ".0" }
        }
        Ok(e) => format!("{digits}e{}{:02}", if e < 0 { '-' } else { '+' }, e.abs()),
        Err(_) => sci,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BaseUrl {
        BaseUrl { text: text.into(), url: Url::parse(text).unwrap() }
    }

    fn go(given: &str, params: Option<&str>) -> Target {
        resolve(&base("https://h.x/pre"), given, params).unwrap()
    }

    #[test]
    fn addresses_that_were_asked_for_lately() {
        let (base, lately) = (base("https://h.x/pre"), Addresses::default());
        for given in ["/a?x=1", "/b", "/a?x=1", "/a", "https://h.x/pre/b", "/c", "/d", "/e", "/a?x=1", "/../a"] {
            let (kept, new) = (lately.resolve(&base, given, None).unwrap(), resolve(&base, given, None).unwrap());
            assert_eq!((kept.url, kept.path, kept.own_origin), (new.url, new.path, new.own_origin), "{given}");
        }
        assert_eq!(lately.0.lock().unwrap().len(), Addresses::KEPT);
        assert_eq!(lately.resolve(&base, "/a", Some("{\"y\":2}")).unwrap().url.as_str(), "https://h.x/pre/a?y=2");
        assert!(lately.resolve(&base, "a", None).is_err());
    }

    #[test]
    fn addresses() {
        for (given, url, path) in [
            ("/a", "https://h.x/pre/a", Some("/a")),
            ("/a/./b/../c", "https://h.x/pre/a/c", Some("/a/c")),
            ("/a//b", "https://h.x/pre/a//b", Some("/a//b")),
            ("/a?x=1&y=a%20b&z#f", "https://h.x/pre/a?x=1&y=a%20b&z", Some("/a")),
            ("https://h.x/other?x=1", "https://h.x/other?x=1", None),
            ("https://H.X:443/pre/b", "https://h.x/pre/b", Some("/b")),
            ("https://h.x/prefix", "https://h.x/prefix", None),
        ] {
            let t = go(given, None);
            assert_eq!((t.url.as_str(), t.path.as_deref(), t.own_origin), (url, path, true), "{given}");
        }
        for foreign in ["http://h.x/pre/a", "https://h.x:444/pre/a", "https://h.x.evil/pre/a", "https://evil/pre"] {
            let t = go(foreign, None);
            assert!(!t.own_origin && t.path.is_none(), "{foreign}");
        }
        for bad in [
            "",
            "assets",
            "HTTPS://h",
            "ftp://x",
            "https://",
            "https://u:p@h.x/",
            "https:///h.x/a",
            "https://\\h.x/a",
            "/a\tb",
            "/a\nb",
            "/a\u{0}b",
            "https://h.x/a\rb",
        ] {
            assert!(resolve(&base("https://h.x"), bad, None).is_err(), "{bad}");
        }
    }

    /// Putting together what is understood already gives what reading all of it would.
    #[test]
    fn paths_are_read_as_in_a_whole_url() {
        for given in [
            "/",
            "//",
            "/a b",
            "/ø/日本",
            "/%2e%2e/x",
            "/..",
            "/../../x",
            "/a/%2F/b",
            "/a\\b",
            "/a;b=c",
            "/a?",
            "/a?#",
            "/#",
            "/a?q=a b&ø",
            "/a?b?c",
            "/a#b?c",
            "/a?'\"<>`",
            "//evil.com/x",
            "/:80/",
            "/@h/",
            "/?a=%zz",
        ] {
            for root in ["https://h.x/pre", "http://127.0.0.1:8080"] {
                let mut whole = Url::parse(&format!("{root}{given}")).unwrap();
                whole.set_fragment(None);
                let ours = resolve(&base(root), given, None).unwrap();
                assert_eq!(ours.url.as_str(), whole.as_str(), "{given:?}");
                assert_eq!(ours.url.origin(), whole.origin());
            }
        }
    }

    #[test]
    fn parameters() {
        let q = |given: &str, params: &str| go(given, Some(params)).url.query().map(str::to_owned);
        assert_eq!(q("/a?x=1", r#"{"z":3}"#).as_deref(), Some("x=1&z=3"));
        assert_eq!(q("/a", "{}"), None);
        assert_eq!(
            q("/a", r#"{"t":true,"n":null,"i":123456789012345678901234567890,"l":[1,"b c",null],"e":[],"k&=":"ø/"}"#)
                .as_deref(),
            Some("t=true&n=&i=123456789012345678901234567890&l=1&l=b+c&l=&k%26%3D=%C3%B8%2F")
        );
        for (v, text) in [
            ("1.5", "1.5"),
            ("2.0", "2.0"),
            ("1e21", "1e%2B21"),
            ("1E-5", "1e-05"),
            ("1e15", "1000000000000000.0"),
            ("-0.0", "-0.0"),
        ] {
            assert_eq!(q("/a", &format!("{{\"v\":{v}}}")).unwrap(), format!("v={text}"));
        }
        for bad in ["[]", "{", "{\"a\":{}}", "{\"a\":[[1]]}", "{\"a\":1e999}", "{} x", "{\"a\":NaN}", ""] {
            assert!(resolve(&base("https://h"), "/a", Some(bad)).is_err(), "{bad}");
        }
    }
}
