//! One exchange: a request out, a whole answer in, or a failure that says how far it came. No repeats here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use once_cell::sync::OnceCell;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::{Method, Url};

use super::body::{Fault, Sink};
use super::failure;
use super::progress::{CURRENT, Progress, Track, Upload};
use super::proxy::Route;
use super::tls::{Trust, client_config};
use crate::config::network::Network;
use crate::error::{Cause, Error, Phase, Status};

/// What all exchanges of one transport have in common.
pub struct Settings {
    /// To make a connection.
    pub connect_timeout: Duration,
    pub max_response_bytes: u64,
    pub pool_size: usize,
    pub disable_ssl: bool,
    pub network: Network,
    /// For http and for https.
    pub routes: [Route; 2],
}

/// Two clients made on demand, so that a program that speaks plain HTTP never reads a trust store.
pub struct Transport {
    settings: Settings,
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
}

pub struct Exchange {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// For each wait; connecting has the transport's own.
    pub idle: Duration,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// A failed exchange. `http_status` is known when the answer had begun.
#[derive(Debug)]
pub struct Failure {
    pub cause: Cause,
    pub phase: Phase,
    pub sent: bool,
    pub http_status: u16,
    pub message: String,
}

impl Failure {
    pub fn into_error(self) -> Error {
        let status = match self.cause {
            Cause::Tls => Status::Tls,
            Cause::ConnectTimeout | Cause::IdleTimeout | Cause::TotalTimeout => Status::Timeout,
            Cause::BodyDecode | Cause::TooLarge | Cause::Protocol => Status::Decode,
            _ => Status::Connection,
        };
        Error::new(status, self.message).with(|d| {
            d.cause = Some(self.cause);
            d.phase = Some(self.phase);
            d.http_status = self.http_status;
        })
    }
}

impl Transport {
    pub fn new(settings: Settings) -> Self {
        Self { settings, plain: OnceCell::new(), secure: OnceCell::new() }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The proxy that requests to `url` go through, if that is known here.
    pub fn proxy_for(&self, url: &Url) -> Option<&Url> {
        self.route(url).for_url(url)
    }

    fn route(&self, url: &Url) -> &Route {
        &self.settings.routes[usize::from(url.scheme() == "https")]
    }

    pub(super) fn client(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        let s = &self.settings;
        let route = self.route(url);
        // A proxy can itself be spoken to over TLS.
        let tls = url.scheme() == "https"
            || matches!(route, Route::System)
            || matches!(route, Route::Via { proxy, .. } if proxy.scheme() == "https");
        let trust = match tls {
            false => Trust::Nothing,
            true if s.disable_ssl => Trust::Anything,
            true => Trust::Authorities,
        };
        let client = if url.scheme() == "https" { &self.secure } else { &self.plain };
        client.get_or_try_init(|| self.build(trust, route))
    }

    fn build(&self, trust: Trust, route: &Route) -> Result<reqwest::Client, Error> {
        let s = &self.settings;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(trust, &s.network)?)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(s.connect_timeout)
            .pool_idle_timeout(s.network.keep_alive_idle)
            .pool_max_idle_per_host(s.pool_size)
            .tcp_nodelay(true)
            .connector_layer(TrackLayer);
        builder = match route.clone() {
            Route::System => builder,
            Route::Direct => builder.no_proxy(),
            Route::Via { proxy, exempt } => {
                builder.proxy(reqwest::Proxy::custom(move |url| (!exempt.covers(url)).then(|| proxy.clone())))
            }
        };
        builder.build().map_err(|e| Error::new(Status::Config, format!("the HTTP client could not be made: {e}")))
    }

    /// For messages: the host, and what stands between it and us.
    pub(super) fn peer(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or("the host");
        match self.route(url).for_url(url).and_then(|p| Some((p.host_str()?, p.port_or_known_default()?))) {
            Some((proxy, port)) => format!("{host} (through the proxy {proxy}:{port})"),
            None => host.to_owned(),
        }
    }

    /// Sends and reads to the end. `progress` outlives the exchange, so that a caller who gives up knows how far it was.
    pub async fn exchange(&self, x: Exchange, progress: &Arc<Progress>) -> Result<Answer, Failure> {
        let peer = self.peer(&x.url);
        let client = self.client(&x.url).map_err(|e| Failure {
            cause: if e.status() == Status::Tls { Cause::Tls } else { Cause::Protocol },
            phase: Phase::Connect,
            sent: false,
            http_status: 0,
            message: e.message().to_owned(),
        })?;
        let mut request = reqwest::Request::new(x.method, x.url);
        *request.headers_mut() = x.headers;
        if !x.body.is_empty() {
            *request.body_mut() = Some(reqwest::Body::wrap(Upload::new(x.body, Arc::clone(progress))));
        }
        let sending = CURRENT.scope(Arc::clone(progress), client.execute(request));
        let failed = |e: &reqwest::Error, phase: Phase, status: u16| {
            let sent = phase == Phase::Body || (progress.may_be_sent() && !failure::surely_unsent(e));
            let (cause, message) = failure::classify(e, &peer);
            Failure { cause, phase: if sent { phase } else { Phase::Connect }, sent, http_status: status, message }
        };
        let stalled = |phase: Phase, status: u16| Failure {
            cause: Cause::IdleTimeout,
            phase,
            sent: true,
            http_status: status,
            message: format!("{peer} did not send anything for {} ms", x.idle.as_millis()),
        };
        let mut timer = IdleTimer::new(x.idle, progress);
        let mut response = match timer.watch(sending).await {
            None => return Err(stalled(Phase::Send, 0)),
            Some(Err(e)) => return Err(failed(&e, Phase::Send, 0)),
            Some(Ok(response)) => response,
        };
        let status = response.status().as_u16();
        let in_body = |cause, message| Failure { cause, phase: Phase::Body, sent: true, http_status: status, message };
        let limit = self.settings.max_response_bytes;
        let too_large = || {
            in_body(
                Cause::TooLarge,
                format!("the answer of {peer} is larger than the {limit} bytes allowed (max_response_bytes)"),
            )
        };
        let announced = response.content_length();
        if announced.is_some_and(|n| n > limit) {
            return Err(too_large());
        }
        let gzip = match response.headers().get(CONTENT_ENCODING).map(|v| v.as_bytes().to_ascii_lowercase()) {
            None => false,
            Some(v) if v.is_empty() || v == b"identity" => false,
            Some(v) if v == b"gzip" || v == b"x-gzip" => true,
            Some(v) => {
                let name = String::from_utf8_lossy(&v).into_owned();
                return Err(in_body(
                    Cause::BodyDecode,
                    format!("{peer} answered in the encoding '{name}', which was not asked for"),
                ));
            }
        };
        let undecodable =
            || in_body(Cause::BodyDecode, format!("the compressed answer of {peer} is damaged or cut short"));
        let mut sink = Sink::new(gzip, announced, limit);
        let mut empty = true;
        loop {
            let chunk = match timer.watch(response.chunk()).await {
                None => return Err(stalled(Phase::Body, status)),
                Some(Err(e)) => return Err(failed(&e, Phase::Body, status)),
                Some(Ok(Some(chunk))) => chunk,
                Some(Ok(None)) => break,
            };
            progress.touch();
            progress.received(chunk.len());
            empty = false;
            sink.take(&chunk).map_err(|f| match f {
                Fault::TooLarge => too_large(),
                Fault::Undecodable => undecodable(),
            })?;
        }
        // An empty body with content-encoding gzip (204, HEAD) is an empty body.
        let body = if empty { Ok(Vec::new()) } else { sink.finish() };
        let body = body.map_err(|_| undecodable())?;
        Ok(Answer { status, headers: std::mem::take(response.headers_mut()), body })
    }
}

/// The idle timer of one exchange: set once, moved only when it fires.
pub(super) struct IdleTimer<'a> {
    sleep: Pin<Box<tokio::time::Sleep>>,
    idle: Duration,
    progress: &'a Progress,
}

impl<'a> IdleTimer<'a> {
    pub(super) fn new(idle: Duration, progress: &'a Progress) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(idle)), idle, progress }
    }

    /// `None` when nothing moved for the idle time. While a connection is being made the connect timeout rules instead.
    pub(super) async fn watch<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::pin!(future);
        self.progress.touch();
        loop {
            tokio::select! {
                biased;
                out = &mut future => return Some(out),
                () = &mut self.sleep => {
                    let silent = self.progress.idle();
                    let wait = match self.progress.is_connecting() {
                        true => self.idle,
                        false if silent >= self.idle => return None,
                        false => self.idle - silent,
                    };
                    self.sleep.as_mut().reset(tokio::time::Instant::now() + wait);
                }
            }
        }
    }
}

#[derive(Clone)]
struct TrackLayer;

impl<S> tower_layer::Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Track(inner)
    }
}
