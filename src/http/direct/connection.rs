//! One exchange over one connection: the request goes out while the answer may already come in, and the answer's body is
//! received straight into the buffer it is handed over in.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use reqwest::Method;
use tokio::time::Instant;

use super::chunks::{Chunks, Next};
use super::head::{self, Framing, Head, Malformed};
use super::wire::Wire;
use crate::http::body::{Fault, Shelf, Sink};
use crate::http::failure::Broken;
use crate::http::idle::IdleTimer;
use crate::http::progress::Progress;
use crate::http::transport::{Answer, Exchange};

/// Room for a head and what comes with it.
const INPUT: usize = 16 << 10;
/// Smaller chunks are received together and copied.
const SMALL_CHUNK: u64 = 16 << 10;
/// Answers that are only there to say that another one follows.
const MOST_INTERIM: u32 = 32;
/// After so many receives without a pause whoever watches the call gets a turn.
const TURNS: u32 = 64;

const TOO_LONG: Malformed = Malformed("message head is too large");

pub struct Connection {
    wire: Box<dyn Wire>,
    /// Received and, from `at` on, not yet used.
    input: Vec<u8>,
    at: usize,
    /// The head of the request.
    output: Vec<u8>,
}

/// The request on its way out.
struct Upload<'a> {
    body: &'a [u8],
    sent: usize,
    sending: bool,
    /// Why it was broken off. An answer may have come nevertheless.
    broke: Option<io::Error>,
    turns: u32,
}

/// An exchange that failed, with the status if the answer had begun.
pub type Failed = (Broken, u16);

impl Connection {
    pub fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, input: Vec::new(), at: 0, output: Vec::new() }
    }

    pub fn is_registered(&self) -> bool {
        self.wire.is_registered()
    }

    /// Whether it can take another request.
    pub fn is_quiet(&mut self, fresh: bool) -> bool {
        self.wire.is_quiet(fresh)
    }

    /// Whether the server can know of the last request.
    pub fn has_passed(&self) -> bool {
        self.wire.has_passed()
    }

    /// Sends and reads to the end; and whether the connection can be used again.
    pub async fn exchange(
        &mut self,
        x: &Exchange<'_>,
        limit: u64,
        progress: &Progress,
    ) -> Result<(Answer, bool), Failed> {
        self.output.clear();
        head::write(&mut self.output, x);
        self.wire.begin();
        let mut upload = Upload { body: x.body, sent: 0, sending: true, broke: None, turns: 0 };
        let first = IdleTimer::first(Instant::from_std(progress.started()), x.idle, x.until);
        let sleep = pin!(tokio::time::sleep_until(first));
        let mut timer = IdleTimer::over(sleep, x.idle, progress, x.until);
        let head = self.head(x.method, &mut upload, &mut timer, progress).await.map_err(|b| (b, 0))?;
        let (status, keep) = (head.status, head.keep);
        let bytes =
            self.body(&head, (limit, x.shelf), &mut upload, &mut timer, progress).await.map_err(|b| (b, status))?;
        // Exactly one answer to exactly one request, or nothing more comes of it.
        let clean = keep && !upload.sending && upload.broke.is_none() && self.at == self.input.len();
        self.input.clear();
        self.at = 0;
        self.wire.rest();
        Ok((Answer { status, headers: head.headers, body: bytes }, clean))
    }

    async fn head(
        &mut self,
        method: &Method,
        upload: &mut Upload<'_>,
        timer: &mut IdleTimer<'_>,
        progress: &Progress,
    ) -> Result<Head, Broken> {
        // Reading a head from the start with each byte that comes would cost its square.
        let (mut seen, mut next_try, mut interim) = (0, 1, 0);
        loop {
            let have = self.input.get(self.at..).unwrap_or_default();
            if have.len() >= next_try || has_blank_line(have, seen) {
                match head::read(have, method)? {
                    Some(head) if head.length > head::LONGEST => return Err(TOO_LONG.into()),
                    Some(head) if head.status < 200 && head.status != 101 => {
                        self.at += head.length;
                        interim += 1;
                        if interim > MOST_INTERIM {
                            return Err(Malformed("interim answers without an end").into());
                        }
                        (seen, next_try) = (0, 1);
                        continue;
                    }
                    Some(head) => {
                        self.at += head.length;
                        return Ok(head);
                    }
                    None if have.len() >= head::LONGEST => return Err(TOO_LONG.into()),
                    None => next_try = have.len() * 2,
                }
            }
            seen = have.len();
            match self.more(upload, timer, progress).await {
                // What there is may be wrong rather than incomplete.
                Err(Broken::Ended) if seen > 0 => {
                    head::read(self.input.get(self.at..).unwrap_or_default(), method)?;
                    return Err(Broken::Ended);
                }
                done => done?,
            }
        }
    }

    /// Receives something behind what is in `input`.
    async fn more(
        &mut self,
        upload: &mut Upload<'_>,
        timer: &mut IdleTimer<'_>,
        progress: &Progress,
    ) -> Result<(), Broken> {
        if self.at > 0 {
            self.input.drain(..self.at);
            self.at = 0;
        }
        self.input.reserve(INPUT);
        let Self { wire, input, output, .. } = self;
        let turn = poll_fn(|cx| poll_more(&mut **wire, output, upload, progress, cx, input, INPUT));
        received(timer.watch(turn).await, upload).map(drop)
    }

    /// Receives so many bytes of a body at most, straight into it; how many came.
    async fn straight(
        &mut self,
        sink: &mut Sink<'_>,
        most: u64,
        upload: &mut Upload<'_>,
        timer: &mut IdleTimer<'_>,
        progress: &Progress,
    ) -> Result<u64, Broken> {
        let Self { wire, output, .. } = self;
        let (room, most) = sink.room(most);
        let turn = poll_fn(|cx| poll_more(&mut **wire, output, upload, progress, cx, room, most));
        let n = received(timer.watch(turn).await, upload);
        sink.counted()?;
        let n = n? as u64;
        progress.received(n as usize);
        Ok(n)
    }

    /// Takes up to `most` bytes of what was received already.
    fn taken(&mut self, sink: &mut Sink<'_>, most: u64, progress: &Progress) -> Result<u64, Broken> {
        let have = self.input.get(self.at..).unwrap_or_default();
        let have = usize::try_from(most).ok().and_then(|most| have.get(..most)).unwrap_or(have);
        sink.take(have)?;
        progress.received(have.len());
        self.at += have.len();
        Ok(have.len() as u64)
    }

    async fn body(
        &mut self,
        head: &Head,
        (limit, shelf): (u64, Option<&Shelf>),
        upload: &mut Upload<'_>,
        timer: &mut IdleTimer<'_>,
        progress: &Progress,
    ) -> Result<Vec<u8>, Broken> {
        let announced = match head.framing {
            Framing::None => return Ok(Vec::new()),
            Framing::Length(n) if n > limit => return Err(Fault::TooLarge.into()),
            Framing::Length(n) => Some(n),
            Framing::Chunked | Framing::UntilClose => None,
        };
        let gzip = head.gzip.clone().map_err(Broken::Encoding)?;
        let mut sink = Sink::new(gzip, announced, limit, shelf);
        match head.framing {
            Framing::None => {}
            Framing::Length(mut left) => {
                left -= self.taken(&mut sink, left, progress)?;
                while left > 0 {
                    left -= self.straight(&mut sink, left, upload, timer, progress).await?;
                }
            }
            Framing::UntilClose => {
                self.taken(&mut sink, u64::MAX, progress)?;
                loop {
                    match self.straight(&mut sink, u64::MAX, upload, timer, progress).await {
                        Ok(_) => {}
                        Err(Broken::Ended) => break,
                        Err(e) => return Err(e),
                    }
                }
            }
            Framing::Chunked => {
                let mut chunks = Chunks::new();
                loop {
                    let mut rest = self.input.get(self.at..).unwrap_or_default();
                    let next = chunks.next(&mut rest)?;
                    self.at = self.input.len() - rest.len();
                    match next {
                        Next::Done => break,
                        Next::Data(n) if self.at < self.input.len() => {
                            chunks.took(self.taken(&mut sink, n, progress)?);
                        }
                        Next::Data(n) if n >= SMALL_CHUNK => {
                            chunks.took(self.straight(&mut sink, n, upload, timer, progress).await?);
                        }
                        Next::Data(_) | Next::More => self.more(upload, timer, progress).await?,
                    }
                }
            }
        }
        Ok(sink.finish()?)
    }
}

fn has_blank_line(head: &[u8], seen: usize) -> bool {
    let from = head.get(seen.saturating_sub(2)..).unwrap_or_default();
    from.windows(2).any(|w| w == b"\n\n") || from.windows(3).any(|w| w == b"\n\r\n")
}

fn received(got: Option<io::Result<usize>>, upload: &mut Upload<'_>) -> Result<usize, Broken> {
    match got {
        None => Err(Broken::Silent),
        Some(Ok(0)) => Err(upload.broke.take().map_or(Broken::Ended, Broken::Io)),
        Some(Ok(n)) => Ok(n),
        Some(Err(e)) => Err(Broken::Io(upload.broke.take().unwrap_or(e))),
    }
}

/// Sends what is left, then receives.
fn poll_more(
    wire: &mut dyn Wire,
    head: &[u8],
    upload: &mut Upload<'_>,
    progress: &Progress,
    cx: &mut Context<'_>,
    into: &mut Vec<u8>,
    most: usize,
) -> Poll<io::Result<usize>> {
    let mut later = false;
    if upload.sending {
        match poll_upload(wire, head, upload, progress, cx) {
            Poll::Pending => {}
            Poll::Ready(done) => {
                upload.sending = false;
                later = done.is_ok();
                upload.broke = done.err();
            }
        }
    }
    upload.turns += 1;
    if upload.turns.is_multiple_of(TURNS) {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    wire.poll_receive(cx, into, most, later)
}

fn poll_upload(
    wire: &mut dyn Wire,
    head: &[u8],
    upload: &mut Upload<'_>,
    progress: &Progress,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let body_sent = upload.sent.saturating_sub(head.len());
        let pieces = [head.get(upload.sent..).unwrap_or_default(), upload.body.get(body_sent..).unwrap_or_default()];
        // The attempt, or its connection, began a moment ago.
        let first = upload.turns == 0 && upload.sent == 0;
        let sent = wire.poll_send(cx, pieces);
        if let Poll::Ready(Ok(n)) = &sent {
            upload.sent += n;
        }
        let body_sent = upload.sent.saturating_sub(head.len());
        // Half a head tells a server nothing.
        progress.passed(body_sent, wire.has_passed() && upload.sent >= head.len());
        match sent {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
            Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
            Poll::Ready(Ok(_)) if first => {}
            Poll::Ready(Ok(_)) => progress.touch(),
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
