//! Identity providers by their address: where the document is that describes them, and what it says.

use reqwest::Url;
use serde_json::Value;

use super::token_endpoint::{Asked, FormAnswer};
use crate::error::Error;

/// An address as given, and which rules it follows.
#[derive(Clone, Debug)]
pub enum Authority {
    /// Microsoft Entra ID, Active Directory FS, and what behaves like them.
    Microsoft(String),
    /// Any OpenID Connect provider: the address is its issuer.
    OpenId(String),
}

/// What a provider's document tells. All of it https, but on this machine itself.
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub token: String,
    pub authorization: Option<String>,
    pub device: Option<String>,
}

impl Authority {
    pub fn microsoft(url: &str) -> Result<Self, Error> {
        let parsed = checked("authority_url", url)?;
        if parsed.path().trim_matches('/').is_empty() {
            return Err(Error::config(
                "authority_url must name the tenant, as https://login.microsoftonline.com/<tenant> does",
            ));
        }
        Ok(Authority::Microsoft(url.trim_end_matches('/').to_owned()))
    }

    pub fn open_id(url: &str) -> Result<Self, Error> {
        checked("oauth_discovery_url", url)?;
        Ok(Authority::OpenId(url.trim_end_matches('/').to_owned()))
    }

    /// The authority of an Entra ID tenant.
    pub fn entra(tenant: &str) -> Result<Self, Error> {
        Self::microsoft(&entra_url(tenant)?)
    }

    pub fn url(&self) -> &str {
        match self {
            Authority::Microsoft(url) | Authority::OpenId(url) => url,
        }
    }

    pub fn setting(&self) -> &'static str {
        match self {
            Authority::Microsoft(_) => "authority_url",
            Authority::OpenId(_) => "oauth_discovery_url",
        }
    }

    pub fn document_url(&self) -> String {
        let url = self.url();
        let adfs = url.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case("adfs"));
        let version = if matches!(self, Authority::Microsoft(_)) && !adfs { "/v2.0" } else { "" };
        format!("{url}{version}/.well-known/openid-configuration")
    }

    /// Reads the document that describes the provider.
    pub fn endpoints(&self, answer: &FormAnswer) -> Result<Endpoints, Error> {
        let url = self.document_url();
        let asked = Asked { url: &url, setting: self.setting(), secrets: Vec::new(), lines: false };
        let shown = crate::redact::url(&url);
        if answer.status != 200 {
            return Err(Error::auth(format!(
                "{shown} answered status {} instead of describing the identity provider; is {} right?",
                answer.status,
                self.setting()
            ))
            .with(|d| {
                d.http_status = answer.status;
                d.retryable = answer.status >= 500 || answer.status == 429;
                d.retry_after = answer.retry_after;
                d.url = Some(shown.clone());
            }));
        }
        let body = asked.document(answer)?;
        let bad =
            |why: String| Error::auth(format!("{shown} describes an identity provider that cannot be used: {why}"));
        if let Authority::OpenId(own) = self {
            let issuer = body.get("issuer").and_then(Value::as_str).unwrap_or_default();
            // Somebody else's document would send the login, and its secrets, to somebody else.
            if !same_origin(own, issuer) {
                return Err(bad(format!("its issuer is not at the same host as {}", self.setting())));
            }
        }
        let endpoint = |key: &str| match body.get(key).and_then(Value::as_str) {
            None => Ok(None),
            Some(text) if is_safe(text) => Ok(Some(text.to_owned())),
            Some(_) => Err(bad(format!("its {key} is not an https:// URL"))),
        };
        let device = match (endpoint("device_authorization_endpoint")?, self) {
            (Some(device), _) => Some(device),
            // Microsoft's documents left it out for years.
            (None, Authority::Microsoft(url)) => Some(format!("{url}/oauth2/v2.0/devicecode")),
            (None, Authority::OpenId(_)) => None,
        };
        Ok(Endpoints {
            token: endpoint("token_endpoint")?.ok_or_else(|| bad("it names no token_endpoint".into()))?,
            authorization: endpoint("authorization_endpoint")?,
            device,
        })
    }
}

pub fn entra_url(tenant: &str) -> Result<String, Error> {
    if tenant.is_empty() || !tenant.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) {
        return Err(Error::config("tenant_id must be a GUID or a domain name of the tenant"));
    }
    Ok(format!("https://login.microsoftonline.com/{tenant}"))
}

fn checked(key: &str, url: &str) -> Result<Url, Error> {
    match Url::parse(url) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            Err(Error::config(format!("{key} must not hold a user name or password")))
        }
        Ok(parsed) if parsed.query().is_some() || parsed.fragment().is_some() => {
            Err(Error::config(format!("{key} must not hold a query or fragment")))
        }
        Ok(parsed) if is_safe(url) => Ok(parsed),
        _ => Err(Error::config(format!("{key} must be an https:// URL (http:// for this machine itself only)"))),
    }
}

/// Logins go over TLS, or do not leave this machine.
fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let here = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    !host.is_empty() && (url.scheme() == "https" || (url.scheme() == "http" && here))
}

fn same_origin(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin() == b.origin(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn answer(status: u16, body: &str) -> FormAnswer {
        FormAnswer { status, body: Bytes::copy_from_slice(body.as_bytes()), ..FormAnswer::default() }
    }

    #[test]
    fn addresses() {
        for (url, document) in [
            ("https://login.example/t", "https://login.example/t/v2.0/.well-known/openid-configuration"),
            ("https://fs.example/ADFS/", "https://fs.example/ADFS/.well-known/openid-configuration"),
            ("http://127.0.0.1:9/t", "http://127.0.0.1:9/t/v2.0/.well-known/openid-configuration"),
        ] {
            assert_eq!(Authority::microsoft(url).unwrap().document_url(), document);
        }
        assert!(
            Authority::open_id("https://idp.example")
                .unwrap()
                .document_url()
                .ends_with("example/.well-known/openid-configuration")
        );
        for bad in [
            "",
            "x",
            "http://login.example/t",
            "http://127.0.0.1.example/t",
            "https://u:p@h/t",
            "https://h/t?x=1",
            "https://h",
        ] {
            assert!(Authority::microsoft(bad).is_err(), "{bad}");
        }
        assert!(Authority::entra("a/b").is_err() && Authority::entra("").is_err());
    }

    #[test]
    fn documents() {
        let a = Authority::microsoft("https://h/t").unwrap();
        let e = a.endpoints(&answer(200, r#"{"token_endpoint":"https://h/token"}"#)).unwrap();
        assert_eq!(
            (e.token.as_str(), e.device.as_deref()),
            ("https://h/token", Some("https://h/t/oauth2/v2.0/devicecode"))
        );
        for (status, body, word) in [
            (404, "no", "404"),
            (200, "<html>", "not JSON"),
            (200, "", "empty"),
            (200, "{}", "token_endpoint"),
            (200, r#"{"token_endpoint":"http://h/token"}"#, "https"),
            (200, r#"{"token_endpoint":"https://h/t","authorization_endpoint":"ftp://h"}"#, "authorization_endpoint"),
        ] {
            assert!(a.endpoints(&answer(status, body)).unwrap_err().message().contains(word), "{body}");
        }
        let o = Authority::open_id("https://idp.example/x").unwrap();
        let with =
            |issuer: &str| answer(200, &format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://idp.example/t"}}"#));
        assert!(o.endpoints(&with("https://idp.example/x")).is_ok());
        for issuer in ["https://evil.example", "http://idp.example/x", ""] {
            assert!(o.endpoints(&with(issuer)).unwrap_err().message().contains("issuer"), "{issuer}");
        }
    }
}
