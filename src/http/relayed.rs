//! Exchanges that go through a proxy, or as the system's settings say: reqwest knows how.

use std::sync::Arc;

use once_cell::sync::OnceCell;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING};

use super::body::{Sink, is_gzip};
use super::failure::{self, Broken};
use super::idle::IdleTimer;
use super::progress::{CURRENT, Progress, Track, Upload};
use super::proxy::Route;
use super::tls::{Trust, client_config};
use super::transport::{Answer, Exchange, Failure, Settings};
use crate::error::{Cause, Error, Phase, Status};
use crate::runtime;

/// Two clients made on demand, so that a program that speaks plain HTTP never reads a trust store.
#[derive(Default)]
pub struct Relayed {
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
}

impl Relayed {
    pub(super) fn client(&self, s: &Settings, route: &Route, url: &Url) -> Result<&reqwest::Client, Error> {
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
        client.get_or_try_init(|| build(s, trust, route))
    }

    pub async fn exchange(
        &self,
        s: &Settings,
        route: &Route,
        x: Exchange<'_>,
        progress: &Arc<Progress>,
        peer: &str,
    ) -> Result<Answer, Failure> {
        runtime::on_engine().await;
        let client = self.client(s, route, x.url).map_err(|e| Failure {
            cause: if e.status() == Status::Tls { Cause::Tls } else { Cause::Protocol },
            phase: Phase::Connect,
            sent: false,
            http_status: 0,
            message: e.message().to_owned(),
        })?;
        let mut request = reqwest::Request::new(x.method.clone(), x.url.clone());
        *request.headers_mut() = reqwest::header::HeaderMap::clone(x.headers);
        if let Some(authorization) = x.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        if !x.body.is_empty() {
            *request.body_mut() = Some(reqwest::Body::wrap(Upload::new(x.body.clone(), Arc::clone(progress))));
        }
        let sending = CURRENT.scope(Arc::clone(progress), client.execute(request));
        let failed = |e: &reqwest::Error, phase: Phase, status: u16| {
            let sent = phase == Phase::Body || (progress.may_be_sent() && !failure::surely_unsent(e));
            let (cause, message) = failure::classify(e, peer);
            Failure { cause, phase: if sent { phase } else { Phase::Connect }, sent, http_status: status, message }
        };
        let limit = s.max_response_bytes;
        let broken = |broken: Broken, status: u16| {
            let (cause, message) = broken.told(peer, x.idle, limit);
            let phase = if status == 0 { Phase::Send } else { Phase::Body };
            Failure { cause, phase, sent: true, http_status: status, message }
        };
        let mut timer = IdleTimer::new(x.idle, progress);
        let mut response = match timer.watch(sending).await {
            None => return Err(broken(Broken::Silent, 0)),
            Some(Err(e)) => return Err(failed(&e, Phase::Send, 0)),
            Some(Ok(response)) => response,
        };
        let status = response.status().as_u16();
        let announced = response.content_length();
        if announced.is_some_and(|n| n > limit) {
            return Err(broken(Broken::TooLarge, status));
        }
        let encoding = response.headers().get(CONTENT_ENCODING).map(|v| v.as_bytes());
        let gzip = is_gzip(encoding).map_err(|name| broken(Broken::Encoding(name), status))?;
        let mut sink = Sink::new(gzip, announced, limit, x.shelf);
        loop {
            let chunk = match timer.watch(response.chunk()).await {
                None => return Err(broken(Broken::Silent, status)),
                Some(Err(e)) => return Err(failed(&e, Phase::Body, status)),
                Some(Ok(Some(chunk))) => chunk,
                Some(Ok(None)) => break,
            };
            progress.touch();
            progress.received(chunk.len());
            sink.take(&chunk).map_err(|f| broken(f.into(), status))?;
        }
        let body = sink.finish().map_err(|f| broken(f.into(), status))?;
        Ok(Answer { status, headers: std::mem::take(response.headers_mut()).into(), body })
    }
}

fn build(s: &Settings, trust: Trust, route: &Route) -> Result<reqwest::Client, Error> {
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

#[derive(Clone)]
struct TrackLayer;

impl<S> tower_layer::Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Track(inner)
    }
}
