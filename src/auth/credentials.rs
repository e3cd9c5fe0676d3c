//! What a caller says about credentials. Descriptions only: no network, no state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::authority::entra_url;
use super::certificate::ClientCertificate;
use super::device_code::{DeviceCode, ShowPrompt, no_prompt};
use super::entra::default_scope;
use super::interactive::{Interactive, OpenUrl};
use super::person::Person;
use super::secret::Secret;
use crate::error::Error;

/// The reference's default.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// How long before its end a token counts as used up, and whether somebody chose that.
#[derive(Clone, Copy, Debug)]
pub struct Leeway {
    pub time: Duration,
    /// Chosen: kept to, also when a token lives no longer than that. Not chosen: such a token is used for half its life.
    pub chosen: bool,
}

impl Default for Leeway {
    fn default() -> Self {
        Self { time: DEFAULT_LEEWAY, chosen: false }
    }
}

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

    /// One by one.
    pub fn names(&self) -> Vec<String> {
        match self {
            Scopes::None => Vec::new(),
            Scopes::List(list) => list.clone(),
            Scopes::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        }
    }

    pub fn to_json(&self) -> Value {
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
    pub leeway: Leeway,
    /// For one token request; `None`: the client's own timeout.
    pub timeout: Option<Duration>,
    pub follow_redirects: bool,
}

#[derive(Clone)]
pub enum Credentials {
    Token(Secret),
    Provider(Arc<dyn TokenProvider>),
    ClientCredentials(Box<ClientCredentials>),
    ClientCertificate(Box<ClientCertificate>),
    DeviceCode(Box<DeviceCode>),
    Interactive(Box<Interactive>),
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
            leeway: Leeway::default(),
            timeout: None,
            follow_redirects: false,
        })))
    }

    /// Client credentials of a Microsoft Entra ID tenant for one CDF cluster.
    pub fn entra_client_credentials(tenant: &str, client_id: &str, secret: &str, cluster: &str) -> Result<Self, Error> {
        let token_url = format!("{}/oauth2/v2.0/token", entra_url(tenant)?);
        Self::client_credentials(&token_url, client_id, secret, default_scope(cluster)?)
    }

    /// Adds a form field to the token request. An empty value or null is left out, as in the reference.
    pub fn set_form_field(&mut self, name: &str, value: &Value) -> Result<(), Error> {
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
        let fields = match self {
            Credentials::ClientCredentials(cc) => {
                cc.custom_args.insert(name.to_owned(), value.clone());
                &mut cc.fields
            }
            Credentials::DeviceCode(device) => &mut device.fields,
            _ => return Err(Error::argument("a form field applies to client credentials and device codes only")),
        };
        fields.retain(|(n, _)| n != name);
        if !text.is_empty() {
            fields.push((name.to_owned(), Secret::new(text)));
        }
        Ok(())
    }

    pub fn set_leeway(&mut self, leeway: Duration) -> Result<(), Error> {
        *match self {
            Credentials::ClientCredentials(c) => &mut c.leeway,
            Credentials::ClientCertificate(c) => &mut c.leeway,
            Credentials::DeviceCode(c) => &mut c.person.leeway,
            Credentials::Interactive(c) => &mut c.person.leeway,
            Credentials::Token(_) | Credentials::Provider(_) => {
                return Err(Error::argument("the expiry leeway applies to OAuth logins only"));
            }
        } = Leeway { time: leeway, chosen: true };
        Ok(())
    }

    /// How long before its end a token counts as used up.
    pub fn leeway(&self) -> Leeway {
        match self {
            Credentials::ClientCredentials(c) => c.leeway,
            Credentials::ClientCertificate(c) => c.leeway,
            Credentials::DeviceCode(_) | Credentials::Interactive(_) => {
                self.person().map_or_else(Leeway::default, |p| p.leeway)
            }
            Credentials::Token(_) | Credentials::Provider(_) => Leeway { time: Duration::ZERO, chosen: false },
        }
    }

    /// The part of a login that needs a person.
    pub fn person(&self) -> Option<&Person> {
        match self {
            Credentials::DeviceCode(d) => Some(&d.person),
            Credentials::Interactive(i) => Some(&i.person),
            _ => None,
        }
    }

    pub fn person_mut(&mut self, what: &str) -> Result<&mut Person, Error> {
        match self {
            Credentials::DeviceCode(d) => Ok(&mut d.person),
            Credentials::Interactive(i) => Ok(&mut i.person),
            _ => Err(Error::argument(format!("{what} applies to device code and interactive logins only"))),
        }
    }

    pub fn interactive_mut(&mut self, what: &str) -> Result<&mut Interactive, Error> {
        match self {
            Credentials::Interactive(i) => Ok(i),
            _ => Err(Error::argument(format!("{what} applies to interactive logins only"))),
        }
    }

    pub fn set_device_code_prompt(&mut self, show: Arc<dyn ShowPrompt>) -> Result<(), Error> {
        match self {
            Credentials::DeviceCode(d) => {
                d.prompt = Some(show);
                Ok(())
            }
            _ => Err(Error::argument("a device code prompt applies to device code logins only")),
        }
    }

    pub fn set_open_url(&mut self, open: Arc<dyn OpenUrl>) -> Result<(), Error> {
        self.interactive_mut("a callback that opens addresses")?.open = Some(open);
        Ok(())
    }

    /// Whether a client can be made with them: what only the host can give must be there.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Credentials::DeviceCode(d) if d.prompt.is_none() => Err(no_prompt()),
            _ => Ok(()),
        }
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
                    "token_expiry_leeway_seconds": seconds(cc.leeway.time),
                })
            }
            Credentials::ClientCertificate(c) => json!({
                "type": "client_certificate",
                "authority_url": crate::redact::url(c.authority.url()),
                "client_id": c.client_id,
                "scopes": c.scopes.to_json(),
                "token_expiry_leeway_seconds": seconds(c.leeway.time),
            }),
            Credentials::DeviceCode(d) => json!({
                "type": "device_code",
                "authority_url": d.person.url_of("authority_url"),
                "oauth_discovery_url": d.person.url_of("oauth_discovery_url"),
                "client_id": d.person.client_id,
                "scopes": d.person.scopes.to_json(),
                "token_expiry_leeway_seconds": seconds(d.person.leeway.time),
            }),
            Credentials::Interactive(i) => json!({
                "type": "interactive",
                "authority_url": crate::redact::url(i.person.authority.url()),
                "client_id": i.person.client_id,
                "scopes": i.person.scopes.to_json(),
                "token_expiry_leeway_seconds": seconds(i.person.leeway.time),
                "prompt": i.prompt,
                "login_hint": i.person.login_hint,
            }),
        }
    }
}

fn shown(name: &str, value: &Value) -> Value {
    if crate::redact::is_sensitive_name(name) { json!("***") } else { value.clone() }
}

/// Longest time any setting can name: a week.
pub const LONGEST_TIME: Duration = Duration::from_secs(7 * 86_400);

/// `time`, or what is wrong with it: nothing that is waited for takes longer, and sums of such times never overflow.
pub fn within_a_week(name: &str, time: Duration) -> Result<Duration, String> {
    if time > LONGEST_TIME { Err(format!("{name} is longer than a week")) } else { Ok(time) }
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
