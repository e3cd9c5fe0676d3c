//! How far an attempt has come. Tells apart "waiting for a connection", "sending" and "waiting for an answer", which
//! decides what a timeout means and whether a failed write is in doubt.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

/// Body bytes handed to the connection at a time: small enough to notice progress on a slow line.
const FRAME: usize = 128 << 10;

tokio::task_local! {
    /// The attempt whose future is being polled; the connector finds it here.
    pub static CURRENT: Arc<Progress>;
}

pub struct Progress {
    started: Instant,
    /// Microseconds from `started` to the last sign of life.
    last: AtomicU64,
    /// The same to its end; zero until then.
    ended: AtomicU64,
    connecting: AtomicU32,
    body_taken: AtomicBool,
    has_body: bool,
    /// Our own connection tells what the system took: no need to conclude it.
    exact: AtomicBool,
    passed: AtomicBool,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl Progress {
    pub fn new(has_body: bool) -> Arc<Self> {
        Self::since(Instant::now(), has_body)
    }

    /// Of an attempt that began at `started`, a moment ago.
    pub fn since(started: Instant, has_body: bool) -> Arc<Self> {
        Arc::new(Self {
            started,
            last: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            connecting: AtomicU32::new(0),
            body_taken: AtomicBool::new(false),
            has_body,
            exact: AtomicBool::new(false),
            passed: AtomicBool::new(false),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
        })
    }

    /// When the attempt began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How long it took until its connection was free again, or else until now.
    pub fn lasted(&self) -> Duration {
        match self.ended.load(Ordering::Relaxed) {
            0 => self.started.elapsed(),
            ended => Duration::from_micros(ended),
        }
    }

    /// When its connection was free again, or else now.
    pub fn end(&self) -> Instant {
        self.started + self.lasted()
    }

    pub fn ended(&self, at: Instant) {
        self.ended.store(at.duration_since(self.started).as_micros().max(1) as u64, Ordering::Relaxed);
    }

    pub fn touch(&self) {
        self.last.store(self.started.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// The connection took so much of a body that is read while it is sent.
    pub(super) fn taken(&self, bytes: usize) {
        self.body_taken.store(true, Ordering::Release);
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    /// Bytes of the body handed to the connection.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the answer's body that came, as they were on the wire.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    pub fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A connection is being made: the connect timeout rules, not the idle one.
    pub fn is_connecting(&self) -> bool {
        self.connecting.load(Ordering::Acquire) > 0 && !self.body_taken.load(Ordering::Acquire)
    }

    /// Time since the last sign of life.
    pub fn idle(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_micros(self.last.load(Ordering::Relaxed)))
    }

    /// From here on [`Progress::passed`] is told of everything.
    pub fn exact(&self) {
        self.exact.store(true, Ordering::Release);
    }

    /// How much of the body was handed to the system, and whether the server can know of the request.
    pub fn passed(&self, body_bytes: usize, known: bool) {
        self.sent_bytes.store(body_bytes as u64, Ordering::Relaxed);
        if known {
            self.passed.store(true, Ordering::Release);
        }
    }

    /// Until the mark is dropped a connection is being made.
    pub fn connecting(self: &Arc<Self>) -> Mark {
        Mark::new(Arc::clone(self))
    }

    /// Whether the server may know of the request. Over our own connection: once its head was handed to the system. Else
    /// with a body: once the connection asked for it; without: unless the attempt never got past connecting.
    pub fn may_be_sent(&self) -> bool {
        if self.exact.load(Ordering::Acquire) {
            return self.passed.load(Ordering::Acquire);
        }
        if self.has_body { self.body_taken.load(Ordering::Acquire) } else { !self.is_connecting() }
    }
}

/// A request body that is sent from memory and reports when it is taken.
pub struct Upload {
    bytes: Bytes,
    progress: Arc<Progress>,
}

impl Upload {
    pub fn new(bytes: Bytes, progress: Arc<Progress>) -> Self {
        Self { bytes, progress }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.progress.body_taken.store(true, Ordering::Release);
        self.progress.touch();
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let n = self.bytes.len().min(FRAME);
        self.progress.sent_bytes.fetch_add(n as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(n)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// Wraps the connector: marks the attempt as connecting while its connection is being made.
#[derive(Clone)]
pub struct Track<S>(pub S);

impl<S, R> Service<R> for Track<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Tracked<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        Tracked { inner: Box::pin(self.0.call(request)), mark: CURRENT.try_with(|p| Mark::new(Arc::clone(p))).ok() }
    }
}

/// Held while connecting; the pool may finish a connection in the background after the attempt got another one.
pub struct Mark(Arc<Progress>);

impl Mark {
    fn new(progress: Arc<Progress>) -> Self {
        progress.connecting.fetch_add(1, Ordering::AcqRel);
        Self(progress)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.touch();
        self.0.connecting.fetch_sub(1, Ordering::AcqRel);
    }
}

pub struct Tracked<F> {
    inner: Pin<Box<F>>,
    mark: Option<Mark>,
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let done = self.inner.as_mut().poll(cx);
        if done.is_ready() {
            self.mark = None;
        }
        done
    }
}
