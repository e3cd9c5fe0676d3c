//! The token endpoint and the check every API call goes through. What people do is in `login`.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::call::{Reply, decode, pairs};
use crate::config::Config;
use crate::login::{Logins, Refusal};

/// Far more than any client asks for; keeps a runaway loop from eating memory.
const MAX_TOKENS: usize = 10_000;

#[derive(Default)]
pub struct Auth {
    /// Until when each is good, in milliseconds of the emulator's clock.
    tokens: HashMap<String, i64>,
    issued: u64,
    /// In place of the configured one.
    pub lifetime: Option<u64>,
    pub logins: Logins,
}

/// A token request that was found right, and what its answer has besides the token.
#[derive(Default)]
struct Right {
    refresh: bool,
    nonce: Option<String>,
}

impl Auth {
    pub fn is_valid(&self, headers: &HeaderMap, config: &Config, now: i64) -> bool {
        let Some(text) = headers.get("authorization").and_then(|v| v.to_str().ok()) else { return false };
        let Some((scheme, token)) = text.split_once(' ') else { return false };
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return false;
        }
        config.token.as_deref() == Some(token) || self.tokens.get(token).is_some_and(|until| now < *until)
    }

    pub fn expire_all(&mut self) -> usize {
        let count = self.tokens.len();
        self.tokens.clear();
        count
    }

    pub fn issued(&self) -> u64 {
        self.issued
    }

    fn issue(&mut self, lifetime: u64, now: i64) -> String {
        if self.tokens.len() >= MAX_TOKENS {
            self.tokens.retain(|_, until| *until > now);
            if self.tokens.len() >= MAX_TOKENS {
                self.tokens.clear();
            }
        }
        self.issued += 1;
        let token = format!("emulator-{}-{}", self.issued, self.random());
        self.tokens.insert(token.clone(), later(now, lifetime));
        token
    }

    pub fn random(&self) -> String {
        let random = || RandomState::new().build_hasher().finish();
        format!("{:016x}{:016x}", random(), random())
    }

    /// Short, and without letters that look like others.
    pub fn user_code(&self) -> String {
        const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
        let mut n = RandomState::new().build_hasher().finish();
        let mut letter = || {
            let c = char::from(LETTERS[(n % 20) as usize]);
            n /= 20;
            c
        };
        let mut code: String = (0..8).map(|_| letter()).collect();
        code.insert(4, '-');
        code
    }

    /// The token endpoint at `address`: all grants of OAuth 2.0 that programs use.
    pub fn token(&mut self, headers: &HeaderMap, body: &[u8], address: &str, config: &Config, now: i64) -> Reply {
        let content_type = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("");
        if !content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return refuse(400, "invalid_request", "The body must be application/x-www-form-urlencoded");
        }
        let form = pairs(&String::from_utf8_lossy(body));
        let field = |name: &str| form.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        let Some(grant) = field("grant_type") else {
            return refuse(400, "invalid_request", "The parameter grant_type is missing");
        };
        let outcome = match grant.as_str() {
            "client_credentials" if field("client_assertion").is_some() => {
                self.certificate(&field, address, config, now)
            }
            "client_credentials" => secret(headers, &field, config),
            "authorization_code" | "refresh_token" | "urn:ietf:params:oauth:grant-type:device_code" => {
                self.person(&grant, &field, config, now)
            }
            _ => Err((400, "unsupported_grant_type", "The grant_type is not supported")),
        };
        let right = match outcome {
            Ok(right) => right,
            Err((status, error, description)) => return refuse(status, error, description),
        };
        let lifetime = self.lifetime.unwrap_or(config.token_lifetime);
        let token = self.issue(lifetime, now);
        let mut answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": lifetime});
        if let (Some(scope), Value::Object(map)) = (field("scope"), &mut answer) {
            map.insert("scope".into(), json!(scope));
        }
        if right.refresh && self.logins.settings.refresh_tokens {
            let refresh = format!("refresh-{}", self.random());
            self.logins.keep_refresh(refresh.clone(), &config.client_id);
            answer["refresh_token"] = json!(refresh);
            let part = |v: Value| URL_SAFE_NO_PAD.encode(v.to_string());
            let claims =
                json!({"aud": config.client_id, "preferred_username": "somebody@example.com", "nonce": right.nonce});
            answer["id_token"] = json!(format!("{}.{}.", part(json!({"alg": "none"})), part(claims)));
        }
        Reply::ok(&answer)
    }
}

/// Some seconds after a time in milliseconds.
pub fn later(now: i64, seconds: u64) -> i64 {
    now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
}

type Field<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Auth {
    fn certificate(&mut self, field: Field<'_>, address: &str, config: &Config, now: i64) -> Result<Right, Refusal> {
        let id = field("client_id").unwrap_or_default();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        if id != config.client_id || field("client_assertion_type").as_deref() != Some(kind) {
            return Err((401, "invalid_client", "Unknown client or kind of client assertion"));
        }
        let now = u64::try_from(now / 1000).unwrap_or(0);
        self.logins.verify(&field("client_assertion").unwrap_or_default(), &id, address, now)?;
        Ok(Right::default())
    }

    fn person(&mut self, grant: &str, field: Field<'_>, config: &Config, now: i64) -> Result<Right, Refusal> {
        let id = field("client_id").unwrap_or_default();
        if id != config.client_id {
            return Err((400, "invalid_client", "Unknown client"));
        }
        let text = |name: &str| field(name).unwrap_or_default();
        let nonce = match grant {
            "authorization_code" => {
                let (code, to, verifier) = (text("code"), text("redirect_uri"), text("code_verifier"));
                self.logins.redeem(&code, &id, &to, &verifier, now)?.nonce
            }
            "refresh_token" => self.logins.use_refresh(&text("refresh_token"), &id).map(|()| None)?,
            _ => self.logins.poll_device(&text("device_code"), &id, now).map(|()| None)?,
        };
        Ok(Right { refresh: true, nonce })
    }
}

/// RFC 6749 section 4.4, with the client authenticated by form fields or HTTP Basic.
fn secret(headers: &HeaderMap, field: Field<'_>, config: &Config) -> Result<Right, Refusal> {
    let (id, secret) = match basic(headers) {
        Some(pair) => pair,
        None => match (field("client_id"), field("client_secret")) {
            (Some(id), Some(secret)) => (id, secret),
            (None, _) => return Err((400, "invalid_request", "The parameter client_id is missing")),
            (_, None) => return Err((401, "invalid_client", "The client secret is missing")),
        },
    };
    if id == config.client_id && secret == config.client_secret {
        Ok(Right::default())
    } else {
        Err((401, "invalid_client", "Unknown client or wrong client secret"))
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
