//! Tokens from credentials: cached, renewed before they end, one request for any number of callers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use once_cell::sync::OnceCell;
use reqwest::header::HeaderValue;
use tokio::sync::{oneshot, watch};

use super::cached::{Age, Cached};
use super::credentials::{Credentials, Provided};
use super::secret::Secret;
use super::session::{Login, Session};
use super::token_endpoint::{Asked, FormTransport};
use crate::error::{Cause, Error, Status};
use crate::log::{self, Level, Record};
use crate::runtime;

/// A host that does not answer a question for a token within this time never will.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a call waits for a new token while the old one still works.
const LATE_WAIT: Duration = Duration::from_secs(5);
/// After a failure to renew a token that still works, it is used so long before the next attempt.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// A token that was refused and never accepted is replaced this often at most: the next one would be refused too.
const FORCED_PAUSE: Duration = Duration::from_secs(30);

/// A header value ready to send, and which token it was: names the token when it turns out to be refused.
#[derive(Clone)]
pub struct Header {
    pub value: HeaderValue,
    generation: u64,
}

/// How often a token was obtained or could not be.
#[derive(Default)]
pub struct TokenCounts {
    refreshed: AtomicU64,
    failed: AtomicU64,
}

impl TokenCounts {
    pub fn refreshed(&self) -> u64 {
        self.refreshed.load(Ordering::Relaxed)
    }

    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Counts and logs one attempt to obtain a token.
    fn note(&self, outcome: &Result<Header, Error>, lifetime: Option<Duration>) {
        match outcome {
            Ok(_) => {
                self.refreshed.fetch_add(1, Ordering::Relaxed);
                if log::enabled(Level::Info) {
                    let record = Record::new(Level::Info, "token", "a token was obtained").with("ok", true);
                    log::emit(record.with_known("expires_in_s", lifetime.map(|l| l.as_secs())));
                }
            }
            Err(e) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                if log::enabled(Level::Warning) {
                    log::emit(
                        Record::new(Level::Warning, "token", e.message())
                            .with("ok", false)
                            .with("error", e.status().name())
                            .with_known("oauth_error", e.detail().oauth_error.clone())
                            .with("attempts", e.detail().attempts),
                    );
                }
            }
        }
    }
}

type Outcome = Option<Result<Header, Error>>;

/// A request for a token that is under way, and one who waits for it. All receivers are those who wait.
struct Flight {
    told: watch::Receiver<Outcome>,
    /// It asks no person, so its failure does not mean that there is no token to be had.
    silent: bool,
}

/// The same, for those who join it.
struct Departed {
    tell: Arc<watch::Sender<Outcome>>,
    silent: bool,
}

#[derive(Default)]
struct State {
    cached: Option<Cached>,
    flight: Option<Departed>,
    generation: u64,
    /// The newest token the API took.
    accepted: u64,
    /// When a token was last replaced because the API refused it, and which one.
    forced: Option<(Instant, u64)>,
    failed: Option<Instant>,
}

pub struct TokenEngine {
    credentials: Credentials,
    transport: Arc<dyn FormTransport>,
    session: Session,
    state: Mutex<State>,
    /// What a token that never changes looks like in a request.
    fixed: OnceCell<Header>,
    counts: TokenCounts,
}

impl TokenEngine {
    pub fn new(credentials: Credentials, transport: Arc<dyn FormTransport>) -> Arc<Self> {
        Arc::new(Self {
            credentials,
            transport,
            session: Session::default(),
            state: Mutex::default(),
            fixed: OnceCell::new(),
            counts: TokenCounts::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn counts(&self) -> &TokenCounts {
        &self.counts
    }

    /// How long the token in hand is good for; `None` when there is none or its end is not known.
    pub fn expires_in(&self) -> Option<Duration> {
        self.lock().cached.as_ref().map(Cached::left)
    }

    /// The `Authorization` value for an attempt that is about to be made. Runs on the engine; dropping the future
    /// leaves a request for a token running for the others who wait for it. A person is asked only as long as
    /// somebody waits.
    pub async fn header(self: &Arc<Self>) -> Result<Header, Error> {
        if let Credentials::Token(token) = &self.credentials {
            let made = || Ok(Header { value: bearer(token)?, generation: 0 });
            return self.fixed.get_or_try_init(made).cloned();
        }
        let leeway = self.credentials.leeway();
        let (age, old, tried) = {
            let state = self.lock();
            let recently = state.failed.is_some_and(|at| at.elapsed() < AFTER_FAILURE);
            match &state.cached {
                Some(c) => (c.age(leeway), Some(c.header.clone()), recently),
                None => (Age::Dead, None, false),
            }
        };
        match (age, old) {
            (Age::Fresh, Some(header)) => Ok(header),
            (Age::Early | Age::Late, Some(header)) if tried => Ok(header),
            (Age::Early, Some(header)) => {
                // Nobody is asked to log in while the token works.
                if self.credentials.person().is_none() || self.session.can_be_silent() {
                    drop(self.join_flight(true));
                }
                Ok(header)
            }
            (Age::Late, Some(header)) => {
                // Renewing failed, or takes long; but the token we have is good for a while yet.
                let new = tokio::time::timeout(LATE_WAIT, landed(self.join_flight(false))).await;
                Ok(new.ok().and_then(Result::ok).unwrap_or(header))
            }
            _ => {
                let flight = self.join_flight(false);
                let silent = flight.silent;
                match landed(flight).await {
                    Err(_) if silent => landed(self.join_flight(false)).await,
                    outcome => outcome,
                }
            }
        }
    }

    /// Looks up where a login goes, unless that is known or needs no looking up. Nobody is asked for anything.
    pub async fn look_up(&self) -> Result<(), Error> {
        let authority = match &self.credentials {
            Credentials::ClientCertificate(c) => &c.authority,
            Credentials::DeviceCode(d) => &d.person.authority,
            Credentials::Interactive(i) => &i.person.authority,
            Credentials::Token(_) | Credentials::Provider(_) | Credentials::ClientCredentials(_) => return Ok(()),
        };
        let login = Login { transport: &*self.transport, session: &self.session };
        login.endpoints(authority).await.map(drop).map_err(|mut e| {
            // It answered, but is no identity provider, or another one.
            if e.detail().cause.is_none() && !e.detail().retryable {
                e.set_status(Status::Config);
            }
            e
        })
    }

    /// What to send in the place of a token that was had a while ago; `None` if a new one has to be asked for.
    pub fn newest(&self, header: &Header) -> Option<Header> {
        match &self.lock().cached {
            Some(c) => Some(c).filter(|c| !c.left().is_zero()).map(|c| c.header.clone()),
            // Tokens of this kind are not kept.
            None => Some(header.clone()),
        }
    }

    /// Told of a token that the API took.
    pub fn accepted(&self, header: &Header) {
        let mut state = self.lock();
        state.accepted = state.accepted.max(header.generation);
    }

    /// Forgets the token `header` was made of, after the API refused it. Answers whether another one is to be had: at
    /// most one is asked for per refused token, and none if the last one so gained was never accepted.
    pub fn refused(&self, header: &Header) -> bool {
        if matches!(self.credentials, Credentials::Token(_)) {
            return false;
        }
        let mut state = self.lock();
        if state.generation > header.generation && state.cached.is_some() {
            return true;
        }
        // Others carried the same token: what was asked for in its place is for all of them.
        if state.failed.is_none() && state.forced.is_some_and(|(_, of)| header.generation <= of) {
            return true;
        }
        let useless = state.accepted < header.generation;
        if useless && state.forced.is_some_and(|(at, _)| at.elapsed() < FORCED_PAUSE) {
            return false;
        }
        state.forced = Some((Instant::now(), header.generation));
        state.failed = None;
        state.cached = None;
        true
    }

    /// The request for a token that is under way, or a new one. `silently`: without asking a person.
    fn join_flight(self: &Arc<Self>, silently: bool) -> Flight {
        let mut state = self.lock();
        if let Some(Departed { tell, silent }) = &state.flight {
            return Flight { told: tell.subscribe(), silent: *silent };
        }
        let (tell, told) = watch::channel(None);
        let tell = Arc::new(tell);
        state.flight = Some(Departed { tell: Arc::clone(&tell), silent: silently });
        drop(state);
        // Made here, so that it lands even if the task is dropped before it runs: the next caller must be able to
        // start a new flight.
        let landing = Landing { engine: Arc::clone(self), tell };
        tokio::spawn(async move {
            let engine = &landing.engine;
            let work = Box::pin(engine.fetch(silently, &landing.tell));
            let outcome = runtime::panics::contained(work).await.and_then(|r| r);
            let lifetime = outcome.as_ref().ok().and_then(|p| p.lifetime);
            let outcome = outcome.and_then(|provided| engine.store(provided));
            engine.counts.note(&outcome, lifetime);
            let tell = landing.land(outcome.is_err());
            let _ = tell.send(Some(outcome));
        });
        Flight { told, silent: silently }
    }

    /// A login that asks a person, as long as somebody waits for it: it holds a port, and a page is open.
    async fn while_wanted<T>(
        &self,
        login: impl Future<Output = Result<T, Error>>,
        tell: &watch::Sender<Outcome>,
    ) -> Result<T, Error> {
        let mut login = Box::pin(login);
        loop {
            tokio::select! {
                outcome = &mut login => return outcome,
                () = tell.closed() => {
                    // Under the lock, as joining is: who comes after this begins a login of their own, and finds the
                    // port free.
                    let mut state = self.lock();
                    if tell.receiver_count() == 0 {
                        drop(login);
                        state.flight = None;
                        return Err(Error::auth("the login was given up: nobody waits for it any more"));
                    }
                }
            }
        }
    }

    fn store(&self, provided: Provided) -> Result<Header, Error> {
        let mut state = self.lock();
        state.generation += 1;
        let header = Header { value: bearer(&provided.token)?, generation: state.generation };
        state.cached = provided.lifetime.map(|lifetime| Cached {
            header: header.clone(),
            since: Instant::now(),
            since_wall: SystemTime::now(),
            lifetime,
        });
        Ok(header)
    }

    async fn fetch(&self, silently: bool, tell: &watch::Sender<Outcome>) -> Result<Provided, Error> {
        let login = Login { transport: &*self.transport, session: &self.session };
        if let Some(person) = self.credentials.person() {
            login.load(person).await;
        }
        match &self.credentials {
            Credentials::Token(token) => Ok(Provided { token: token.clone(), lifetime: None }),
            Credentials::Provider(provider) => {
                let (answer, answered) = oneshot::channel();
                let provider = Arc::clone(provider);
                runtime::run_later(Box::new(move || provider.ask(answer)))?;
                match tokio::time::timeout(PROVIDER_TIMEOUT, answered).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) => Err(Error::auth("the token provider gave up without an answer")),
                    Err(_) => Err(Error::auth(format!(
                        "the token provider did not answer within {} s",
                        PROVIDER_TIMEOUT.as_secs()
                    ))
                    .with(|d| d.cause = Some(Cause::TotalTimeout))),
                }
            }
            Credentials::ClientCredentials(cc) => Ok(login.token(&cc.request(), &cc.asked()).await?.provided),
            Credentials::ClientCertificate(certificate) => {
                let endpoints = login.endpoints(&certificate.authority).await?;
                let asked =
                    Asked { url: &endpoints.token, setting: "authority_url", secrets: Vec::new(), lines: false };
                Ok(login.token(&certificate.request(&endpoints)?, &asked).await?.provided)
            }
            Credentials::DeviceCode(device) => match login.silent(&device.person).await? {
                Some(provided) => Ok(provided),
                None if silently => Err(nobody_asked()),
                None => {
                    let granted = self.while_wanted(device.login(&login), tell).await?;
                    Ok(login.keep(&device.person, granted, false).await)
                }
            },
            Credentials::Interactive(interactive) => {
                // A prompt that was wished for is shown once, whatever is remembered.
                let wished = interactive.prompt.is_some() && !login.logged_in();
                let remembered = if wished { None } else { login.silent(&interactive.person).await? };
                match remembered {
                    Some(provided) => Ok(provided),
                    None if silently => Err(nobody_asked()),
                    None => {
                        let granted = self.while_wanted(interactive.login(&login), tell).await?;
                        Ok(login.keep(&interactive.person, granted, false).await)
                    }
                }
            }
        }
    }
}

/// Not seen by callers: their token still works.
fn nobody_asked() -> Error {
    Error::auth("the login can be renewed by a person only")
}

async fn landed(mut flight: Flight) -> Result<Header, Error> {
    match flight.told.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Error::shutdown())),
        Err(_) => Err(Error::shutdown()),
    }
}

struct Landing {
    engine: Arc<TokenEngine>,
    tell: Arc<watch::Sender<Outcome>>,
}

impl Landing {
    fn land(self, failed: bool) -> Arc<watch::Sender<Outcome>> {
        let mut state = self.engine.lock();
        // After a login that was given up there may be another under way.
        if state.flight.as_ref().is_some_and(|f| Arc::ptr_eq(&f.tell, &self.tell)) {
            state.failed = failed.then(Instant::now);
        }
        drop(state);
        Arc::clone(&self.tell)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut state = self.engine.lock();
        if state.flight.as_ref().is_some_and(|f| Arc::ptr_eq(&f.tell, &self.tell)) {
            state.flight = None;
        }
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, Error> {
    let text = zeroize::Zeroizing::new(format!("Bearer {}", token.reveal().trim()));
    if !text.is_ascii() || text.len() <= "Bearer ".len() {
        return Err(unsendable("the token is empty or holds characters that cannot be in an HTTP header"));
    }
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| unsendable("the token holds characters that cannot be in an HTTP header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsendable(why: &str) -> Error {
    Error::auth(why).with(|d| d.cause = Some(Cause::Header))
}

#[cfg(test)]
impl Header {
    pub fn for_tests(value: HeaderValue) -> Self {
        Self { value, generation: 0 }
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
