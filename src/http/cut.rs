//! What ends a call from outside: its deadline, its cancel token, the shutdown of the library.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::{Cause, Error, Status};
use crate::runtime::{self, CancelToken};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Deadline,
    Cancelled,
    Shutdown,
}

/// The end of a call. To set a timer and to take it back is a good part of what a small request costs, so work that has one
/// of its own lets it run no longer than this and says so; then there is no other.
pub struct Until {
    pub at: Instant,
    kept: AtomicBool,
}

/// While it is held, its holder has the call looked at no later than at its end.
pub struct Kept<'a>(&'a Until);

impl Until {
    pub fn new(at: Instant) -> Self {
        Self { at, kept: AtomicBool::new(false) }
    }

    pub fn keep(&self) -> Kept<'_> {
        self.kept.store(true, Ordering::Relaxed);
        Kept(self)
    }

    async fn come(&self) {
        let mut timer = pin!(None::<Sleep>);
        poll_fn(|cx| {
            if self.kept.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            if timer.is_none() {
                timer.set(Some(sleep_until(self.at)));
            }
            timer.as_mut().as_pin_mut().map_or(Poll::Pending, |t| t.poll(cx))
        })
        .await;
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.kept.store(false, Ordering::Relaxed);
    }
}

/// Runs `work` until it is done or something cuts it off. A result that is there wins.
pub async fn watched<F: Future>(work: F, deadline: Instant, cancel: Option<&CancelToken>) -> Result<F::Output, Cut> {
    watched_until(&Until::new(deadline), work, cancel).await
}

/// The same for work that may keep `until` itself.
pub async fn watched_until<F: Future>(until: &Until, work: F, cancel: Option<&CancelToken>) -> Result<F::Output, Cut> {
    // Not a byte is sent for a call that was cancelled before it began.
    if cancel.is_some_and(CancelToken::is_triggered) {
        return Err(Cut::Cancelled);
    }
    let cancelled = async {
        match cancel {
            Some(token) => token.triggered().await,
            None => pending().await,
        }
    };
    // Unconstrained: an answer that streams in without a pause must not outrun what ends it.
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = unconstrained(cancelled) => Err(Cut::Cancelled),
        () = unconstrained(runtime::stopping()) => Err(Cut::Shutdown),
        () = unconstrained(until.come()) => Err(Cut::Deadline),
    }
}

impl Cut {
    /// `sofar`: what had happened until then, as the end of a sentence.
    pub fn error(self, within_ms: u128, sofar: &str) -> Error {
        match self {
            Cut::Deadline => Error::new(Status::Timeout, format!("the call did not end within {within_ms} ms{sofar}"))
                .with(|d| d.cause = Some(Cause::TotalTimeout)),
            Cut::Cancelled => Error::new(Status::Cancelled, format!("the call was cancelled{sofar}")),
            Cut::Shutdown => Error::shutdown(),
        }
    }
}
