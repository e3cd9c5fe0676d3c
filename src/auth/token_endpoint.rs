//! One token request to an OAuth 2.0 endpoint: the form that is sent and every answer that can come back.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use zeroize::Zeroizing;

use super::credentials::{ClientCredentials, Provided};
use super::secret::Secret;
use crate::error::{Cause, Error};

/// What came back from the endpoint, whatever its status.
pub struct FormAnswer {
    pub status: u16,
    pub body: Bytes,
    pub retry_after: Option<Duration>,
}

pub type FormFuture<'a> = Pin<Box<dyn Future<Output = Result<FormAnswer, Error>> + Send + 'a>>;

/// How a form gets to the endpoint. `http` implements it, so token requests obey the same proxy, TLS and time rules
/// as every other request.
pub trait FormTransport: Send + Sync {
    fn post_form<'a>(&'a self, request: &'a FormRequest) -> FormFuture<'a>;
}

pub struct FormRequest {
    pub url: String,
    pub form: Zeroizing<String>,
    pub timeout: Option<Duration>,
    pub follow_redirects: bool,
}

impl ClientCredentials {
    pub fn request(&self) -> FormRequest {
        let mut form = Zeroizing::new(String::from("grant_type=client_credentials"));
        let mut field = |name: &str, value: &str| {
            form.push('&');
            form_encode(name, &mut form);
            form.push('=');
            form_encode(value, &mut form);
        };
        field("client_id", &self.client_id);
        field("client_secret", self.client_secret.reveal());
        // A further field named scope replaces the scopes, it is not sent twice.
        if !self.fields.iter().any(|(name, _)| name == "scope")
            && let Some(scopes) = self.scopes.joined()
            && !scopes.is_empty()
        {
            field("scope", &scopes);
        }
        for (name, value) in &self.fields {
            field(name, value.reveal());
        }
        FormRequest {
            url: self.token_url.clone(),
            form,
            timeout: self.timeout,
            follow_redirects: self.follow_redirects,
        }
    }

    /// Reads the endpoint's answer. Nothing in it can make this fail other than by a proper error.
    pub fn read_answer(&self, answer: &FormAnswer) -> Result<Provided, Error> {
        let url = crate::redact::url(&self.token_url);
        let status = answer.status;
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let refused = |error: &str, description: &str, message: String| {
            let (error, description) = (self.hide(error), self.hide(description));
            Err(Error::auth(self.hide(&message)).with(|d| {
                d.http_status = status;
                d.code = Some(error.clone()).filter(|e| !e.is_empty());
                d.oauth_error = Some(error);
                d.oauth_description = Some(description);
                d.retryable = status >= 500 || status == 429;
                d.retry_after = answer.retry_after;
                d.url = Some(url.clone());
            }))
        };
        let Some(body) = body else {
            let text: String = String::from_utf8_lossy(&answer.body).chars().take(1000).collect();
            return refused(
                &format!("HTTP {status}"),
                &text,
                match text.trim() {
                    "" => format!(
                        "the token endpoint {url} answered status {status} with an empty body, which is not JSON; is token_url right?"
                    ),
                    text => format!(
                        "the token endpoint {url} answered status {status} with something that is not JSON; is token_url right? It begins: {}",
                        text.chars().take(200).collect::<String>()
                    ),
                },
            );
        };
        if let Some(error) = body.get("error").and_then(Value::as_str) {
            let description = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
            let hint = match error {
                "invalid_client" => "; check client_id and client_secret (it may have expired)",
                "invalid_scope" => "; check scopes",
                "unauthorized_client" => "; the application may not use this way to log in",
                _ => "",
            };
            return refused(
                error,
                description,
                format!("the identity provider refused the login: {error}{hint}. It says: {description}"),
            );
        }
        if status >= 400 {
            let text: String = body.to_string().chars().take(200).collect();
            return refused(
                &format!("HTTP {status}"),
                "",
                format!("the token endpoint {url} answered status {status}: {text}"),
            );
        }
        let incomplete = |what: &str| {
            Error::auth(format!("the token endpoint {url} answered status {status}, but {what}")).with(|d| {
                d.http_status = status;
                d.cause = Some(Cause::TokenIncomplete);
                d.url = Some(url.clone());
            })
        };
        let token = body
            .get("access_token")
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
            .ok_or_else(|| incomplete("the answer has no text 'access_token'"))?;
        let seconds = match body.get("expires_in") {
            None | Some(Value::Null) => return Err(incomplete("the answer has no 'expires_in'")),
            Some(Value::Number(n)) => n.as_f64(),
            // Some providers send the number as text.
            Some(Value::String(s)) => s.trim().parse::<f64>().ok(),
            Some(_) => None,
        };
        let lifetime = seconds
            .filter(|s| s.is_finite() && *s > 0.0)
            .and_then(|s| Duration::try_from_secs_f64(s.min(366.0 * 86_400.0)).ok())
            .ok_or_else(|| incomplete("'expires_in' is not a number of seconds above 0"))?;
        Ok(Provided { token: Secret::new(token), lifetime: Some(lifetime) })
    }

    /// Providers quote what they were sent; the secret must not come back in an error.
    fn hide(&self, text: &str) -> String {
        self.client_secret.mask_in(text)
    }
}

/// application/x-www-form-urlencoded, the form browsers send: space is `+`, all but `A-Za-z0-9*-._` escaped.
pub fn form_encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => into.push(b as char),
            b' ' => into.push('+'),
            _ => {
                into.push('%');
                into.push(HEX[usize::from(b >> 4)] as char);
                into.push(HEX[usize::from(b & 15)] as char);
            }
        }
    }
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

    fn answer(status: u16, body: &str) -> Result<Provided, Error> {
        cc().read_answer(&FormAnswer { status, body: Bytes::copy_from_slice(body.as_bytes()), retry_after: None })
    }

    #[test]
    fn the_form() {
        let form = cc().request().form;
        assert_eq!(form.as_str(), "grant_type=client_credentials&client_id=i+d&client_secret=p%40ss+w%C3%B8rd%26");
    }

    #[test]
    fn every_answer_is_a_token_or_an_error() {
        let ok = answer(200, r#"{"access_token":"t","expires_in":"3600"}"#).unwrap();
        assert_eq!((ok.token.reveal(), ok.lifetime), ("t", Some(Duration::from_secs(3600))));
        for (status, body, word) in [
            (200, "", "not JSON"),
            (200, "<html>", "token_url"),
            (404, "<html>", "404"),
            (200, "[1]", "access_token"),
            (200, r#"{"access_token":"t"}"#, "expires_in"),
            (200, r#"{"access_token":"t","expires_in":0}"#, "expires_in"),
            (200, r#"{"access_token":"t","expires_in":-5}"#, "expires_in"),
            (200, r#"{"access_token":"t","expires_in":"soon"}"#, "expires_in"),
            (200, r#"{"access_token":"t","expires_in":1e999}"#, "not JSON"),
            (200, r#"{"access_token":"","expires_in":5}"#, "access_token"),
            (429, "{}", "429"),
            (401, r#"{"error":"invalid_client","error_description":"no p@ss wørd&"}"#, "client_secret"),
        ] {
            let e = answer(status, body).map(|_| ()).unwrap_err();
            assert!(e.message().contains(word), "{body}: {e}");
            assert!(!e.to_json().to_string().contains("p@ss wørd"), "{e}");
        }
        assert!(answer(503, r#"{"error":"busy"}"#).map(|_| ()).unwrap_err().detail().retryable);
    }
}
