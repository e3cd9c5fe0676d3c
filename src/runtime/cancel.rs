//! Cancel tokens: one token, any number of calls. Also how a shutdown reaches the calls that run.

use std::sync::Arc;

use tokio::sync::watch;

/// Cheap to clone; every clone is the same token.
#[derive(Clone, Debug)]
pub struct CancelToken(Arc<watch::Sender<bool>>);

impl Default for CancelToken {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl CancelToken {
    /// For good: a token is not reset.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    pub fn is_triggered(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the token is triggered, which may have happened before.
    pub async fn triggered(&self) {
        // Cannot fail: `self` is the sender.
        let _ = self.0.subscribe().wait_for(|t| *t).await;
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
