//! Content of files, to and from where a link points: repeated, redirected and limited like any call, but streamed. A body
//! is never in memory as a whole; for a repeat it is read anew, and what came of an answer that broke off is kept.

use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body::{Body, Frame, SizeHint};
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LOCATION,
    RANGE, RETRY_AFTER,
};
use tokio::time::Instant;

use super::client::{Call, HttpClient, Response};
use super::cut::watched;
use super::failure;
use super::idle::IdleTimer;
use super::metrics;
use super::observe::{self, Again, Ended};
use super::progress::{CURRENT, Progress};
use super::redirect::Place;
use super::retry::{Budget, Fault, pause, retry_after};
use super::transport::{Answer, Failure};
use crate::auth::engine::Header;
use crate::error::{Cause, Error, Phase, Status};
use crate::redact;
use crate::runtime;

/// Most of an answer that is read where it is not the content.
const MAX_WORDS: usize = 64 << 10;
/// An attempt that got so much further than any before it is none in vain: what breaks off then has all repeats before it.
const HEADWAY: u64 = 1 << 20;

pub type Reading = Pin<Box<dyn Future<Output = std::io::Result<Bytes>> + Send + Sync>>;
pub type Putting<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// What a body is read from, as often as it takes.
pub trait Source: Send + Sync {
    fn length(&self) -> u64;
    /// Some bytes from `at` on, which lies before the end. None: there are no more, whatever `length` said.
    fn read(&self, at: u64) -> Reading;
}

/// What an answer is put into, in order.
pub trait Sink: Send {
    /// It comes from the start, for the first time or again; `length` if the service says it.
    fn begin(&mut self, length: Option<u64>) -> Putting<'_>;
    fn put<'a>(&'a mut self, bytes: &'a [u8]) -> Putting<'a>;
    /// That was all.
    fn finish(&mut self) -> Putting<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An answer on its way into a sink, over several attempts and links.
pub struct Incoming {
    sink: Box<dyn Sink>,
    /// How much the sink has.
    pub bytes: u64,
    total: Option<u64>,
    /// Names the version of the content that is being read; without one a broken answer begins anew.
    version: Option<HeaderValue>,
}

impl Incoming {
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, bytes: 0, total: None, version: None }
    }
}

/// Which way the content goes.
pub enum Content<'a> {
    Out(Arc<dyn Source>),
    In(&'a mut Incoming),
}

/// What is known of a transfer while it runs.
#[derive(Default)]
struct Ledger {
    attempts: u32,
    doubt: bool,
    last: Option<String>,
    progress: Option<Arc<Progress>>,
}

enum Broke {
    Net(Failure),
    /// Not the network's doing: no repeat will help.
    Here(Error),
}

impl HttpClient {
    /// Carries it over. Of an answer that goes into a sink the body is left empty. `call` has no body of its own.
    pub async fn transfer(&self, call: &Call, mut content: Content<'_>) -> Result<Response, Error> {
        // Streamed by reqwest, and read from and written to disk meanwhile: nothing for a caller's thread.
        runtime::on_engine().await;
        let mark = self.metrics.call(std::time::Instant::now());
        let deadline = Instant::now() + call.total;
        let mut ledger = Ledger::default();
        let work = Box::pin(self.rounds(call, &mut content, deadline, &mut ledger));
        let outcome = watched(work, deadline, call.cancel.as_ref()).await.unwrap_or_else(|cut| {
            ledger.doubt |= ledger.progress.as_ref().is_some_and(|p| p.may_be_sent());
            let last = ledger.last.as_deref().map(|l| format!("; the last one failed: {l}")).unwrap_or_default();
            let sofar = format!(" (content of a file, {} attempts{last})", ledger.attempts);
            Err(cut.error(call.total.as_millis(), &sofar))
        });
        let debug = self.checked().config.debug;
        let told = |elapsed, outcome: Result<&Response, &Error>| {
            observe::done(debug, call, None, &Ended { attempts: ledger.attempts, elapsed, outcome, refused: None });
        };
        match outcome {
            Ok(answer) => {
                let response = Response {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                    attempts: ledger.attempts,
                    elapsed: mark.end(Ok(answer.status)),
                    index: None,
                    payload: None,
                    home: None,
                };
                told(response.elapsed, Ok(&response));
                Ok(response)
            }
            Err(mut error) => {
                let d = error.detail_mut();
                d.in_doubt = call.class.is_write() && ledger.doubt;
                d.attempts = ledger.attempts;
                d.method = Some(call.method.to_string());
                d.url = Some(redact::url(call.url.as_str()));
                told(mark.end(Err(&error)), Err(&error));
                Err(error)
            }
        }
    }

    async fn rounds(
        &self,
        call: &Call,
        content: &mut Content<'_>,
        deadline: Instant,
        ledger: &mut Ledger,
    ) -> Result<Answer, Error> {
        let mut budget = Budget::default();
        let mut furthest = 0;
        let mut place = Place::start(&call.url, call.authorize);
        let ticket = call.budget.map(|key| self.budgets().get(key).ticket());
        loop {
            let token = if place.authorize { Some(self.tokens.header().await?) } else { None };
            let permit = match &ticket {
                Some(ticket) => Some(ticket.permit().await),
                None => None,
            };
            let pool = self.metrics.place(self.permits.acquire()).await.map_err(|_| Error::shutdown())?;
            let progress = Progress::new(matches!(content, Content::Out(source) if source.length() > 0));
            ledger.attempts += u32::from(place.hops == 0);
            ledger.progress = Some(Arc::clone(&progress));
            let mark = self.metrics.exchange(&progress);
            let outcome = self.pass(call, &place, token.as_ref(), content, &progress).await;
            drop((mark, pool, permit));
            ledger.progress = None;
            if let Content::In(incoming) = content
                && incoming.bytes >= furthest + HEADWAY
            {
                furthest = incoming.bytes;
                budget = Budget::default();
            }
            let settings = self.settings();
            let (error, fault, sent, asked) = match outcome {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                Ok(answer)
                    if (300..400).contains(&answer.status)
                        && settings.follow_redirects
                        && place.follow(&call.method, answer.status, &answer.headers) =>
                {
                    continue;
                }
                Ok(answer) => {
                    let auto = answer.headers.get("cdf-is-auto-retryable");
                    let auto = auto.is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true"));
                    ledger.doubt |= !auto && (answer.status >= 500 || answer.status == 408);
                    let asked = answer.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
                    let asked = asked.and_then(|v| retry_after(v, SystemTime::now()));
                    let fault = match content {
                        // The part that is missing does not exist (any more).
                        Content::In(incoming) if answer.status == 416 && incoming.bytes > 0 => {
                            incoming.version = None;
                            Fault::Connection
                        }
                        _ => Fault::Status { code: answer.status, asked: auto },
                    };
                    let again = auto || answer.status == 429 || settings.status_forcelist.contains(&answer.status);
                    let error = refusal(&place, &answer).with(|d| {
                        d.project = Some(self.checked().project.clone());
                        d.retry_after = asked;
                        d.retryable = again;
                    });
                    (error, fault, true, asked)
                }
                Err(Broke::Here(error)) => return Err(error),
                Err(Broke::Net(failure)) => {
                    ledger.doubt |= failure.sent;
                    let fault = match failure.cause {
                        Cause::IdleTimeout => Fault::Idle,
                        Cause::Tls | Cause::TooLarge | Cause::ProxyAuth => Fault::Final,
                        _ => Fault::Connection,
                    };
                    let sent = failure.sent;
                    (failure.into_error().with(|d| d.retryable = fault != Fault::Final), fault, sent, None)
                }
            };
            let again = budget.allows(fault, call.class, sent, &settings);
            let wait = pause(budget.repeats(), settings.max_retry_backoff, asked);
            if !again || Instant::now() + wait >= deadline {
                return Err(error);
            }
            ledger.last = Some(error.message().to_owned());
            let reason = metrics::reason(&error);
            self.metrics.retry(&reason);
            let again = Again { attempt: ledger.attempts, wait, reason: &reason, error: &error };
            observe::retry(self.checked().config.debug, call, None, &again);
            tokio::time::sleep(wait).await;
            place = Place::start(&call.url, call.authorize);
        }
    }

    /// One exchange.
    async fn pass(
        &self,
        call: &Call,
        place: &Place<'_>,
        token: Option<&Header>,
        content: &mut Content<'_>,
        progress: &Arc<Progress>,
    ) -> Result<Answer, Broke> {
        let idle = self.checked().config.file_transfer_timeout;
        let peer = self.transport.peer(&place.url);
        let client = self.transport.client(&place.url).map_err(Broke::Here)?;
        let mut request = reqwest::Request::new(call.method.clone(), place.url.clone().into_owned());
        let mut headers = HeaderMap::clone(&call.headers);
        place.strip(&mut headers);
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.value.clone());
        }
        let unread: Arc<Mutex<Option<std::io::Error>>> = Arc::default();
        match content {
            Content::Out(source) if source.length() == 0 => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Content::Out(source) => {
                let body = Outgoing {
                    source: Arc::clone(source),
                    at: 0,
                    reading: None,
                    progress: Arc::clone(progress),
                    unread: Arc::clone(&unread),
                };
                *request.body_mut() = Some(reqwest::Body::wrap(body));
            }
            Content::In(incoming) => incoming.ask_for_the_rest(&mut headers),
        }
        *request.headers_mut() = headers;
        let exchange = Exchange { peer, idle, progress };
        let mut timer = IdleTimer::new(idle, progress);
        let sending = CURRENT.scope(Arc::clone(progress), client.execute(request));
        let mut response = match timer.watch(sending).await {
            None => return Err(exchange.stalled(Phase::Send, 0)),
            Some(Err(e)) => {
                return Err(match unread.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    Some(local) => Broke::Here(Error::new(Status::Io, format!("the content cannot be read: {local}"))),
                    None => exchange.failed(e, Phase::Send, 0),
                });
            }
            Some(Ok(response)) => response,
        };
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        match content {
            Content::In(incoming) if response.status().is_success() => {
                incoming.receive(&exchange, &mut timer, &mut response, &headers).await?;
            }
            // The storage has it, whatever words follow.
            Content::Out(_) if response.status().is_success() => {}
            // The status says all; words that break off are no failure.
            _ => {
                while let Some(Ok(Some(chunk))) = timer.watch(response.chunk()).await
                    && body.len() < MAX_WORDS
                {
                    body.extend_from_slice(&chunk);
                }
            }
        }
        Ok(Answer { status, headers: headers.into(), body })
    }
}

/// With whom, and how far it is.
struct Exchange<'a> {
    peer: String,
    idle: Duration,
    progress: &'a Arc<Progress>,
}

impl Exchange<'_> {
    fn stalled(&self, phase: Phase, http_status: u16) -> Broke {
        let message = format!(
            "{} did not send or take anything for {} ms (file_transfer_timeout)",
            self.peer,
            self.idle.as_millis()
        );
        Broke::Net(Failure { cause: Cause::IdleTimeout, phase, sent: true, http_status, message })
    }

    fn failed(&self, e: reqwest::Error, phase: Phase, http_status: u16) -> Broke {
        // The link is a secret.
        let e = e.without_url();
        let sent = phase == Phase::Body || (self.progress.may_be_sent() && !failure::surely_unsent(&e));
        let (cause, message) = failure::classify(&e, &self.peer);
        Broke::Net(Failure { cause, phase: if sent { phase } else { Phase::Connect }, sent, http_status, message })
    }

    fn damaged(&self, cause: Cause, http_status: u16, what: &str) -> Broke {
        let message = format!("{}: {what}", self.peer);
        Broke::Net(Failure { cause, phase: Phase::Body, sent: true, http_status, message })
    }
}

impl Incoming {
    fn ask_for_the_rest(&self, headers: &mut HeaderMap) {
        if let (Some(version), 1..) = (&self.version, self.bytes)
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.bytes))
        {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, version.clone());
        }
    }

    async fn receive(
        &mut self,
        exchange: &Exchange<'_>,
        timer: &mut IdleTimer<'_>,
        response: &mut reqwest::Response,
        headers: &HeaderMap,
    ) -> Result<(), Broke> {
        let status = response.status().as_u16();
        let mut decoder = match headers.get(CONTENT_ENCODING).map(|v| v.as_bytes().to_ascii_lowercase()) {
            None => None,
            Some(v) if v.is_empty() || v == b"identity" => None,
            Some(v) if v == b"gzip" || v == b"x-gzip" => Some(MultiGzDecoder::new(Vec::new())),
            Some(_) => return Err(exchange.damaged(Cause::BodyDecode, status, "an encoding that was not asked for")),
        };
        if status == 206 {
            if !self.fits(headers) || decoder.is_some() {
                self.version = None;
                return Err(exchange.damaged(Cause::Protocol, status, "another part came than was asked for"));
            }
        } else {
            let length = announced(headers);
            let plain = decoder.is_none();
            self.bytes = 0;
            self.total = length;
            self.version = headers.get(ETAG).filter(|v| plain && !v.as_bytes().starts_with(b"W/")).cloned();
            self.sink.begin(length.filter(|_| plain)).await.map_err(Broke::Here)?;
        }
        let mut empty = true;
        loop {
            let chunk = match timer.watch(response.chunk()).await {
                None => return Err(exchange.stalled(Phase::Body, status)),
                Some(Err(e)) => return Err(exchange.failed(e, Phase::Body, status)),
                Some(Ok(Some(chunk))) => chunk,
                Some(Ok(None)) => break,
            };
            exchange.progress.touch();
            exchange.progress.received(chunk.len());
            empty = false;
            match &mut decoder {
                None => self.put(&chunk).await?,
                Some(decoder) => {
                    // Piece by piece: what is small can become large.
                    for piece in chunk.chunks(4096) {
                        decoder.write_all(piece).map_err(|_| exchange.damaged(Cause::BodyDecode, status, UNPACKED))?;
                        let plain = std::mem::take(decoder.get_mut());
                        self.put(&plain).await?;
                    }
                }
            }
        }
        if let Some(decoder) = decoder.filter(|_| !empty) {
            let rest = decoder.finish().map_err(|_| exchange.damaged(Cause::BodyDecode, status, UNPACKED))?;
            self.put(&rest).await?;
        } else if self.total.is_some_and(|n| n != self.bytes) {
            return Err(exchange.damaged(Cause::Closed, status, "the answer is not as long as it was said to be"));
        }
        self.sink.finish().await.map_err(Broke::Here)
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), Broke> {
        self.sink.put(bytes).await.map_err(Broke::Here)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether a part is the one that is missing, of the content that was begun.
    fn fits(&self, headers: &HeaderMap) -> bool {
        let same = headers.get(ETAG).is_none_or(|v| Some(v) == self.version.as_ref());
        let range = headers.get(CONTENT_RANGE).and_then(|v| v.to_str().ok()).and_then(content_range);
        same && self.version.is_some()
            && range.is_some_and(|(first, total)| first == self.bytes && self.total.is_none_or(|n| n == total))
    }
}

const UNPACKED: &str = "the compressed answer is damaged or cut short";

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `bytes 5-9/10`: the first byte, and how many there are in all.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (first.parse().ok()?, last.parse::<u64>().ok()?, total.parse().ok()?);
    (first <= last && last.checked_add(1) == Some(total)).then_some((first, total))
}

/// The error of an answer that is not 2xx. Storages quote the request: what lets anybody in is masked.
fn refusal(place: &Place<'_>, answer: &Answer) -> Error {
    let mut body = answer.body.clone();
    body.truncate(MAX_WORDS);
    let raw = place.url.query().unwrap_or_default().split('&').filter_map(|p| p.split_once('='));
    let plain = place.url.query_pairs().map(|(_, value)| value.into_owned());
    for secret in raw.map(|(_, value)| value.to_owned()).chain(plain) {
        body = redact::without(&body, secret.as_bytes()).into_owned();
    }
    let said = String::from_utf8_lossy(&body).into_owned();
    let host = place.url.host_str().unwrap_or("the storage");
    let location = answer.headers.get(LOCATION).and_then(|v| v.to_str().ok()).map(redact::url);
    let mut sentence = format!("the storage ({host}) answered {}", answer.status);
    if let Some(to) = &location {
        sentence.push_str(&format!(" and points to {to}; redirects are not followed (follow_redirects)"));
    }
    if !said.is_empty() {
        sentence.push_str(": ");
        sentence.extend(said.chars().take(500));
    }
    Error::new(Status::Api, sentence).with(|d| {
        d.http_status = answer.status;
        d.service_message = Some(said.into());
        d.location = location;
    })
}

/// A body that is read while it is sent.
struct Outgoing {
    source: Arc<dyn Source>,
    at: u64,
    reading: Option<Reading>,
    progress: Arc<Progress>,
    /// Why it cannot be read, for the one who waits for the exchange.
    unread: Arc<Mutex<Option<std::io::Error>>>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if this.at >= this.source.length() {
            return Poll::Ready(None);
        }
        let reading = this.reading.get_or_insert_with(|| this.source.read(this.at));
        let Poll::Ready(read) = reading.as_mut().poll(cx) else { return Poll::Pending };
        this.reading = None;
        let read = read.and_then(|bytes| match bytes.is_empty() {
            true => Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it became shorter")),
            false => Ok(bytes),
        });
        Poll::Ready(Some(match read {
            Ok(bytes) => {
                this.at += bytes.len() as u64;
                this.progress.taken(bytes.len());
                Ok(Frame::data(bytes))
            }
            Err(e) => {
                let kind = e.kind();
                *this.unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                Err(kind.into())
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.source.length()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.source.length() - self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_answers() {
        for (text, wanted) in [
            ("bytes 4-9/10", Some((4, 10))),
            ("bytes 0-0/1", Some((0, 1))),
            ("bytes 4-8/10", None),
            ("bytes 9-4/10", None),
            ("bytes 4-9/*", None),
            ("bytes */10", None),
            ("4-9/10", None),
            ("bytes 4-18446744073709551615/10", None),
            ("", None),
        ] {
            assert_eq!(content_range(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_a_storage_quotes_is_masked() {
        let url = "https://s.example/c?sig=a%2Fb%2Bc%3Ddefgh&se=2026".parse().unwrap();
        let place = Place::start(&url, false);
        let body = b"<E>signature a/b+c=defgh (a%2Fb%2Bc%3Ddefgh) of 2026</E>".to_vec();
        let error = refusal(&place, &Answer { status: 403, headers: HeaderMap::new().into(), body });
        assert_eq!(error.detail().service_message, Some("<E>signature *** (***) of 2026</E>".into()));
        assert!(!error.message().contains("defgh"), "{error}");
    }

    struct Nothing;
    impl Sink for Nothing {
        fn begin(&mut self, _: Option<u64>) -> Putting<'_> {
            Box::pin(async { Ok(()) })
        }
        fn put<'a>(&'a mut self, _: &'a [u8]) -> Putting<'a> {
            Box::pin(async { Ok(()) })
        }
    }

    #[test]
    fn only_the_missing_part_of_the_same_content_is_taken() {
        let mut incoming = Incoming::new(Box::new(Nothing));
        let mut asked = HeaderMap::new();
        incoming.ask_for_the_rest(&mut asked);
        assert!(asked.is_empty());
        (incoming.bytes, incoming.total) = (4, Some(10));
        incoming.ask_for_the_rest(&mut asked);
        assert!(asked.is_empty(), "nothing says that it is the same content");
        incoming.version = Some(HeaderValue::from_static("\"v1\""));
        incoming.ask_for_the_rest(&mut asked);
        assert_eq!((&asked[RANGE], &asked[IF_RANGE]), (&"bytes=4-".parse().unwrap(), &"\"v1\"".parse().unwrap()));
        for (range, etag, fits) in [
            ("bytes 4-9/10", Some("\"v1\""), true),
            ("bytes 4-9/10", None, true),
            ("bytes 4-9/10", Some("\"v2\""), false),
            ("bytes 3-9/10", None, false),
            ("bytes 4-10/11", None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, range.parse().unwrap());
            if let Some(etag) = etag {
                headers.insert(ETAG, etag.parse().unwrap());
            }
            assert_eq!(incoming.fits(&headers), fits, "{range} {etag:?}");
        }
        assert!(!incoming.fits(&HeaderMap::new()));
    }
}
