//! One exchange with an identity provider: what is sent, and every answer that can come back.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use zeroize::Zeroizing;

use super::credentials::{ClientCredentials, Provided};
use super::form::{Form, from_base64url};
use super::secret::Secret;
use crate::error::{Cause, Error};

/// No answer of an identity provider is this large; what is larger is a page of something else.
const MAX_ANSWER: usize = 1 << 20;

/// What came back from the provider, whatever its status.
#[derive(Default)]
pub struct FormAnswer {
    pub status: u16,
    pub body: Bytes,
    pub retry_after: Option<Duration>,
    /// The provider's name for the request, from a header.
    pub request_id: Option<String>,
}

pub type FormFuture<'a> = Pin<Box<dyn Future<Output = Result<FormAnswer, Error>> + Send + 'a>>;

/// How requests get to an identity provider. `http` implements it, so they obey the same proxy, TLS and time rules as
/// every other request.
pub trait FormTransport: Send + Sync {
    fn post_form<'a>(&'a self, request: &'a FormRequest) -> FormFuture<'a>;
    /// For documents that describe a provider.
    fn get<'a>(&'a self, url: &'a str) -> FormFuture<'a>;
}

#[derive(Default)]
pub struct FormRequest {
    pub url: String,
    pub form: Zeroizing<String>,
    pub timeout: Option<Duration>,
    pub follow_redirects: bool,
    /// Device endpoints were seen to be told the character set.
    pub names_charset: bool,
}

/// A token as a provider grants it.
pub struct Granted {
    pub provided: Provided,
    pub refresh_token: Option<Secret>,
    pub claims: Option<Value>,
}

/// How errors about an endpoint are to be worded.
pub struct Asked<'a> {
    pub url: &'a str,
    /// The setting to look at when the answer is no answer of a token endpoint.
    pub setting: &'a str,
    /// Must not come back in an error: providers like to quote what they were sent.
    pub secrets: Vec<&'a Secret>,
    /// Whether a description keeps its line ends. The reference joins them in all ways to log in but one.
    pub lines: bool,
}

impl ClientCredentials {
    pub fn request(&self) -> FormRequest {
        let mut form = Form::default()
            .with("grant_type", "client_credentials")
            .with("client_id", &self.client_id)
            .with("client_secret", self.client_secret.reveal());
        // A further field named scope replaces the scopes, also if it is empty.
        if !self.custom_args.contains_key("scope")
            && let Some(scopes) = self.scopes.joined()
            && !scopes.is_empty()
        {
            form.push("scope", &scopes);
        }
        for (name, value) in &self.fields {
            form.push(name, value.reveal());
        }
        FormRequest {
            url: self.token_url.clone(),
            form: form.finish(),
            timeout: self.timeout,
            follow_redirects: self.follow_redirects,
            names_charset: false,
        }
    }

    pub fn asked(&self) -> Asked<'_> {
        Asked { url: &self.token_url, setting: "token_url", secrets: vec![&self.client_secret], lines: true }
    }
}

impl Asked<'_> {
    fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |t, secret| secret.mask_in(&t))
    }

    /// The answer as a JSON object, or what is wrong with it.
    pub fn document(&self, answer: &FormAnswer) -> Result<Value, Error> {
        let (url, status, setting) = (crate::redact::url(self.url), answer.status, self.setting);
        if answer.body.len() > MAX_ANSWER {
            return Err(self.failed(
                answer,
                format!("{url} answered status {status} with {} bytes, which is no answer of an identity provider; is {setting} right?", answer.body.len()),
            )
            .with(|d| d.cause = Some(Cause::TooLarge)));
        }
        let body: &[u8] = &answer.body;
        serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).map_err(|_| {
            let text = String::from_utf8_lossy(&answer.body);
            let message = match text.trim() {
                "" => {
                    format!("{url} answered status {status} with an empty body, which is not JSON; is {setting} right?")
                }
                text => format!(
                    "{url} answered status {status} with something that is not JSON; is {setting} right? It begins: {}",
                    text.chars().take(200).collect::<String>()
                ),
            };
            self.failed(answer, message)
        })
    }

    fn failed(&self, answer: &FormAnswer, message: String) -> Error {
        Error::auth(self.hide(&message)).with(|d| {
            d.http_status = answer.status;
            d.retryable = answer.status >= 500 || answer.status == 429;
            d.retry_after = answer.retry_after;
            d.correlation_id = answer.request_id.as_deref().map(|id| self.hide(id));
            d.url = Some(crate::redact::url(self.url));
        })
    }

    /// The error an answer tells of in the words of OAuth, or by its status.
    pub fn refusal(&self, answer: &FormAnswer, body: &Value) -> Option<Error> {
        if let Some(error) = body.get("error").and_then(Value::as_str) {
            let description = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
            let named = ["correlation_id", "trace_id"].iter().find_map(|k| body.get(k).and_then(Value::as_str));
            let message = format!(
                "the identity provider refused the login: {error}{}. It says: {description}",
                hint(error, description)
            );
            return Some(self.failed(answer, message).with(|d| {
                d.code = Some(self.hide(error)).filter(|e| !e.is_empty());
                d.oauth_error = Some(self.hide(error));
                d.oauth_description = Some(self.hide(&match self.lines {
                    true => description.to_owned(),
                    false => description.lines().collect::<Vec<_>>().join(" "),
                }));
                if let Some(id) = named {
                    d.correlation_id = Some(self.hide(&id.chars().take(200).collect::<String>()));
                }
            }));
        }
        if !(200..300).contains(&answer.status) {
            let text: String = body.to_string().chars().take(200).collect();
            let message = format!("{} answered status {}: {text}", crate::redact::url(self.url), answer.status);
            return Some(self.failed(answer, message).with(|d| {
                d.code = Some(format!("HTTP {}", answer.status));
                d.oauth_error = d.code.clone();
                d.oauth_description = Some(String::new());
            }));
        }
        None
    }

    /// Reads the answer of a token endpoint. Nothing in it can make this fail other than by a proper error.
    pub fn token(&self, answer: &FormAnswer) -> Result<Granted, Error> {
        let body = self.document(answer).map_err(|e| {
            e.with(|d| {
                let text: String = String::from_utf8_lossy(&answer.body).chars().take(1000).collect();
                d.code = Some(format!("HTTP {}", answer.status));
                d.oauth_error = d.code.clone();
                d.oauth_description = Some(self.hide(&text));
            })
        })?;
        if let Some(mut refused) = self.refusal(answer, &body) {
            if body.get("error").is_none() {
                refused.detail_mut().cause = Some(Cause::TokenIncomplete);
            }
            return Err(refused);
        }
        let url = crate::redact::url(self.url);
        let incomplete = |what: &str| {
            self.failed(answer, format!("the token endpoint {url} answered status {}, but {what}", answer.status))
                .with(|d| d.cause = Some(Cause::TokenIncomplete))
        };
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let token = text("access_token").ok_or_else(|| incomplete("the answer has no text 'access_token'"))?;
        if body.get("expires_in").is_none_or(Value::is_null) {
            return Err(incomplete("the answer has no 'expires_in'"));
        }
        // One that is said to live no longer is good for the request it was asked for.
        let lifetime =
            number_of(&body, "expires_in").ok_or_else(|| incomplete("'expires_in' is not a number of seconds"))?;
        let lifetime = duration(lifetime.max(0.0)).unwrap_or_default();
        Ok(Granted {
            provided: Provided { token: Secret::new(token), lifetime: Some(lifetime) },
            refresh_token: text("refresh_token").map(Secret::new),
            claims: text("id_token").and_then(claims),
        })
    }
}

fn hint(error: &str, description: &str) -> &'static str {
    match error {
        "invalid_client" if description.contains("AADSTS7002") || description.contains("assertion") => {
            "; check client_id, the certificate and its thumbprint"
        }
        "invalid_client" => "; check client_id and client_secret (it may have expired)",
        "invalid_scope" => "; check scopes",
        "unauthorized_client" => "; the application may not use this way to log in",
        "access_denied" => "; whoever was asked did not agree",
        "expired_token" => "; the code was not entered in time",
        "invalid_grant" => "; the login is no longer valid",
        _ => "",
    }
}

/// A time of more than 0 seconds.
pub fn seconds_of(body: &Value, key: &str) -> Option<Duration> {
    number_of(body, key).filter(|s| *s > 0.0).and_then(duration)
}

/// Some providers send numbers as text.
fn number_of(body: &Value, key: &str) -> Option<f64> {
    let number = match body.get(key)? {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse::<f64>().ok(),
        _ => None,
    };
    number.filter(|s| s.is_finite())
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.min(366.0 * 86_400.0)).ok()
}

/// What an id token claims. It came straight from the provider over TLS, so its signature adds nothing.
fn claims(id_token: &str) -> Option<Value> {
    let payload = id_token.split('.').nth(1)?;
    serde_json::from_slice(&from_base64url(payload)?).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Credentials, Scopes};

    fn cc() -> ClientCredentials {
        match Credentials::client_credentials("https://idp/t?x=1", "i d", "p@ss wørd&", Scopes::None).unwrap() {
            Credentials::ClientCredentials(cc) => *cc,
            _ => panic!(),
        }
    }

    fn answer(status: u16, body: &str) -> Result<Granted, Error> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        cc().asked().token(&FormAnswer { status, body, request_id: Some("head-1".into()), ..FormAnswer::default() })
    }

    #[test]
    fn the_form() {
        let form = cc().request().form;
        assert_eq!(form.as_str(), "grant_type=client_credentials&client_id=i+d&client_secret=p%40ss+w%C3%B8rd%26");
    }

    #[test]
    fn every_answer_is_a_token_or_an_error() {
        let ok = answer(200, r#"{"access_token":"t","expires_in":"3600"}"#).unwrap().provided;
        assert_eq!((ok.token.reveal(), ok.lifetime), ("t", Some(Duration::from_secs(3600))));
        let huge = "x".repeat(10 << 20);
        for (status, body, word) in [
            (200, "", "not JSON"),
            (200, "<html>", "token_url"),
            (200, huge.as_str(), "10485760 bytes"),
            (404, "<html>", "404"),
            (200, "[1]", "access_token"),
            (200, r#"{"access_token":"t"}"#, "expires_in"),
            (200, r#"{"access_token":"t","expires_in":"soon"}"#, "expires_in"),
            (200, r#"{"access_token":"t","expires_in":"nan"}"#, "expires_in"),
            (200, r#"{"access_token":"t","expires_in":true}"#, "expires_in"),
            (404, r#"{"message":"no such tenant"}"#, "404"),
            (200, r#"{"access_token":"t","expires_in":1e999}"#, "not JSON"),
            (200, r#"{"access_token":"","expires_in":5}"#, "access_token"),
            (302, r#"{"access_token":"t","expires_in":5}"#, "302"),
            (429, "{}", "429"),
            (401, r#"{"error":"invalid_client","error_description":"no p@ss wørd&"}"#, "client_secret"),
        ] {
            let e = answer(status, body).map(|_| ()).unwrap_err();
            assert!(e.message().contains(word), "{body:.80}: {e}");
            assert!(!e.to_json().to_string().contains("p@ss wørd"), "{e}");
            assert_eq!(e.to_json()["correlationId"], "head-1");
        }
        for over in ["0", "-5", "\"0\""] {
            let body = format!("\u{feff}{{\"access_token\":\"t\",\"expires_in\":{over}}}");
            assert_eq!(answer(200, &body).unwrap().provided.lifetime, Some(Duration::ZERO), "{over}");
        }
        let cause = |status, body: &str| answer(status, body).map(|_| ()).unwrap_err().detail().cause;
        assert_eq!(cause(404, r#"{"message":"no such tenant"}"#), Some(Cause::TokenIncomplete));
        assert_eq!(cause(400, r#"{"error":"invalid_scope"}"#), None);
        assert!(answer(503, r#"{"error":"busy"}"#).map(|_| ()).unwrap_err().detail().retryable);
        let named = answer(400, r#"{"error":"x","trace_id":"t-1","correlation_id":"c-1"}"#).map(|_| ()).unwrap_err();
        assert_eq!(named.to_json()["correlationId"], "c-1");
    }

    #[test]
    fn descriptions_are_one_line_but_those_of_client_credentials() {
        let body = br#"{"error":"invalid_client","error_description":"AADSTS1: no\r\nTrace: 1\nEnd"}"#;
        let answer = FormAnswer { status: 401, body: Bytes::from_static(body), ..FormAnswer::default() };
        let said = |asked: &Asked<'_>| asked.token(&answer).map(|_| ()).unwrap_err().detail().oauth_description.clone();
        assert_eq!(said(&cc().asked()).as_deref(), Some("AADSTS1: no\r\nTrace: 1\nEnd"));
        let other = Asked { url: "https://idp/t", setting: "authority_url", secrets: Vec::new(), lines: false };
        assert_eq!(said(&other).as_deref(), Some("AADSTS1: no Trace: 1 End"));
    }

    #[test]
    fn more_than_a_token() {
        let id = crate::auth::form::base64url(br#"{"preferred_username":"a@b"}"#);
        let body = format!(r#"{{"access_token":"t","expires_in":5,"refresh_token":"r","id_token":"h.{id}.s"}}"#);
        let granted = answer(200, &body).unwrap();
        assert_eq!(granted.refresh_token.unwrap().reveal(), "r");
        assert_eq!(granted.claims.unwrap()["preferred_username"], "a@b");
    }
}
