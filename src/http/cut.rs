//! What ends a call from outside: its deadline, its cancel token, the shutdown of the library.

use tokio::task::unconstrained;
use tokio::time::Instant;

use crate::error::{Cause, Error, Status};
use crate::runtime::{self, CancelToken};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Deadline,
    Cancelled,
    Shutdown,
}

/// Runs `work` until it is done or something cuts it off. A result that is there wins.
pub async fn watched<F: Future>(work: F, deadline: Instant, cancel: Option<&CancelToken>) -> Result<F::Output, Cut> {
    // Not a byte is sent for a call that was cancelled before it began.
    if cancel.is_some_and(CancelToken::is_triggered) {
        return Err(Cut::Cancelled);
    }
    let stopping = runtime::stopping();
    // Unconstrained: an answer that streams in without a pause must not outrun the one who cancels it.
    let cancelled = unconstrained(async {
        match cancel {
            Some(token) => token.triggered().await,
            None => std::future::pending().await,
        }
    });
    let either = async {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = cancelled => Err(Cut::Cancelled),
            () = unconstrained(stopping.triggered()) => Err(Cut::Shutdown),
        }
    };
    tokio::time::timeout_at(deadline, either).await.unwrap_or(Err(Cut::Deadline))
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
