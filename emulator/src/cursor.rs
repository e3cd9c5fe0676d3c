//! Opaque paging cursors: a tag for what they page over, and a position.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{ApiError, Result};

pub fn encode(tag: &str, position: i64) -> String {
    encode_text(tag, &position.to_string())
}

pub fn decode(tag: &str, cursor: &str) -> Result<i64> {
    decode_text(tag, cursor)?.parse().map_err(|_| invalid())
}

pub fn encode_text(tag: &str, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{tag}:{text}"))
}

pub fn decode_text(tag: &str, cursor: &str) -> Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    match text.split_once(':') {
        Some((found, rest)) if found == tag => Ok(rest.to_owned()),
        _ => Err(invalid()),
    }
}

pub fn invalid() -> ApiError {
    ApiError::bad("Invalid cursor")
}
