//! Headers of a request: standard, then the config's, then the call's; later wins, names without letter case.

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, USER_AGENT,
};

use super::client::user_agent;
use super::url::pairs;
use crate::config::Checked;
use crate::config::client::header_value;
use crate::error::Error;

/// What the library alone decides: the token, and how the body is framed.
const OURS: [HeaderName; 4] = [AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING, HOST];

/// The standard headers with the config's over them.
pub fn standard(checked: &Checked) -> Result<HeaderMap, Error> {
    let mut out = HeaderMap::with_capacity(12);
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(ACCEPT, HeaderValue::from_static("application/json"));
    out.insert("x-cdp-sdk", HeaderValue::from_static(concat!("libcognite:", env!("CARGO_PKG_VERSION"))));
    set(&mut out, "x-cdp-app", &checked.client_name)?;
    set(&mut out, "cdf-version", &checked.config.api_subversion)?;
    out.insert(USER_AGENT, user_agent());
    for (name, value) in &checked.config.headers {
        set(&mut out, name, value)?;
    }
    out.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(out)
}

/// Puts a call's headers over `base`. `json` is a JSON object of text values.
pub fn merged(base: &HeaderMap, json: Option<&str>) -> Result<HeaderMap, Error> {
    let mut out = base.clone();
    let Some(json) = json else { return Ok(out) };
    let fault = || Error::argument("headers must be a JSON object of names to text");
    for (name, value) in pairs(json).map_err(|_| fault())? {
        let value: String = serde_json::from_str(value.get())
            .map_err(|_| Error::argument(format!("the header {name} must have a text value")))?;
        set(&mut out, &name, &value).map_err(|e| Error::argument(e.message()))?;
    }
    Ok(out)
}

fn set(out: &mut HeaderMap, name: &str, value: &str) -> Result<(), Error> {
    let bad = || Error::config(format!("'{name}' cannot be a header name"));
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
    if OURS.contains(&key) {
        return Ok(());
    }
    header_value(name, value)?;
    // Latin-1 on the wire, as the reference sends it.
    let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let mut value = HeaderValue::from_bytes(&bytes).map_err(|_| bad())?;
    value.set_sensitive(crate::redact::is_sensitive_name(name));
    out.insert(key, value);
    Ok(())
}
