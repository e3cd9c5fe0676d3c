//! Headers of a request: standard, then the config's, then the call's; later wins, names without letter case.

use std::ops::Deref;
use std::sync::Arc;

use once_cell::sync::OnceCell;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap,
    HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};

use super::client::user_agent;
use super::url::pairs;
use crate::config::Checked;
use crate::config::client::header_value;
use crate::error::{Cause, Error};

/// What the library alone decides: the token, and how the body is framed.
const OURS: [HeaderName; 4] = [AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING, HOST];

/// Headers of requests, and what they look like in one: written once for all that send the same.
#[derive(Default)]
pub struct Headers {
    map: HeaderMap,
    lines: OnceCell<Vec<u8>>,
}

impl Headers {
    /// For a change of one's own.
    pub fn edit(shared: &mut Arc<Self>) -> &mut HeaderMap {
        let own = Arc::make_mut(shared);
        own.lines = OnceCell::new();
        &mut own.map
    }

    /// As they are sent, without what says how the request is framed, to whom it goes and who asks.
    pub fn lines(&self) -> &[u8] {
        self.lines.get_or_init(|| {
            let mut out = Vec::new();
            for (name, value) in self.map.iter().filter(|(name, _)| !OURS.contains(name)) {
                out.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
            }
            if !self.map.contains_key(ACCEPT) {
                out.extend_from_slice(b"accept: */*\r\n");
            }
            out
        })
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self { map, lines: OnceCell::new() }
    }
}

impl Clone for Headers {
    fn clone(&self) -> Self {
        self.map.clone().into()
    }
}

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.map
    }
}

/// The standard headers with the config's over them.
pub fn standard(checked: &Checked) -> Result<Headers, Error> {
    let mut out = HeaderMap::with_capacity(12);
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(ACCEPT, HeaderValue::from_static("application/json"));
    out.insert("x-cdp-sdk", HeaderValue::from_static(concat!("libcognite:", env!("CARGO_PKG_VERSION"))));
    // Latin-1 on the wire, as the reference sends it; the config has checked that it is.
    put(&mut out, "x-cdp-app", checked.client_name.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect())?;
    set(&mut out, "cdf-version", &checked.config.api_subversion)?;
    out.insert(USER_AGENT, user_agent());
    for (name, value) in &checked.config.headers {
        set(&mut out, name, value)?;
    }
    out.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(out.into())
}

/// Puts a call's headers over `base`. `json` is a JSON object of text values.
pub fn merged(base: &Arc<Headers>, json: Option<&str>) -> Result<Arc<Headers>, Error> {
    let mut merged = Arc::clone(base);
    let Some(json) = json else { return Ok(merged) };
    let out = Headers::edit(&mut merged);
    let fault = || Error::argument("headers must be a JSON object of names to text");
    for (name, value) in pairs(json).map_err(|_| fault())? {
        let value: String = serde_json::from_str(value.get())
            .map_err(|_| Error::argument(format!("the header {name} must have a text value")))?;
        set(out, &name, &value).map_err(|e| Error::argument(e.message()).with(|d| d.cause = Some(Cause::Header)))?;
    }
    Ok(merged)
}

/// Sets or takes away what says that the body is compressed.
pub fn set_gzip(headers: &mut Arc<Headers>, gzip: bool) {
    if gzip {
        Headers::edit(headers).insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    } else if headers.contains_key(CONTENT_ENCODING) {
        Headers::edit(headers).remove(CONTENT_ENCODING);
    }
}

fn set(out: &mut HeaderMap, name: &str, value: &str) -> Result<(), Error> {
    header_value(name, value)?;
    put(out, name, value.as_bytes().to_vec())
}

fn put(out: &mut HeaderMap, name: &str, value: Vec<u8>) -> Result<(), Error> {
    let bad = || Error::config(format!("'{name}' cannot be a header name"));
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
    if OURS.contains(&key) {
        return Ok(());
    }
    let mut value = HeaderValue::from_bytes(&value).map_err(|_| bad())?;
    value.set_sensitive(crate::redact::is_sensitive_name(name));
    out.insert(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let base = Arc::new(Headers::default());
        for (json, word) in [
            (r#"{"x":"bl\u00e5"}"#, "U+00E5"),
            (r#"{"x":"a\r\nb: c"}"#, "not allow"),
            (r#"{"x":"a\u007f"}"#, "not allow"),
            (r#"{"a b":"c"}"#, "header name"),
            (r#"{"":"c"}"#, "header name"),
        ] {
            let e = merged(&base, Some(json)).map(|_| ()).unwrap_err();
            assert!(e.message().contains(word), "{json}: {e}");
            assert_eq!((e.status(), e.detail().cause), (Status::InvalidArgument, Some(Cause::Header)), "{json}");
        }
        assert_eq!(merged(&base, Some(r#"{"x":5}"#)).map(|_| ()).unwrap_err().detail().cause, None);
        assert_eq!(merged(&base, Some("{\"x\":\"a\tb\"}".replace('\t', "\\t").as_str())).unwrap()["x"], "a\tb");
    }
}
