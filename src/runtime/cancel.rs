//! Cancel tokens: one token, any number of calls. Also how a shutdown reaches the calls that run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Cheap to clone; every clone is the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    triggered: AtomicBool,
    waiting: Notify,
}

impl CancelToken {
    /// For good: a token is not reset.
    pub fn trigger(&self) {
        self.0.triggered.store(true, Ordering::Release);
        self.0.waiting.notify_waiters();
    }

    pub fn is_triggered(&self) -> bool {
        self.0.triggered.load(Ordering::Acquire)
    }

    /// Ends when the token is triggered, which may have happened before.
    pub async fn triggered(&self) {
        // Made before the look, so that it hears of what comes after.
        let told = self.0.waiting.notified();
        if !self.is_triggered() {
            told.await;
        }
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
