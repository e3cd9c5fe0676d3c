//! The idle timer of one exchange: set once, moved only when it fires.

use std::pin::Pin;
use std::time::Duration;

use super::progress::Progress;

pub struct IdleTimer<'a> {
    sleep: Pin<Box<tokio::time::Sleep>>,
    idle: Duration,
    progress: &'a Progress,
}

impl<'a> IdleTimer<'a> {
    pub fn new(idle: Duration, progress: &'a Progress) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(idle)), idle, progress }
    }

    /// `None` when nothing moved for the idle time. While a connection is being made the connect timeout rules instead.
    pub async fn watch<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::pin!(future);
        self.progress.touch();
        loop {
            tokio::select! {
                biased;
                out = &mut future => return Some(out),
                () = &mut self.sleep => {
                    let silent = self.progress.idle();
                    let wait = match self.progress.is_connecting() {
                        true => self.idle,
                        false if silent >= self.idle => return None,
                        false => self.idle - silent,
                    };
                    self.sleep.as_mut().reset(tokio::time::Instant::now() + wait);
                }
            }
        }
    }
}
