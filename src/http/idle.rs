//! The idle timer of one exchange: set once, moved only when it fires.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::cut::Until;
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
    until: Option<&'a Until>,
    /// Something was waited for.
    begun: bool,
}

impl<'a> IdleTimer<'a> {
    pub fn new(idle: Duration, progress: &'a Progress) -> Self {
        let sleep = Slept::Own(Box::pin(tokio::time::sleep(idle)));
        progress.touch();
        Self { sleep, idle, progress, until: None, begun: false }
    }

    /// The same over a timer that lies elsewhere, set to [`IdleTimer::first`], and with an eye on the end of the call. The
    /// attempt, or its connection, began a moment ago.
    pub fn over(sleep: Pin<&'a mut Sleep>, idle: Duration, progress: &'a Progress, until: Option<&'a Until>) -> Self {
        Self { sleep: Slept::Lent(sleep), idle, progress, until, begun: false }
    }

    /// When what was last heard of at `from` is to be looked at.
    pub fn first(from: Instant, idle: Duration, until: Option<&Until>) -> Instant {
        until.map_or(from + idle, |u| u.at.min(from + idle))
    }

    /// `None` when nothing moved for the idle time. While a connection is being made the connect timeout rules instead.
    pub async fn watch<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::pin!(future);
        if std::mem::replace(&mut self.begun, true) {
            self.progress.touch();
        }
        let kept = self.until.map(Until::keep);
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
                    let now = Instant::now();
                    if self.until.is_some_and(|u| u.at <= now) {
                        break;
                    }
                    self.sleep.timer().reset(Self::first(now, wait, self.until));
                }
            }
        }
        // Who watches the call ends it now.
        drop(kept);
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::http::cut::{Cut, watched_until};

    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_secs(3600);

    /// Waits for each of `waits` in turn, with one timer, and then for nothing that has any.
    async fn call(idle: Duration, total: Duration, waits: Vec<bool>) -> Result<Option<()>, Cut> {
        let until = Until::new(Instant::now() + total);
        let progress = Progress::new(false);
        let work = async {
            let first = IdleTimer::first(Instant::now(), idle, Some(&until));
            let sleep = std::pin::pin!(tokio::time::sleep_until(first));
            let mut timer = IdleTimer::over(sleep, idle, &progress, Some(&until));
            for ends in waits {
                if ends {
                    timer.watch(ready(())).await?;
                } else {
                    timer.watch(pending::<()>()).await?;
                }
            }
            pending().await
        };
        watched_until(&until, work, None).await
    }

    #[tokio::test]
    async fn one_timer_sees_to_silence_and_to_the_end_of_the_call() {
        assert_eq!(call(LATE, SOON, vec![false]).await, Err(Cut::Deadline));
        assert_eq!(call(LATE, SOON, vec![true, true, false]).await, Err(Cut::Deadline));
        assert_eq!(call(SOON, LATE, vec![false]).await, Ok(None));
        assert_eq!(call(SOON, LATE, vec![true, false]).await, Ok(None));
        // The timer went with the last wait: the call has one of its own again.
        assert_eq!(call(LATE, SOON, vec![true]).await, Err(Cut::Deadline));
        assert_eq!(call(LATE, SOON, vec![]).await, Err(Cut::Deadline));
        assert_eq!(call(SOON, SOON * 3, vec![true]).await, Err(Cut::Deadline));
    }
}
