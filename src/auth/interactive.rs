//! OAuth with a browser on this machine: authorization code with PKCE, answered to a port of ours.

use std::sync::Arc;
use std::time::Duration;

use super::authority::Authority;
use super::browser;
use super::certificate::{random, sorted};
use super::credentials::Scopes;
use super::form::{Form, base64url};
use super::loopback::{Listener, Outcome};
use super::person::Person;
use super::secret::Secret;
use super::session::Login;
use super::token_endpoint::{Asked, FormRequest, Granted};
use crate::error::Error;
use crate::runtime;

const DEFAULT_REDIRECT_PORT: u16 = 53000;
const DEFAULT_LOGIN_TIMEOUT: Duration = Duration::from_secs(300);
const PROMPTS: [&str; 3] = ["select_account", "login", "consent"];
/// Added to every login, and so not to be among the scopes.
const ADDED: [&str; 3] = ["offline_access", "openid", "profile"];

/// How the host opens an address, instead of the system's browser. Called on a thread of its own kind.
pub trait OpenUrl: Send + Sync {
    fn open(&self, url: &str);
}

#[derive(Clone)]
pub struct Interactive {
    pub person: Person,
    pub redirect_port: u16,
    pub prompt: Option<String>,
    /// For the person, from the browser's opening on.
    pub login_timeout: Duration,
    pub open: Option<Arc<dyn OpenUrl>>,
}

/// The values that tie an answer to its question.
struct Ties {
    state: String,
    nonce: String,
    verifier: Secret,
}

impl Interactive {
    pub fn new(authority: Authority, client_id: &str, scopes: Scopes) -> Result<Self, Error> {
        let mut person = Person::new(authority, client_id, scopes, "interactive")?;
        let mut names = person.scopes.names();
        if let Some(name) = names.iter().find(|n| ADDED.contains(&n.as_str())) {
            return Err(Error::config(format!("scopes must not hold {name}: it is added to every interactive login")));
        }
        names.extend(ADDED.map(str::to_owned));
        person.refresh_scope = sorted(names);
        Ok(Self {
            person,
            redirect_port: DEFAULT_REDIRECT_PORT,
            prompt: None,
            login_timeout: DEFAULT_LOGIN_TIMEOUT,
            open: None,
        })
    }

    pub fn set_prompt(&mut self, prompt: Option<&str>) -> Result<(), Error> {
        if let Some(other) = prompt.filter(|p| !PROMPTS.contains(p)) {
            let shown: String = other.chars().take(40).collect();
            return Err(Error::config(format!("prompt must be one of {}, not '{shown}'", PROMPTS.join(", "))));
        }
        self.prompt = prompt.map(str::to_owned);
        Ok(())
    }

    pub async fn login(&self, login: &Login<'_>) -> Result<Granted, Error> {
        let endpoints = login.endpoints(&self.person.authority).await?;
        let Some(authorization) = endpoints.authorization.clone() else {
            return Err(Error::auth("the identity provider names no authorization_endpoint"));
        };
        let ties = Ties {
            state: base64url(&random::<16>()?),
            nonce: base64url(&random::<24>()?),
            verifier: Secret::new(base64url(&random::<32>()?)),
        };
        // Listens before the browser opens: the answer cannot come too early.
        let listener = Listener::bind(self.redirect_port).await?;
        let redirect_uri = format!("http://localhost:{}", listener.port());
        let url = self.address(&authorization, &redirect_uri, &ties, login);
        self.show(url).await?;
        let answered = tokio::time::timeout(self.login_timeout, listener.answer(&ties.state)).await;
        let code = match answered {
            Ok(Outcome::Code(code)) => code,
            Ok(Outcome::Refused(error)) => return Err(error),
            Err(_) => {
                return Err(Error::auth(format!(
                    "nobody finished the login in the browser within {} s (login_timeout_seconds)",
                    self.login_timeout.as_secs()
                )));
            }
        };
        let form = Form::default()
            .with("client_id", &self.person.client_id)
            .with("grant_type", "authorization_code")
            .with("client_info", "1")
            .with("code_verifier", ties.verifier.reveal())
            .with("code", code.reveal())
            .with("redirect_uri", &redirect_uri)
            .with("scope", &self.person.refresh_scope);
        let request = FormRequest { url: endpoints.token.clone(), form: form.finish(), ..FormRequest::default() };
        let asked = Asked {
            url: &endpoints.token,
            setting: self.person.authority.setting(),
            secrets: vec![&code, &ties.verifier],
            lines: false,
        };
        let granted = login.token_for_code(&request, &asked).await?;
        let nonce = granted.claims.as_ref().and_then(|c| c.get("nonce")).and_then(|n| n.as_str());
        if nonce.is_some_and(|n| n != ties.nonce) {
            return Err(Error::auth(
                "the identity provider answered another login (its nonce is not the one of this login)",
            ));
        }
        Ok(granted)
    }

    fn address(&self, endpoint: &str, redirect_uri: &str, ties: &Ties, login: &Login<'_>) -> String {
        let challenge = ring::digest::digest(&ring::digest::SHA256, ties.verifier.reveal().as_bytes());
        let mut query = Form::default()
            .with("client_id", &self.person.client_id)
            .with("response_type", "code")
            .with("redirect_uri", redirect_uri)
            .with("scope", &self.person.refresh_scope)
            .with("state", &ties.state)
            .with("response_mode", "form_post")
            .with("code_challenge", &base64url(challenge.as_ref()))
            .with("code_challenge_method", "S256")
            .with("nonce", &ties.nonce)
            .with("client_info", "1");
        if let Some(prompt) = self.prompt.as_deref().filter(|_| !login.logged_in()) {
            query.push("prompt", prompt);
        }
        // Once somebody has logged in, later logins stay with that account.
        let hint = login.logged_in().then(|| login.account()).flatten().or_else(|| self.person.login_hint.clone());
        if let Some(hint) = hint {
            query.push("login_hint", &hint);
            query.push("X-AnchorMailbox", &format!("UPN:{hint}"));
        }
        let glue = if endpoint.contains('?') { '&' } else { '?' };
        format!("{endpoint}{glue}{}", query.finish().as_str())
    }

    async fn show(&self, url: String) -> Result<(), Error> {
        match self.open.clone() {
            Some(host) => runtime::run_later(Box::new(move || host.open(&url))),
            None => tokio::task::spawn_blocking(move || browser::open(&url))
                .await
                .unwrap_or_else(|_| Err(Error::shutdown())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(scopes: &[&str]) -> Result<Interactive, Error> {
        let scopes = Scopes::List(scopes.iter().map(|s| (*s).to_owned()).collect());
        Interactive::new(Authority::microsoft("https://h/t").unwrap(), "c", scopes)
    }

    #[test]
    fn settings() {
        let mut i = made(&["https://x/b", "https://x/a"]).unwrap();
        assert_eq!(i.person.refresh_scope, "https://x/a https://x/b offline_access openid profile");
        assert!(made(&["openid"]).map(|_| ()).unwrap_err().message().contains("openid"));
        assert!(made(&[]).map(|_| ()).unwrap_err().message().contains("scopes"));
        assert!(i.set_prompt(Some("none")).unwrap_err().message().contains("select_account"));
        assert!(i.set_prompt(Some("login")).is_ok() && i.set_prompt(None).is_ok());
    }
}
