//! What a caller says about credentials. Descriptions only: no network, no state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::secret::Secret;
use crate::error::Error;

/// How long before its end a token counts as used up (the reference's default).
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// A token as a provider of the host's hands it over.
pub struct Provided {
    pub token: Secret,
    /// `None`: unknown, so the provider is asked again for each attempt.
    pub lifetime: Option<Duration>,
}

/// The one-use answer to a [`TokenProvider`]. Dropping it unanswered counts as a refusal.
pub type Answer = oneshot::Sender<Result<Provided, Error>>;

/// A source of tokens in the host. Asked on a thread of its own kind; may answer at once or later.
pub trait TokenProvider: Send + Sync {
    fn ask(&self, answer: Answer);
}

#[derive(Clone, Debug, PartialEq)]
pub enum Scopes {
    None,
    List(Vec<String>),
    Text(String),
}

impl Scopes {
    pub fn joined(&self) -> Option<String> {
        match self {
            Scopes::None => None,
            Scopes::List(list) => Some(list.join(" ")),
            Scopes::Text(text) => Some(text.clone()),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Scopes::None => Value::Null,
            Scopes::List(list) => json!(list),
            Scopes::Text(text) => json!(text),
        }
    }
}

/// OAuth 2.0 client credentials, the client authenticated in the form body.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    pub token_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub scopes: Scopes,
    /// Further form fields such as `audience`, in the order given, as they are sent.
    pub fields: Vec<(String, Secret)>,
    /// The same as the caller wrote them, for the redacted text form.
    pub custom_args: Map<String, Value>,
    pub leeway: Duration,
    /// For one token request; `None`: the client's own timeout.
    pub timeout: Option<Duration>,
    pub follow_redirects: bool,
}

#[derive(Clone)]
pub enum Credentials {
    Token(Secret),
    Provider(Arc<dyn TokenProvider>),
    ClientCredentials(Box<ClientCredentials>),
}

/// Names that cannot be form fields: the reference refuses them, as they are arguments of its HTTP call.
const RESERVED: [&str; 8] = ["auth", "body", "cookies", "grant_type", "headers", "method", "state", "url"];

impl Credentials {
    pub fn token(token: &str) -> Result<Self, Error> {
        let token = token.trim();
        if token.is_empty() {
            return Err(Error::config("the token is empty"));
        }
        Ok(Credentials::Token(Secret::new(token)))
    }

    pub fn client_credentials(
        token_url: &str,
        client_id: &str,
        client_secret: &str,
        scopes: Scopes,
    ) -> Result<Self, Error> {
        for (name, value) in [("token_url", token_url), ("client_id", client_id), ("client_secret", client_secret)] {
            if value.is_empty() {
                return Err(Error::config(format!("{name} of the client credentials is empty")));
            }
        }
        check_token_url(token_url)?;
        Ok(Credentials::ClientCredentials(Box::new(ClientCredentials {
            token_url: token_url.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: Secret::new(client_secret),
            scopes,
            fields: Vec::new(),
            custom_args: Map::new(),
            leeway: DEFAULT_LEEWAY,
            timeout: None,
            follow_redirects: false,
        })))
    }

    /// Client credentials of a Microsoft Entra ID tenant for one CDF cluster.
    pub fn entra_client_credentials(tenant: &str, client_id: &str, secret: &str, cluster: &str) -> Result<Self, Error> {
        if tenant.is_empty() || !tenant.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) {
            return Err(Error::config("tenant_id must be a GUID or a domain name of the tenant"));
        }
        let token_url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
        let scope = format!("https://{cluster}.cognitedata.com/.default");
        Self::client_credentials(&token_url, client_id, secret, Scopes::List(vec![scope]))
    }

    fn as_client_credentials(&mut self, what: &str) -> Result<&mut ClientCredentials, Error> {
        match self {
            Credentials::ClientCredentials(cc) => Ok(cc),
            _ => Err(Error::argument(format!("{what} applies to client credentials only"))),
        }
    }

    /// Adds a form field to the token request. An empty value or null is left out, as in the reference.
    pub fn set_form_field(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        let cc = self.as_client_credentials("a form field")?;
        if RESERVED.contains(&name) {
            return Err(Error::config(format!("'{name}' is reserved and cannot be a field of the token request")));
        }
        let text = match value {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Null => String::new(),
            _ => {
                return Err(Error::config(format!(
                    "field '{name}' of the token request must be text, a number or a boolean, not {}",
                    crate::document::kind_of(value)
                )));
            }
        };
        cc.custom_args.insert(name.to_owned(), value.clone());
        cc.fields.retain(|(n, _)| n != name);
        if !text.is_empty() {
            cc.fields.push((name.to_owned(), Secret::new(text)));
        }
        Ok(())
    }

    pub fn set_leeway(&mut self, leeway: Duration) -> Result<(), Error> {
        self.as_client_credentials("the expiry leeway")?.leeway = leeway;
        Ok(())
    }

    /// Everything but the secrets. Values of further form fields are shown only where they cannot be secrets.
    pub fn to_json(&self) -> Value {
        match self {
            Credentials::Token(_) | Credentials::Provider(_) => json!({"type": "token"}),
            Credentials::ClientCredentials(cc) => {
                let args: Map<String, Value> = cc.custom_args.iter().map(|(k, v)| (k.clone(), shown(k, v))).collect();
                json!({
                    "type": "client_credentials",
                    "token_url": crate::redact::url(&cc.token_url),
                    "client_id": cc.client_id,
                    "scopes": cc.scopes.to_json(),
                    "token_custom_args": args,
                    "token_expiry_leeway_seconds": seconds(cc.leeway),
                })
            }
        }
    }
}

fn shown(name: &str, value: &Value) -> Value {
    if crate::redact::is_sensitive_name(name) { json!("***") } else { value.clone() }
}

/// Whole seconds as an integer, else a fraction.
pub fn seconds(d: Duration) -> Value {
    if d.subsec_nanos() == 0 { json!(d.as_secs()) } else { json!(d.as_secs_f64()) }
}

fn check_token_url(text: &str) -> Result<(), Error> {
    let ok = reqwest::Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    if ok { Ok(()) } else { Err(Error::config("token_url must be a full http:// or https:// URL")) }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}
