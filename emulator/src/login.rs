//! Logins besides client credentials: a person who approves in a browser, a device code, a certificate, a refresh token.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use crate::auth::later;

/// Keeps a runaway loop from eating memory.
const MAX_OPEN: usize = 1_000;
/// Seconds.
const CODE_LIFE: u64 = 300;
/// Clocks of tests agree, but for leap smears.
const CLOCK_SKEW: u64 = 300;

/// What differs from the protocols' usual answers, so that tests can see clients cope.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// Seconds a device code is good for, and between questions.
    pub device_expires_in: u64,
    pub device_interval: u64,
    /// Whether refresh tokens are given.
    pub refresh_tokens: bool,
    /// Whether a refresh token is good for one use only.
    pub rotate: bool,
    /// The authorize page presses its own button: for browsers without a person.
    pub auto_approve: bool,
    /// PKCS#1 key in DER of the certificate that may log in.
    pub client_key: Option<Vec<u8>>,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            device_expires_in: 900,
            device_interval: 1,
            refresh_tokens: true,
            rotate: true,
            auto_approve: false,
            client_key: None,
        }
    }
}

struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    until: i64,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Answer {
    Open,
    Approved,
    Denied,
}

struct Device {
    client_id: String,
    user_code: String,
    answer: Answer,
    until: i64,
    asked: Option<i64>,
}

#[derive(Default)]
pub struct Logins {
    pub settings: LoginSettings,
    codes: HashMap<String, Code>,
    devices: HashMap<String, Device>,
    refresh: HashMap<String, String>,
    /// Statements of certificates that were used: each is good once.
    statements: HashMap<String, u64>,
}

/// OAuth's name of an error and a sentence.
pub type Refusal = (u16, &'static str, &'static str);

pub struct Approved {
    pub nonce: Option<String>,
}

fn bounded<T>(map: &mut HashMap<String, T>) {
    if map.len() >= MAX_OPEN {
        map.clear();
    }
}

impl Logins {
    /// A person pressed Approve: a code for the client.
    pub fn approve(
        &mut self,
        code: String,
        client_id: &str,
        redirect_uri: &str,
        challenge: &str,
        nonce: Option<String>,
        now: i64,
    ) {
        bounded(&mut self.codes);
        let until = later(now, CODE_LIFE);
        let (client_id, redirect_uri, challenge) = (client_id.into(), redirect_uri.into(), challenge.into());
        self.codes.insert(code, Code { client_id, redirect_uri, challenge, nonce, until });
    }

    /// RFC 6749 section 4.1.3 and RFC 7636 section 4.6.
    pub fn redeem(
        &mut self,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        verifier: &str,
        now: i64,
    ) -> Result<Approved, Refusal> {
        let wrong = |what| (400, "invalid_grant", what);
        let kept = self.codes.remove(code).ok_or(wrong("The code is unknown or was used"))?;
        if now >= kept.until {
            return Err(wrong("The code has expired"));
        }
        if kept.client_id != client_id || kept.redirect_uri != redirect_uri {
            return Err(wrong("The code was given to another client or redirect_uri"));
        }
        if URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) != kept.challenge {
            return Err(wrong("The code_verifier does not fit the code_challenge"));
        }
        Ok(Approved { nonce: kept.nonce })
    }

    pub fn begin_device(&mut self, device_code: String, user_code: String, client_id: &str, now: i64) {
        bounded(&mut self.devices);
        let until = later(now, self.settings.device_expires_in);
        let device = Device { client_id: client_id.into(), user_code, answer: Answer::Open, until, asked: None };
        self.devices.insert(device_code, device);
    }

    /// A person entered a code. Whether there is such a one.
    pub fn answer_device(&mut self, user_code: &str, answer: Answer) -> bool {
        let wanted = user_code.trim().to_ascii_uppercase();
        match self.devices.values_mut().find(|d| d.user_code == wanted && d.answer == Answer::Open) {
            Some(device) => {
                device.answer = answer;
                true
            }
            None => false,
        }
    }

    /// RFC 8628 section 3.5.
    pub fn poll_device(&mut self, device_code: &str, client_id: &str, now: i64) -> Result<(), Refusal> {
        let interval = later(0, self.settings.device_interval);
        let device = self.devices.get_mut(device_code).filter(|d| d.client_id == client_id).ok_or((
            400,
            "invalid_grant",
            "The device_code is unknown or was used",
        ))?;
        let previous = device.asked.replace(now);
        let answer = device.answer;
        if now >= device.until {
            self.devices.remove(device_code);
            return Err((400, "expired_token", "The device_code has expired"));
        }
        match answer {
            // A little early is on time: clocks are not that exact.
            Answer::Open if previous.is_some_and(|p| now - p < interval / 10 * 9) => {
                Err((400, "slow_down", "Ask less often"))
            }
            Answer::Open => Err((400, "authorization_pending", "Nobody has answered yet")),
            Answer::Denied => {
                self.devices.remove(device_code);
                Err((400, "access_denied", "The person refused"))
            }
            Answer::Approved => {
                self.devices.remove(device_code);
                Ok(())
            }
        }
    }

    pub fn keep_refresh(&mut self, token: String, client_id: &str) {
        bounded(&mut self.refresh);
        self.refresh.insert(token, client_id.into());
    }

    pub fn use_refresh(&mut self, token: &str, client_id: &str) -> Result<(), Refusal> {
        if self.refresh.get(token).is_none_or(|owner| owner != client_id) {
            return Err((400, "invalid_grant", "The refresh token is unknown, was used, or was revoked"));
        }
        if self.settings.rotate {
            self.refresh.remove(token);
        }
        Ok(())
    }

    pub fn revoke_all(&mut self) -> usize {
        std::mem::take(&mut self.refresh).len()
    }

    /// RFC 7523 section 3, with the key the emulator was given.
    pub fn verify(&mut self, statement: &str, client_id: &str, audience: &str, now: u64) -> Result<(), Refusal> {
        let wrong = |what| (401, "invalid_client", what);
        let key = self.settings.client_key.as_ref().ok_or(wrong("No certificate is known to the emulator"))?;
        let (signed, signature) = statement.rsplit_once('.').ok_or(wrong("The client assertion is not a JWT"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong("The signature is not base64url"))?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| wrong("The signature of the client assertion is wrong"))?;
        let part = |n: usize| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').nth(n)?).ok()?).ok()
        };
        let (header, claims) = part(0).zip(part(1)).ok_or(wrong("The client assertion is not a JWT"))?;
        let text = |key: &str| claims[key].as_str().unwrap_or_default();
        let number = |key: &str| claims[key].as_u64().unwrap_or_default();
        if header["alg"] != "RS256" || header["x5t"].as_str().is_none_or(str::is_empty) {
            return Err(wrong("The client assertion must be RS256 and name its certificate in x5t"));
        }
        if text("iss") != client_id || text("sub") != client_id {
            return Err(wrong("The client assertion is of another client"));
        }
        if text("aud") != audience {
            return Err(wrong("The client assertion is for another token endpoint"));
        }
        if number("exp") + CLOCK_SKEW < now
            || number("exp") > now + 3600 + CLOCK_SKEW
            || number("iat") > now + CLOCK_SKEW
        {
            return Err(wrong("The client assertion is not valid now"));
        }
        bounded(&mut self.statements);
        if text("jti").is_empty() || self.statements.insert(text("jti").to_owned(), now).is_some() {
            return Err(wrong("The client assertion was used before"));
        }
        Ok(())
    }
}

/// The PKCS#1 key in a PEM text of a public key (`BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`).
pub fn public_key(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem.lines().filter(|l| !l.starts_with("-----")).map(str::trim).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).ok()?;
    // In the former the key is the bit string at the end: after its tag, length and a zero there is a sequence.
    let spki = pem.contains("BEGIN PUBLIC KEY");
    let start = if spki { der.windows(6).position(|w| w[0] == 3 && w[4] == 0 && w[5] == 0x30)? + 5 } else { 0 };
    Some(der[start..].to_vec())
}
