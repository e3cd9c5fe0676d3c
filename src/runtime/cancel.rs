//! Cancel tokens: one token, any number of calls. Also how a shutdown reaches the calls that run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Cheap to clone; every clone is the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Token>);

#[derive(Debug, Default)]
pub(super) struct Token {
    triggered: AtomicBool,
    waiting: Notify,
}

impl Token {
    pub const fn new() -> Self {
        Self { triggered: AtomicBool::new(false), waiting: Notify::const_new() }
    }

    pub fn trigger(&self) {
        self.triggered.store(true, Ordering::Release);
        self.waiting.notify_waiters();
    }

    /// Nobody waits any more, and who comes next is to wait again.
    pub fn reset(&self) {
        self.triggered.store(false, Ordering::Release);
    }

    fn is_triggered(&self) -> bool {
        self.triggered.load(Ordering::Acquire)
    }

    /// Ends when it is triggered, which may have happened before.
    pub async fn triggered(&self) {
        // Made before the look, so that it hears of what comes after. Pinned here, or there would be two of them.
        let told = std::pin::pin!(self.waiting.notified());
        if !self.is_triggered() {
            told.await;
        }
    }
}

impl CancelToken {
    /// For good: it is not reset.
    pub fn trigger(&self) {
        self.0.trigger();
    }

    pub fn is_triggered(&self) -> bool {
        self.0.is_triggered()
    }

    /// Ends when the token is triggered, which may have happened before.
    pub fn triggered(&self) -> impl Future<Output = ()> {
        self.0.triggered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wakes_those_who_wait_and_those_who_come_later() {
        let token = CancelToken::default();
        let waiting = tokio::spawn({
            let token = token.clone();
            async move { token.triggered().await }
        });
        tokio::task::yield_now().await;
        assert!(!token.is_triggered() && !waiting.is_finished());
        token.clone().trigger();
        waiting.await.unwrap();
        token.triggered().await;
        assert!(token.is_triggered());
    }
}
