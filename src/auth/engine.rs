//! Tokens from credentials: cached, renewed before they end, one request for any number of callers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::HeaderValue;
use tokio::sync::{oneshot, watch};

use super::credentials::{Credentials, Provided};
use super::secret::Secret;
use super::token_endpoint::FormTransport;
use crate::error::{Cause, Error};
use crate::log::{self, Level, Record};
use crate::runtime;

/// Requests for one token at most: the first and three more, for failures that may pass.
const MAX_TRIES: u32 = 4;
/// First pause between them; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause an identity provider may ask for; a longer one is passed on to the caller as an error.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A header value ready to send, and which token it was: names the token when it turns out to be refused.
#[derive(Clone)]
pub struct Header {
    pub value: HeaderValue,
    generation: u64,
}

struct Cached {
    header: Header,
    /// Ages are taken on both clocks and the larger one counts: the monotonic one does not run during suspend, the
    /// wall clock can be set back.
    since: Instant,
    since_wall: SystemTime,
    lifetime: Duration,
}

impl Cached {
    fn age(&self) -> Duration {
        self.since.elapsed().max(self.since_wall.elapsed().unwrap_or_default())
    }

    fn fresh(&self, leeway: Duration) -> bool {
        // A token that lives no longer than the leeway would be asked for at every request.
        let leeway = if leeway >= self.lifetime { self.lifetime / 2 } else { leeway };
        self.age() + leeway < self.lifetime
    }

    fn alive(&self) -> bool {
        self.age() < self.lifetime
    }
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

#[derive(Default)]
struct State {
    cached: Option<Cached>,
    flight: Option<watch::Receiver<Outcome>>,
    generation: u64,
}

pub struct TokenEngine {
    credentials: Credentials,
    transport: Arc<dyn FormTransport>,
    state: Mutex<State>,
    counts: TokenCounts,
}

impl TokenEngine {
    pub fn new(credentials: Credentials, transport: Arc<dyn FormTransport>) -> Arc<Self> {
        Arc::new(Self { credentials, transport, state: Mutex::default(), counts: TokenCounts::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn counts(&self) -> &TokenCounts {
        &self.counts
    }

    /// How long the token in hand is good for; `None` when there is none or its end is not known.
    pub fn expires_in(&self) -> Option<Duration> {
        self.lock().cached.as_ref().map(|c| c.lifetime.saturating_sub(c.age()))
    }

    /// The `Authorization` value for an attempt that is about to be made. Runs on the engine; dropping the future
    /// leaves a request for a token running for the others who wait for it.
    pub async fn header(self: &Arc<Self>) -> Result<Header, Error> {
        let mut flight = match &self.credentials {
            Credentials::Token(token) => return Ok(Header { value: bearer(token)?, generation: 0 }),
            Credentials::Provider(_) => match self.cached(Duration::ZERO) {
                Some(header) => return Ok(header),
                None => self.join_flight(),
            },
            Credentials::ClientCredentials(cc) => match self.cached(cc.leeway) {
                Some(header) => return Ok(header),
                None => self.join_flight(),
            },
        };
        let outcome = match flight.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Error::shutdown())),
            Err(_) => Err(Error::shutdown()),
        };
        outcome.or_else(|error| match &self.lock().cached {
            // Renewing failed, but the token we have is good for a while yet.
            Some(old) if old.alive() => Ok(old.header.clone()),
            _ => Err(error),
        })
    }

    /// Forgets the token `header` was made of, after the API refused it. Answers whether a new one can be had.
    pub fn refused(&self, header: &Header) -> bool {
        if matches!(self.credentials, Credentials::Token(_)) {
            return false;
        }
        let mut state = self.lock();
        if state.cached.as_ref().is_some_and(|c| c.header.generation == header.generation) {
            state.cached = None;
        }
        true
    }

    fn cached(&self, leeway: Duration) -> Option<Header> {
        self.lock().cached.as_ref().filter(|c| c.fresh(leeway)).map(|c| c.header.clone())
    }

    /// The request for a token that is under way, or a new one.
    fn join_flight(self: &Arc<Self>) -> watch::Receiver<Outcome> {
        let mut state = self.lock();
        if let Some(flight) = &state.flight {
            return flight.clone();
        }
        let (tell, told) = watch::channel(None);
        state.flight = Some(told.clone());
        drop(state);
        // Made here, so that it lands even if the task is dropped before it runs: the next caller must be able to
        // start a new flight.
        let landing = Landing(Arc::clone(self));
        tokio::spawn(async move {
            let engine = &landing.0;
            let outcome = runtime::panics::contained(Box::pin(engine.fetch())).await.and_then(|r| r);
            let lifetime = outcome.as_ref().ok().and_then(|p| p.lifetime);
            let outcome = outcome.and_then(|provided| engine.store(provided));
            engine.counts.note(&outcome, lifetime);
            drop(landing);
            let _ = tell.send(Some(outcome));
        });
        told
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

    async fn fetch(&self) -> Result<Provided, Error> {
        match &self.credentials {
            Credentials::Token(token) => Ok(Provided { token: token.clone(), lifetime: None }),
            Credentials::Provider(provider) => {
                let (answer, answered) = oneshot::channel();
                let provider = Arc::clone(provider);
                runtime::run_later(Box::new(move || provider.ask(answer)))?;
                answered.await.unwrap_or_else(|_| Err(Error::auth("the token provider gave up without an answer")))
            }
            Credentials::ClientCredentials(cc) => {
                let request = cc.request();
                let mut pause = FIRST_PAUSE;
                for attempt in 1.. {
                    let outcome = match self.transport.post_form(&request).await {
                        Ok(answer) => cc.read_answer(&answer),
                        Err(e) => Err(as_auth(e)),
                    };
                    let mut error = match outcome {
                        Ok(provided) => return Ok(provided),
                        Err(e) => e,
                    };
                    error.detail_mut().attempts = attempt;
                    let wait = error.detail().retry_after.unwrap_or_default().max(pause.mul_f64(0.5 + fastrand::f64()));
                    if !error.detail().retryable || attempt >= MAX_TRIES || wait > LONGEST_PAUSE {
                        return Err(error);
                    }
                    tokio::time::sleep(wait).await;
                    pause *= 2;
                }
                Err(Error::internal("the token loop ended"))
            }
        }
    }
}

struct Landing(Arc<TokenEngine>);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.lock().flight = None;
    }
}

/// A failure on the way to the identity provider is a failure to log in; what happened below stays visible.
fn as_auth(e: Error) -> Error {
    let retryable = !matches!(e.detail().cause, Some(Cause::Tls | Cause::TooLarge));
    let detail = e.detail().clone();
    Error::auth(format!("no token could be had: {}", e.message())).with(|d| {
        *d = detail;
        d.in_doubt = false;
        d.retryable = retryable;
    })
}

fn bearer(token: &Secret) -> Result<HeaderValue, Error> {
    let text = zeroize::Zeroizing::new(format!("Bearer {}", token.reveal().trim()));
    if !text.is_ascii() || text.len() <= "Bearer ".len() {
        return Err(Error::auth("the token is empty or holds characters that cannot be in an HTTP header"));
    }
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Error::auth("the token holds characters that cannot be in an HTTP header"))?;
    value.set_sensitive(true);
    Ok(value)
}
