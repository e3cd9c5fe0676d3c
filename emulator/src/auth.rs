//! The token endpoint and the check every API call goes through.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::call::{Reply, decode, pairs};
use crate::config::Config;

/// Far more than any client asks for; keeps a runaway loop from eating memory.
const MAX_TOKENS: usize = 10_000;

#[derive(Default)]
pub struct Auth {
    tokens: HashMap<String, Instant>,
    issued: u64,
}

impl Auth {
    pub fn is_valid(&self, headers: &HeaderMap, config: &Config) -> bool {
        let Some(text) = headers.get("authorization").and_then(|v| v.to_str().ok()) else { return false };
        let Some((scheme, token)) = text.split_once(' ') else { return false };
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return false;
        }
        config.token.as_deref() == Some(token) || self.tokens.get(token).is_some_and(|until| Instant::now() < *until)
    }

    pub fn expire_all(&mut self) -> usize {
        let count = self.tokens.len();
        self.tokens.clear();
        count
    }

    pub fn issued(&self) -> u64 {
        self.issued
    }

    fn issue(&mut self, lifetime: u64) -> String {
        let now = Instant::now();
        if self.tokens.len() >= MAX_TOKENS {
            self.tokens.retain(|_, until| *until > now);
            if self.tokens.len() >= MAX_TOKENS {
                self.tokens.clear();
            }
        }
        self.issued += 1;
        let random = || RandomState::new().build_hasher().finish();
        let token = format!("emulator-{}-{:016x}{:016x}", self.issued, random(), random());
        self.tokens.insert(token.clone(), now + Duration::from_secs(lifetime));
        token
    }

    /// RFC 6749 section 4.4, with the client authenticated by form fields or HTTP Basic.
    pub fn token(&mut self, headers: &HeaderMap, body: &[u8], config: &Config) -> Reply {
        let content_type = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("");
        if !content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return refuse(400, "invalid_request", "The body must be application/x-www-form-urlencoded");
        }
        let form = pairs(&String::from_utf8_lossy(body));
        let field = |name: &str| form.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        let Some(grant) = field("grant_type") else {
            return refuse(400, "invalid_request", "The parameter grant_type is missing");
        };
        if grant != "client_credentials" {
            return refuse(400, "unsupported_grant_type", "Only client_credentials is supported");
        }
        let (id, secret) = match basic(headers) {
            Some(pair) => pair,
            None => match (field("client_id"), field("client_secret")) {
                (Some(id), Some(secret)) => (id, secret),
                (None, _) => return refuse(400, "invalid_request", "The parameter client_id is missing"),
                (_, None) => return refuse(401, "invalid_client", "The client secret is missing"),
            },
        };
        if id != config.client_id || secret != config.client_secret {
            return refuse(401, "invalid_client", "Unknown client or wrong client secret");
        }
        let token = self.issue(config.token_lifetime);
        let mut answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": config.token_lifetime});
        if let (Some(scope), Value::Object(map)) = (field("scope"), &mut answer) {
            map.insert("scope".into(), json!(scope));
        }
        Reply::ok(&answer)
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get("authorization")?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id, true), decode(secret, true)))
}

fn refuse(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({"error": error, "error_description": description}))
}
