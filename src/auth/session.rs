//! What a login needs besides its description: the way to the provider, what is known of it, and what the last login
//! left behind.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::authority::{Authority, Endpoints};
use super::credentials::Provided;
use super::form::Form;
use super::person::Person;
use super::secret::Secret;
use super::token_cache::Saved;
use super::token_endpoint::{Asked, FormRequest, FormTransport, Granted};
use crate::error::{Cause, Error, Phase};

/// Requests for one thing at most: the first and three more, for failures that may pass.
pub(super) const MAX_TRIES: u32 = 4;
/// First pause between them; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause a provider may ask for; a longer one is passed on to the caller as an error.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A provider moves its endpoints rarely.
const ENDPOINTS_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Kept from login to login of one engine.
#[derive(Default)]
pub struct Session {
    endpoints: Mutex<Option<(Instant, Endpoints)>>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// The file was looked at.
    loaded: bool,
    saved: Option<Saved>,
    /// A person has logged in since this engine began.
    logged_in: bool,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Whether a token can be tried for without asking a person.
    pub fn can_be_silent(&self) -> bool {
        lock(&self.last).saved.is_some()
    }
}

/// One login under way.
pub struct Login<'a> {
    pub transport: &'a dyn FormTransport,
    pub session: &'a Session,
}

/// Counts attempts and pauses between them.
pub struct Tries {
    made: u32,
    pause: Duration,
}

impl Default for Tries {
    fn default() -> Self {
        Self { made: 0, pause: FIRST_PAUSE }
    }
}

impl Tries {
    /// Whether to try again after `error`; when it is so, the pause has been made.
    pub async fn again(&mut self, error: &mut Error) -> bool {
        self.made += 1;
        error.detail_mut().attempts = self.made;
        let wait = error.detail().retry_after.unwrap_or_default().max(self.pause.mul_f64(0.5 + fastrand::f64()));
        if !error.detail().retryable || self.made >= MAX_TRIES || wait > LONGEST_PAUSE {
            return false;
        }
        tokio::time::sleep(wait).await;
        self.pause *= 2;
        true
    }
}

/// A failure on the way to the identity provider is a failure to log in; what happened below stays visible.
pub fn as_auth(e: Error) -> Error {
    let retryable = !matches!(e.detail().cause, Some(Cause::Tls | Cause::TooLarge));
    let detail = e.detail().clone();
    Error::auth(format!("no token could be had: {}", e.message())).with(|d| {
        *d = detail;
        d.in_doubt = false;
        d.retryable = retryable;
    })
}

impl Login<'_> {
    pub async fn endpoints(&self, authority: &Authority) -> Result<Endpoints, Error> {
        if let Some((since, known)) = &*lock(&self.session.endpoints)
            && since.elapsed() < ENDPOINTS_LIFE
        {
            return Ok(known.clone());
        }
        let url = authority.document_url();
        let mut tries = Tries::default();
        loop {
            let outcome = match self.transport.get(&url).await {
                Ok(answer) => authority.endpoints(&answer),
                Err(e) => Err(as_auth(e)),
            };
            match outcome {
                Ok(found) => {
                    *lock(&self.session.endpoints) = Some((Instant::now(), found.clone()));
                    return Ok(found);
                }
                Err(mut e) => {
                    if !tries.again(&mut e).await {
                        return Err(e);
                    }
                }
            }
        }
    }

    /// A token for a form that may be sent again.
    pub async fn token(&self, request: &FormRequest, asked: &Asked<'_>) -> Result<Granted, Error> {
        let mut tries = Tries::default();
        loop {
            match self.token_once(request, asked).await {
                Ok(granted) => return Ok(granted),
                Err(mut e) => {
                    if !tries.again(&mut e).await {
                        return Err(e);
                    }
                }
            }
        }
    }

    /// A token for a form that can be used once, such as one with an authorization code: sent again only if it surely
    /// did not leave.
    pub async fn token_for_code(&self, request: &FormRequest, asked: &Asked<'_>) -> Result<Granted, Error> {
        let mut tries = Tries::default();
        loop {
            match self.token_once(request, asked).await {
                Ok(granted) => return Ok(granted),
                Err(mut e) => {
                    if e.detail().phase != Some(Phase::Connect) || !tries.again(&mut e).await {
                        return Err(e);
                    }
                }
            }
        }
    }

    pub async fn token_once(&self, request: &FormRequest, asked: &Asked<'_>) -> Result<Granted, Error> {
        match self.transport.post_form(request).await {
            Ok(answer) => asked.token(&answer),
            Err(e) => Err(as_auth(e)),
        }
    }

    /// A token without asking anybody, from what an earlier login left. `None`: a person has to log in.
    pub async fn silent(&self, person: &Person) -> Result<Option<Provided>, Error> {
        let Some(saved) = lock(&self.session.last).saved.clone() else { return Ok(None) };
        // Who has just logged in is who it should be, whatever the hint was.
        if !self.logged_in() && !person.accepts(saved.account.as_deref()) {
            return Ok(None);
        }
        let endpoints = self.endpoints(&person.authority).await?;
        let mut form = Form::default()
            .with("client_id", &person.client_id)
            .with("grant_type", "refresh_token")
            .with("client_info", "1")
            .with("refresh_token", saved.refresh_token.reveal());
        if !person.refresh_scope.is_empty() {
            form.push("scope", &person.refresh_scope);
        }
        let request = FormRequest { url: endpoints.token.clone(), form: form.finish(), ..FormRequest::default() };
        let asked = Asked {
            url: &endpoints.token,
            setting: person.authority.setting(),
            secrets: vec![&saved.refresh_token],
            lines: false,
        };
        match self.token(&request, &asked).await {
            Ok(granted) => Ok(Some(self.keep(person, granted, true).await)),
            // The provider does not want this refresh token any more. Other failures say nothing about it.
            Err(e) if (400..500).contains(&e.detail().http_status) && !e.detail().retryable => {
                self.forget(person).await;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Whether a person has logged in since this engine began.
    pub fn logged_in(&self) -> bool {
        lock(&self.session.last).logged_in
    }

    pub fn account(&self) -> Option<String> {
        lock(&self.session.last).saved.as_ref().and_then(|s| s.account.clone())
    }

    /// Takes what a login yielded; the refresh token is kept for the next one. `renewed`: it was the one before that
    /// yielded it.
    pub async fn keep(&self, person: &Person, granted: Granted, renewed: bool) -> Provided {
        let claim = |name: &str| granted.claims.as_ref()?.get(name).and_then(Value::as_str).map(str::to_owned);
        let account = claim("preferred_username").or_else(|| claim("upn"));
        let changed = {
            let mut last = lock(&self.session.last);
            last.logged_in = true;
            // What belongs to an earlier login may belong to somebody else.
            let old = last.saved.take().filter(|_| renewed);
            let account = account.or_else(|| old.as_ref().and_then(|o| o.account.clone()));
            // Providers that do not rotate refresh tokens leave them out.
            let (token, fresh): (Option<Secret>, bool) = match granted.refresh_token {
                Some(token) => (Some(token), true),
                None => (old.map(|o| o.refresh_token), false),
            };
            last.saved = token.map(|refresh_token| Saved { refresh_token, account });
            fresh.then(|| last.saved.clone()).flatten()
        };
        if let (Some(saved), Some(cache)) = (changed, person.cache()) {
            // A login that cannot be kept is still a login.
            let _ = tokio::task::spawn_blocking(move || cache.save(&saved)).await;
        }
        granted.provided
    }

    /// Reads what an earlier run kept, once.
    pub async fn load(&self, person: &Person) {
        if std::mem::replace(&mut lock(&self.session.last).loaded, true) {
            return;
        }
        let Some(cache) = person.cache() else { return };
        let clear = person.cache.clear;
        let found = tokio::task::spawn_blocking(move || {
            if clear {
                cache.clear();
                None
            } else {
                cache.load()
            }
        });
        if let Ok(Some(saved)) = found.await {
            lock(&self.session.last).saved.get_or_insert(saved);
        }
    }

    async fn forget(&self, person: &Person) {
        lock(&self.session.last).saved = None;
        if let Some(cache) = person.cache() {
            let _ = tokio::task::spawn_blocking(move || cache.clear()).await;
        }
    }
}
