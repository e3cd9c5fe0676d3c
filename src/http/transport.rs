//! One exchange: a request out, a whole answer in, or a failure that says how far it came. No repeats here. What goes
//! straight to its address goes over our own connections; proxies and the settings of the system are reqwest's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};

use super::body::Shelf;
use super::cut::Until;
use super::direct::Direct;
use super::fields::Fields;
use super::headers::Headers;
use super::progress::Progress;
use super::proxy::Route;
use super::relayed::Relayed;
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

pub struct Transport {
    settings: Settings,
    direct: Direct,
    relayed: Relayed,
}

#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    pub method: &'a Method,
    pub url: &'a Url,
    pub headers: &'a Headers,
    /// Goes along with the headers.
    pub authorization: Option<&'a HeaderValue>,
    pub body: &'a Bytes,
    /// For each wait; connecting has the transport's own.
    pub idle: Duration,
    /// The end of its call, where that is watched: one timer can then see to both.
    pub until: Option<&'a Until>,
    /// Where the memory for a large answer may come from.
    pub shelf: Option<&'a Shelf>,
}

impl<'a> Exchange<'a> {
    /// By itself: without a token, without a call around it.
    pub fn alone(method: &'a Method, url: &'a Url, headers: &'a Headers, body: &'a Bytes, idle: Duration) -> Self {
        Self { method, url, headers, authorization: None, body, idle, until: None, shelf: None }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Fields,
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
        Self { direct: Direct::new(&settings), relayed: Relayed::default(), settings }
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

    /// What transfers of files go through: reading and writing files takes longer than anything it adds.
    pub(super) fn client(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        self.relayed.client(&self.settings, self.route(url), url)
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
    pub async fn exchange(&self, x: Exchange<'_>, progress: &Arc<Progress>) -> Result<Answer, Failure> {
        let route = self.route(x.url);
        if !matches!(route, Route::System) && route.for_url(x.url).is_none() {
            return self.direct.exchange(&x, progress, || self.peer(x.url)).await;
        }
        let peer = self.peer(x.url);
        // Its state is larger than all the rest of a call, and no call should carry it that does not need it.
        Box::pin(self.relayed.exchange(&self.settings, route, x, progress, &peer)).await
    }
}
