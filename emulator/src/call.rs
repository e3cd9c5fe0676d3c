//! One request as the handlers see it, and the answer they give.

use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ApiError, Result};

pub struct Call {
    pub method: String,
    /// Percent-decoded path segments after `/api/v1/projects/{project}/`.
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// An empty value counts as absent: clients send `cursor=` for "no cursor".
    pub fn filled_param(&self, name: &str) -> Option<&str> {
        self.param(name).filter(|v| !v.is_empty())
    }

    pub fn int_param(&self, name: &str) -> Result<Option<i64>> {
        match self.filled_param(name) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(ApiError::bad(format!("Invalid value for query parameter {name}: '{text}'"))),
            },
        }
    }

    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|e| ApiError::bad(format!("Could not parse the request body: {e}")))
    }

    pub fn object(&self) -> Result<serde_json::Map<String, Value>> {
        match self.json::<Value>()? {
            Value::Object(map) => Ok(map),
            _ => Err(ApiError::bad("Could not parse the request body: expected a JSON object")),
        }
    }

    pub fn is_protobuf(&self) -> bool {
        self.header("content-type").to_ascii_lowercase().starts_with("application/protobuf")
    }

    pub fn wants_protobuf(&self) -> bool {
        self.header("accept").to_ascii_lowercase().contains("application/protobuf")
    }
}

pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, content_type: "application/json", body },
            Err(e) => ApiError::new(500, format!("The answer could not be encoded: {e}")).into(),
        }
    }

    pub fn ok<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::json(200, value)
    }

    pub fn empty() -> Self {
        Self { status: 200, content_type: "application/json", body: b"{}".to_vec() }
    }

    pub fn protobuf(body: Vec<u8>) -> Self {
        Self { status: 200, content_type: "application/protobuf", body }
    }
}

impl From<ApiError> for Reply {
    fn from(e: ApiError) -> Self {
        Self { status: e.status, content_type: "application/json", body: e.body().to_string().into_bytes() }
    }
}

impl From<Result<Reply>> for Reply {
    fn from(r: Result<Reply>) -> Self {
        r.unwrap_or_else(Reply::from)
    }
}

/// Percent-decoding; in forms and queries `+` is a space too. Bytes that are not UTF-8 are replaced.
pub fn decode(text: &str, plus_is_space: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => {
                let mut ahead = bytes.clone();
                let digits = (ahead.next().and_then(hex), ahead.next().and_then(hex));
                if let (Some(high), Some(low)) = digits {
                    out.push(high * 16 + low);
                    bytes = ahead;
                } else {
                    out.push(b);
                }
            }
            b'+' if plus_is_space => out.push(b' '),
            _ => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(b: u8) -> Option<u8> {
    (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(key, true), decode(value, true))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_keeps_malformed_escapes() {
        assert_eq!(decode("a%20b+c%2", false), "a b+c%2");
        assert_eq!(decode("a+b%zz", true), "a b%zz");
        assert_eq!(decode("%C3%A6", false), "æ");
        assert_eq!(
            pairs("a=1&&b&c=%26"),
            [("a".into(), "1".into()), ("b".into(), String::new()), ("c".into(), "&".into())]
        );
    }
}
