//! The idle timer of one exchange: set once, moved only when it fires.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Sleep;

use super::progress::Progress;

enum Slept<'a> {
    Own(Pin<Box<Sleep>>),
    Lent(Pin<&'a mut Sleep>),
}

impl Slept<'_> {
    fn timer(&mut self) -> Pin<&mut Sleep> {
        match self {
            Self::Own(sleep) => sleep.as_mut(),
            Self::Lent(sleep) => sleep.as_mut(),
        }
    }
}

pub struct IdleTimer<'a> {
    sleep: Slept<'a>,
    idle: Duration,
    progress: &'a Progress,
}

impl<'a> IdleTimer<'a> {
    pub fn new(idle: Duration, progress: &'a Progress) -> Self {
        Self { sleep: Slept::Own(Box::pin(tokio::time::sleep(idle))), idle, progress }
    }

    /// The same over a timer that lies elsewhere.
    pub fn over(sleep: Pin<&'a mut Sleep>, idle: Duration, progress: &'a Progress) -> Self {
        Self { sleep: Slept::Lent(sleep), idle, progress }
    }

    /// `None` when nothing moved for the idle time. While a connection is being made the connect timeout rules instead.
    pub async fn watch<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::pin!(future);
        self.progress.touch();
        loop {
            tokio::select! {
                biased;
                out = &mut future => return Some(out),
                () = self.sleep.timer() => {
                    let silent = self.progress.idle();
                    let wait = match self.progress.is_connecting() {
                        true => self.idle,
                        false if silent >= self.idle => return None,
                        false => self.idle - silent,
                    };
                    self.sleep.timer().reset(tokio::time::Instant::now() + wait);
                }
            }
        }
    }
}
