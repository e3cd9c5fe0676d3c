//! The client: settings checked once, then requests from any number of threads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use crate::auth::credentials::within_a_week;
use crate::config::{ClientConfig, global};
use crate::error::{Error, Status};
use crate::http::class::classify;
use crate::http::headers::Headers;
use crate::http::{Call, Class, HttpClient, Response, body, headers, url};
use crate::runtime::CancelToken;
use crate::runtime::usage::{self, Held};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryChoice {
    /// By method and path.
    #[default]
    ByPath,
    /// The caller knows that sending it twice is the same as sending it once.
    Safe,
    /// Sent once, unless it surely had no effect.
    Unsafe,
}

/// A request as the caller gives it; borrowed for the time of the call that takes it.
#[derive(Default)]
pub struct Request<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub params: Option<&'a str>,
    pub headers: Option<&'a str>,
    pub body: &'a [u8],
    /// `None`: the body is JSON.
    pub content_type: Option<&'a str>,
    /// Zero: the client's.
    pub timeout: Duration,
    pub retry: RetryChoice,
    pub cancel: Option<&'a CancelToken>,
}

pub struct Client {
    pub(super) http: HttpClient,
    pub(super) standard: Arc<Headers>,
    pub(super) addresses: url::Addresses,
    accepted: AtomicUsize,
}

/// A call that was accepted: a place among the client's `max_accepted_calls`, given back when dropped.
pub struct Accepted {
    pub(super) client: Arc<Client>,
    call: Option<Call>,
    _counted: [Held; 2],
}

impl Client {
    pub fn new(config: &ClientConfig) -> Result<Arc<Self>, Error> {
        let checked = config.check()?;
        checked.credentials.check()?;
        let standard = Arc::new(headers::standard(&checked)?);
        let http = HttpClient::new(checked)?;
        Ok(Arc::new(Self { http, standard, addresses: url::Addresses::default(), accepted: AtomicUsize::new(0) }))
    }

    /// With the process's default config.
    pub fn from_global() -> Result<Arc<Self>, Error> {
        Self::new(&global::default_config()?)
    }

    pub fn config(&self) -> &ClientConfig {
        &self.http.checked().config
    }

    pub fn project(&self) -> &str {
        &self.http.checked().project
    }

    /// Checks, encodes and compresses a request; afterwards nothing of the caller's memory is needed.
    pub fn accept(self: &Arc<Self>, request: &Request<'_>) -> Result<Accepted, Error> {
        let call = self.prepare(request)?;
        self.place(Some(call))
    }

    /// A place for the question which `Authorization` value is in force.
    pub fn accept_authorization(self: &Arc<Self>) -> Result<Accepted, Error> {
        self.place(None)
    }

    /// A place for a look at what works and what does not.
    pub fn accept_diagnosis(self: &Arc<Self>) -> Result<Accepted, Error> {
        self.place(None)
    }

    /// A place for an operation, which makes its requests itself.
    pub(super) fn accept_work(self: &Arc<Self>) -> Result<Accepted, Error> {
        self.place(None)
    }

    /// What the client has done so far, as JSON.
    pub fn metrics(&self) -> Response {
        let json = self.http.metrics(self.accepted.load(Ordering::Relaxed), |m, c| m.to_json(c));
        Response::of_json(&json)
    }

    /// The same in Prometheus' text form.
    pub fn metrics_prometheus(&self) -> Response {
        Response::of_text(self.http.metrics(self.accepted.load(Ordering::Relaxed), |m, c| m.to_prometheus(c)))
    }

    /// When an operation that may take `timeout` ends; zero: the client's time.
    pub fn deadline(&self, timeout: Duration) -> Result<tokio::time::Instant, Error> {
        Ok(tokio::time::Instant::now() + total_time(timeout, self.config().total_timeout)?)
    }

    /// From how many bytes on bodies are compressed; `None`: never.
    pub fn gzip_min(&self) -> Option<u64> {
        (!self.http.settings().disable_gzip).then_some(self.http.checked().config.gzip_min_bytes)
    }

    fn place(self: &Arc<Self>, call: Option<Call>) -> Result<Accepted, Error> {
        let most = self.config().max_accepted_calls;
        if self.accepted.fetch_add(1, Ordering::AcqRel) as u64 >= most {
            self.accepted.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::new(
                Status::Busy,
                format!("{most} calls of this client are under way (max_accepted_calls); wait for some to finish"),
            ));
        }
        let body = call.as_ref().map_or(0, |c| c.body.len());
        let _counted = [usage::CALLS.hold(1), usage::BODY_BYTES.hold(body)];
        Ok(Accepted { client: Arc::clone(self), call, _counted })
    }

    fn prepare(&self, r: &Request<'_>) -> Result<Call, Error> {
        let checked = self.http.checked();
        let method = Method::from_bytes(r.method.as_bytes())
            .ok()
            .filter(|m| m.as_str().bytes().all(|b| b.is_ascii_uppercase()) && *m != Method::CONNECT)
            .ok_or_else(|| Error::argument("method must be an HTTP method in capital letters, such as GET or POST"))?;
        let target = self.addresses.resolve(&checked.base_url, r.url, r.params)?;
        let mut headers = headers::merged(&self.standard, r.headers)?;
        let body = match r.content_type {
            Some(content_type) => {
                let value = HeaderValue::from_str(content_type)
                    .map_err(|_| Error::argument("content_type holds characters that HTTP does not allow"))?;
                Headers::edit(&mut headers).insert(CONTENT_TYPE, value);
                Bytes::copy_from_slice(r.body)
            }
            None => {
                let gzip_min = if r.body.is_empty() { None } else { self.gzip_min() };
                let prepared = body::json(r.body, gzip_min)?;
                // What was checked to be plain JSON is not compressed, whatever the caller's headers say.
                headers::set_gzip(&mut headers, prepared.gzip);
                prepared.bytes
            }
        };
        let class = match r.retry {
            RetryChoice::ByPath => classify(&method, target.path.as_deref()),
            RetryChoice::Safe if method == Method::GET => Class::Read,
            RetryChoice::Safe => Class::IdempotentWrite,
            RetryChoice::Unsafe => Class::Write,
        };
        let total = total_time(r.timeout, checked.config.total_timeout)?;
        let cancel = r.cancel.cloned();
        let gate = self.http.gates().pick(target.path.as_deref(), class);
        Ok(Call {
            method,
            url: target.url,
            authorize: target.own_origin,
            headers,
            body,
            class,
            gate,
            // As in the reference: what the program words itself is limited by the pool alone.
            budget: None,
            total,
            cancel,
            shelf: None,
        })
    }
}

/// What a caller asks for in all, or else the client's.
pub(super) fn total_time(asked: Duration, default: Duration) -> Result<Duration, Error> {
    match asked {
        Duration::ZERO => Ok(default),
        t => within_a_week("timeout_ms", t).map_err(Error::argument),
    }
}

impl Accepted {
    /// Runs the call on the engine. Boxed here: the state of a call is kilobytes, and is handed on several times.
    pub fn run(self) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>> {
        Box::pin(async move {
            match &self.call {
                Some(call) => self.client.http.call(call).await,
                None => Err(Error::internal("a call without a request")),
            }
        })
    }

    /// The `Authorization` value, as JSON: `{"header":"Authorization","value":"Bearer …"}`.
    pub async fn authorization(self) -> Result<Response, Error> {
        let started = std::time::Instant::now();
        let value = self.client.http.authorization().await?;
        let document = serde_json::json!({"header": "Authorization", "value": value});
        Ok(Response { elapsed: started.elapsed(), ..Response::of_json(&document) })
    }

    /// Finds where the login goes; an empty document.
    pub async fn check_login(self) -> Result<Response, Error> {
        let started = std::time::Instant::now();
        self.client.http.check_login().await?;
        Ok(Response { elapsed: started.elapsed(), ..Response::of_json(&serde_json::json!({})) })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.client.accepted.fetch_sub(1, Ordering::AcqRel);
    }
}
