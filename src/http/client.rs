//! A call: attempts, tokens, pauses and the deadline around them, and one answer or one error in the end.

use std::any::Any;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::body::Shelf;
use super::budget::{Budgets, Permit, Ticket};
use super::class::Class;
use super::cut::{Cut, Until, watched, watched_until};
use super::error_body::{self, Refusal};
use super::fields::Fields;
use super::gate::{Gate, Gates, Passed};
use super::headers::Headers;
use super::metrics::{self, Context, Metrics};
use super::observe::{self, Again, Ended};
use super::progress::Progress;
use super::proxy::Route;
use super::redirect::Place;
use super::retry::{Budget, Fault, pause, retry_after};
use super::token::TokenTransport;
use super::transport::{Answer, Exchange, Failure, Settings, Transport};
use crate::auth::TokenEngine;
use crate::auth::engine::Header;
use crate::config::concurrency::BudgetKey;
use crate::config::global::Global;
use crate::config::{Checked, global};
use crate::error::{Cause, Error, Phase};
use crate::log::{self, Level, Record};
use crate::runtime::CancelToken;

/// After so long in a line a token may have ended.
const LONG_WAIT: Duration = Duration::from_secs(1);

pub fn user_agent() -> HeaderValue {
    HeaderValue::from_static(concat!("libcognite/", env!("CARGO_PKG_VERSION")))
}

/// A request ready to be sent any number of times.
pub struct Call {
    pub method: Method,
    pub url: Arc<Url>,
    /// Whether the token goes along: only to the configured origin.
    pub authorize: bool,
    /// Most calls have those of their client.
    pub headers: Arc<Headers>,
    pub body: Bytes,
    pub class: Class,
    /// Where it waits when the service is told to be asked less.
    pub gate: Arc<Gate>,
    /// Which concurrency limit it counts against; `None` for requests that the program words itself.
    pub budget: Option<BudgetKey>,
    /// For all of it: waiting, tokens, attempts, pauses.
    pub total: Duration,
    pub cancel: Option<CancelToken>,
    /// Where the memory for a large answer may come from.
    pub shelf: Option<Arc<Shelf>>,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub attempts: u32,
    pub elapsed: Duration,
    /// Where the elements lie, if somebody looked: of a page of a list.
    pub index: Option<Box<Index>>,
    /// What an operation made of its answers; the layer that made it knows what it is.
    pub payload: Option<Arc<dyn Any + Send + Sync>>,
    /// Where the body's memory goes when nobody reads it any more.
    pub home: Option<Arc<Shelf>>,
}

/// What is in a page.
#[derive(Debug, Default)]
pub struct Index {
    /// First byte and the one after the last, of each element.
    pub items: Vec<(u32, u32)>,
    /// Where the next page begins.
    pub cursor: Option<std::ffi::CString>,
}

impl Response {
    /// A document of the library's own: no HTTP status, no headers.
    pub fn of_json(value: &serde_json::Value) -> Self {
        Self::of_text(value.to_string())
    }

    /// The body by itself, to be shared, and the rest.
    pub fn parted(mut self) -> (Bytes, Self) {
        (std::mem::take(&mut self.body).into(), self)
    }

    /// Nobody reads the body any more.
    pub fn give_back(&mut self) {
        if let Some(shelf) = self.home.take() {
            shelf.put(std::mem::take(&mut self.body));
        }
    }

    /// The same for other text.
    pub fn of_text(text: String) -> Self {
        Self {
            status: 0,
            headers: Fields::default(),
            body: text.into_bytes(),
            attempts: 0,
            elapsed: Duration::ZERO,
            index: None,
            payload: None,
            home: None,
        }
    }
}

pub struct HttpClient {
    pub(super) checked: Checked,
    pub(super) transport: Arc<Transport>,
    pub(super) tokens: Arc<TokenEngine>,
    pub(super) metrics: Metrics,
    /// Exchanges at a time: the reference's connection pool size.
    pub(super) permits: Semaphore,
    gates: Gates,
    budgets: Budgets,
}

/// Held for one exchange.
struct Permits<'a> {
    _pool: SemaphorePermit<'a>,
    _passed: Passed<'a>,
    _budget: Option<Permit>,
}

/// What is known of a call while it runs; survives when the deadline cuts it off.
#[derive(Default)]
struct Ledger {
    attempts: u32,
    /// An attempt ended without telling whether it was applied.
    doubt: bool,
    last: Option<String>,
    progress: Option<Arc<Progress>>,
    /// The token that was sent last, so that it can be masked where an answer repeats it.
    token: Option<Header>,
    /// What keeps it from leaving.
    waits_for: Option<WaitsFor>,
    /// For `debug` only: the answer that was refused.
    refused: Option<(Fields, Vec<u8>)>,
    /// When the answer was there.
    ended: Option<Instant>,
}

/// What a call waits for before it may leave.
enum WaitsFor {
    Budget(BudgetKey),
    /// The service had asked to be asked less.
    Gate,
    Pool,
}

impl std::fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WaitsFor::Budget(key) => write!(f, "concurrency_settings limits {key}"),
            WaitsFor::Gate => f.write_str("the service answered 429 and has to be asked less often"),
            WaitsFor::Pool => f.write_str("max_connection_pool_size requests were under way"),
        }
    }
}

impl HttpClient {
    pub fn new(checked: Checked) -> Result<Self, Error> {
        let config = &checked.config;
        let global = config.network.own.over(global::current());
        let route = |secure| {
            Route::choose(global.proxy.as_ref().map(crate::auth::Secret::reveal), secure, |name| {
                std::env::var(name).ok()
            })
        };
        let transport = Arc::new(Transport::new(Settings {
            connect_timeout: config.network.connect_timeout.unwrap_or(config.timeout),
            max_response_bytes: config.max_response_bytes,
            pool_size: global.pool_size as usize,
            disable_ssl: global.disable_ssl,
            network: config.network.clone(),
            routes: [route(false)?, route(true)?],
        }));
        if global.disable_ssl {
            let what = "certificates are not checked (disable_ssl): anyone on the way can read and change what is sent";
            log::emit(Record::new(Level::Warning, "warning", what).with("setting", "disable_ssl"));
            if config.debug {
                warn(what);
            }
        }
        let form = TokenTransport { transport: Arc::clone(&transport), timeout: config.timeout };
        let tokens = TokenEngine::new(checked.credentials.clone(), Arc::new(form));
        let origin = checked.base_url.url.origin().ascii_serialization();
        let gates = Gates::of(&origin, &checked.project);
        let budgets = Budgets::of(origin, checked.project.clone(), checked.config.network.own.concurrency);
        Ok(Self {
            checked,
            transport,
            tokens,
            metrics: Metrics::default(),
            permits: Semaphore::new(global.pool_size as usize),
            gates,
            budgets,
        })
    }

    /// The settings in force now for this client.
    pub fn settings(&self) -> Arc<Global> {
        self.checked.config.network.own.over(global::current())
    }

    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// What was counted so far. `accepted`: calls taken on and not ended.
    pub fn metrics<T>(&self, accepted: usize, read: impl FnOnce(&Metrics, &Context<'_>) -> T) -> T {
        let context = Context {
            project: &self.checked.project,
            accepted,
            tokens: self.tokens.counts(),
            throttled: self.gates.state(),
            concurrency: self.budgets.state(),
        };
        read(&self.metrics, &context)
    }

    /// The `Authorization` value the client would send now.
    pub async fn authorization(&self) -> Result<String, Error> {
        let total = self.checked.config.total_timeout;
        match watched(self.tokens.header(), tokio::time::Instant::now() + total, None).await {
            Ok(header) => Ok(String::from_utf8_lossy(header?.value.as_bytes()).into_owned()),
            Err(cut) => Err(cut.error(total.as_millis(), ": no token came")),
        }
    }

    pub async fn check_login(&self) -> Result<(), Error> {
        let total = self.checked.config.total_timeout;
        match watched(self.tokens.look_up(), tokio::time::Instant::now() + total, None).await {
            Ok(outcome) => outcome,
            Err(cut) => Err(cut.error(total.as_millis(), ": the identity provider was not found")),
        }
    }

    pub async fn call(&self, call: &Call) -> Result<Response, Error> {
        let now = tokio::time::Instant::now();
        let (mark, until) = (self.metrics.call(now.into_std()), Until::new(now + call.total));
        let mut ledger = Ledger::default();
        let done = {
            // Pinned here: it is two kilobytes, and would be copied at each step of what follows.
            let work = std::pin::pin!(self.attempts(call, now.into_std(), &until, &mut ledger));
            watched_until(&until, work, call.cancel.as_ref()).await
        };
        let outcome = match done {
            Ok(outcome) => outcome,
            Err(cut) => {
                // Cut off in mid-attempt: in doubt if the request may have left.
                ledger.doubt |= ledger.progress.as_ref().is_some_and(|p| p.may_be_sent());
                let last = ledger.last.as_deref().map(|l| format!("; the last one failed: {l}")).unwrap_or_default();
                let waits = ledger.waits_for.as_ref().map(|w| format!("; it waited for its turn: {w}"));
                let sofar = format!(" ({} attempts{last}{})", ledger.attempts, waits.unwrap_or_default());
                let retryable = cut == Cut::Deadline && (call.class.repeats() || !ledger.doubt);
                let phase = match &ledger.progress {
                    Some(p) if p.received_bytes() > 0 => Phase::Body,
                    Some(p) if p.may_be_sent() => Phase::Send,
                    _ => Phase::Connect,
                };
                Err(cut.error(call.total.as_millis(), &sofar).with(|d| {
                    d.retryable = retryable;
                    d.phase = Some(phase);
                }))
            }
        };
        match outcome {
            Ok(answer) => {
                let response = Response {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                    attempts: ledger.attempts,
                    elapsed: mark.end_at(ledger.ended.unwrap_or_else(Instant::now), Ok(answer.status)),
                    index: None,
                    payload: None,
                    home: call.shelf.clone(),
                };
                self.tell(call, &ledger, response.elapsed, Ok(&response));
                Ok(response)
            }
            Err(mut error) => {
                let d = error.detail_mut();
                d.in_doubt = call.class.is_write() && ledger.doubt;
                // A failure of the token has its own count, and never is an attempt at the API.
                if d.attempts == 0 {
                    d.attempts = ledger.attempts;
                }
                d.method = Some(call.method.to_string());
                d.url = Some(crate::redact::url(call.url.as_str()));
                let elapsed = mark.end(Err(&error));
                self.tell(call, &ledger, elapsed, Err(&error));
                Err(error)
            }
        }
    }

    fn tell(&self, call: &Call, ledger: &Ledger, elapsed: Duration, outcome: Result<&Response, &Error>) {
        let refused = ledger.refused.as_ref().map(|(h, b)| (&**h, &b[..]));
        let ended = Ended { attempts: ledger.attempts, elapsed, outcome, refused };
        observe::done(self.checked.config.debug, call, ledger.token.as_ref(), &ended);
    }

    async fn attempts(&self, call: &Call, began: Instant, until: &Until, ledger: &mut Ledger) -> Result<Answer, Error> {
        let mut budget = Budget::default();
        let mut began = Some(began);
        let mut renewed = false;
        let mut place = Place::start(&call.url, call.authorize);
        let ticket = call.budget.map(|key| self.budgets.get(key).ticket());
        loop {
            let (permits, token) = {
                let mut admitted = std::pin::pin!(self.admitted(call, ticket.as_ref(), place.authorize, ledger));
                // Most times nothing is waited for, and the clock need not be asked again.
                poll_fn(|cx| {
                    let admitted = admitted.as_mut().poll(cx);
                    began = began.filter(|_| admitted.is_ready());
                    admitted
                })
                .await?
            };
            let left = began.take().unwrap_or_else(Instant::now);
            let progress = Progress::since(left, !call.body.is_empty());
            ledger.attempts += u32::from(place.hops == 0);
            ledger.progress = Some(Arc::clone(&progress));
            let mark = self.metrics.exchange(&progress);
            let stripped = place.foreign.then(|| {
                let mut headers = HeaderMap::clone(&call.headers);
                place.strip(&mut headers);
                Headers::from(headers)
            });
            let exchange = Exchange {
                method: &call.method,
                url: &place.url,
                headers: stripped.as_ref().unwrap_or(&call.headers),
                authorization: token.as_ref().map(|t| &t.value),
                body: &call.body,
                idle: self.checked.config.timeout,
                until: Some(until),
                shelf: call.shelf.as_deref(),
            };
            let outcome = self.transport.exchange(exchange, &progress).await;
            let ended = progress.end();
            drop(mark);
            ledger.progress = None;
            drop(permits);
            let (error, fault, sent, asked) = match outcome {
                Ok(answer) if (200..300).contains(&answer.status) => {
                    if let Some(token) = &token {
                        self.tokens.accepted(token);
                    }
                    call.gate.answered(left, ended, false, None);
                    ledger.token = token.filter(|_| self.checked.config.debug);
                    ledger.ended = Some(ended);
                    return Ok(answer);
                }
                Ok(answer)
                    if (300..400).contains(&answer.status)
                        && self.settings().follow_redirects
                        && place.follow(&call.method, answer.status, &answer.headers) =>
                {
                    call.gate.answered(left, ended, false, None);
                    continue;
                }
                Ok(answer) => {
                    let auto = flag(&answer.headers, "cdf-is-auto-retryable");
                    if answer.status == 401
                        && !auto
                        && !renewed
                        && self.checked.config.refresh_on_401
                        && token.as_ref().is_some_and(|t| self.tokens.refused(t))
                    {
                        renewed = true;
                        place = Place::start(&call.url, call.authorize);
                        self.metrics.retry("token_refused");
                        continue;
                    }
                    let judged = self.judge(call, &answer, auto, token.as_ref(), ledger);
                    call.gate.answered(left, ended, answer.status == 429, judged.3);
                    ledger.token = token;
                    if self.checked.config.debug {
                        ledger.refused = Some((answer.headers, answer.body));
                    }
                    judged
                }
                Err(failure) => judge_failure(failure, call.class, ledger),
            };
            let settings = self.settings();
            let again = budget.allows(fault, call.class, sent, &settings);
            let wait = pause(budget.repeats(), settings.max_retry_backoff, asked);
            if !again {
                return Err(Box::pin(self.finish(error, call)).await);
            }
            ledger.last = Some(error.message().to_owned());
            // Sleeping into the deadline would only hide the error behind a timeout.
            if tokio::time::Instant::now() + wait >= until.at {
                return Err(error);
            }
            let reason = metrics::reason(&error);
            self.metrics.retry(&reason);
            let again = Again { attempt: ledger.attempts, wait, reason: &reason, error: &error };
            observe::retry(self.checked.config.debug, call, ledger.token.as_ref(), &again);
            tokio::time::sleep(wait).await;
            place = Place::start(&call.url, call.authorize);
        }
    }

    /// What an attempt needs to leave. The token comes first: nobody is kept waiting by one who waits for a token.
    async fn admitted<'a>(
        &'a self,
        call: &'a Call,
        ticket: Option<&Ticket>,
        authorize: bool,
        ledger: &mut Ledger,
    ) -> Result<(Permits<'a>, Option<Header>), Error> {
        if !authorize {
            return Ok((self.permits(call, ticket, ledger).await?, None));
        }
        let token = self.tokens.header().await?;
        let (permits, waited) = {
            let mut permits = std::pin::pin!(self.permits(call, ticket, ledger));
            // Most times they are there, and no clock is needed.
            let mut had = None;
            let permits = poll_fn(|cx| {
                let permits = permits.as_mut().poll(cx);
                if permits.is_pending() {
                    had.get_or_insert_with(Instant::now);
                }
                permits
            });
            (permits.await?, had.map_or(Duration::ZERO, |had| had.elapsed()))
        };
        if waited < LONG_WAIT {
            return Ok((permits, Some(token)));
        }
        if let Some(newest) = self.tokens.newest(&token) {
            return Ok((permits, Some(newest)));
        }
        drop(permits);
        let token = self.tokens.header().await?;
        Ok((self.permits(call, ticket, ledger).await?, Some(token)))
    }

    async fn permits<'a>(
        &'a self,
        call: &'a Call,
        ticket: Option<&Ticket>,
        ledger: &mut Ledger,
    ) -> Result<Permits<'a>, Error> {
        ledger.waits_for = call.budget.map(WaitsFor::Budget);
        let budget = match ticket {
            Some(ticket) => Some(ticket.permit().await),
            None => None,
        };
        ledger.waits_for = Some(WaitsFor::Gate);
        let passed = call.gate.pass().await;
        ledger.waits_for = Some(WaitsFor::Pool);
        let pool = self.metrics.place(self.permits.acquire()).await.map_err(|_| Error::shutdown())?;
        ledger.waits_for = None;
        Ok(Permits { _pool: pool, _passed: passed, _budget: budget })
    }

    /// An answer other than 2xx: its error, how it counts, and the pause it asks for.
    fn judge(&self, call: &Call, answer: &Answer, auto: bool, token: Option<&Header>, ledger: &mut Ledger) -> Judged {
        // A server may quote what it was sent.
        let sent = token.map(|t| t.value.as_bytes()).unwrap_or_default();
        let body = crate::redact::without(&answer.body, sent.strip_prefix(b"Bearer ").unwrap_or(sent));
        let mut error = error_body::error(&Refusal {
            status: answer.status,
            headers: &answer.headers,
            body: &body,
            project: &self.checked.project,
            cluster: self.checked.cluster_hint.as_deref(),
        });
        let asked = answer.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        let asked = asked.and_then(|v| retry_after(v, SystemTime::now()));
        let settings = self.settings();
        // 5xx and 408 come from somewhere on the way, perhaps after the service did its work.
        ledger.doubt |= !auto && (answer.status >= 500 || answer.status == 408);
        let d = error.detail_mut();
        d.retry_after = asked;
        d.retryable = auto
            || answer.status == 429
            || (call.class.repeats() && settings.status_forcelist.contains(&answer.status));
        (error, Fault::Status { code: answer.status, asked: auto }, true, asked)
    }
}

type Judged = (Error, Fault, bool, Option<Duration>);

fn judge_failure(failure: Failure, class: Class, ledger: &mut Ledger) -> Judged {
    let sent = failure.sent;
    ledger.doubt |= sent;
    let fault = fault_of(failure.cause);
    let mut error = failure.into_error();
    let d = error.detail_mut();
    // The call as a whole: an earlier attempt may have been applied.
    d.retryable = fault != Fault::Final && (class.repeats() || !ledger.doubt);
    (error, fault, sent, None)
}

pub(super) fn fault_of(cause: Cause) -> Fault {
    match cause {
        Cause::IdleTimeout => Fault::Idle,
        Cause::Tls | Cause::TooLarge | Cause::ProxyAuth => Fault::Final,
        _ => Fault::Connection,
    }
}

fn warn(what: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("[cognite] warning: {what}\n").as_bytes());
}

fn flag(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true"))
}
