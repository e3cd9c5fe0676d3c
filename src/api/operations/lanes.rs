//! Several requests of one operation under way at a time, on one task: dropped together when the operation ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Futures that run together, each with its number. Only those that were woken are polled: a look at a socket costs.
pub struct Lanes<'a, T>(Vec<Lane<'a, T>>);

struct Lane<'a, T> {
    number: usize,
    work: Running<'a, T>,
    bell: Arc<Bell>,
}

/// Wakes whoever waits for the lanes, and remembers which of them it is about.
struct Bell {
    rang: AtomicBool,
    waiting: Mutex<Waker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        waiting.wake();
    }
}

impl<'a, T> Lanes<'a, T> {
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn start(&mut self, number: usize, work: impl Future<Output = T> + Send + 'a) {
        let bell = Arc::new(Bell { rang: AtomicBool::new(true), waiting: Mutex::new(Waker::noop().clone()) });
        self.0.push(Lane { number, work: Box::pin(work), bell });
    }

    /// The next that ends; `None` when none runs.
    pub async fn next(&mut self) -> Option<(usize, T)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, T)>> {
        let mut ended = None;
        for (at, Lane { number, work, bell }) in self.0.iter_mut().enumerate() {
            bell.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone_from(cx.waker());
            // What rings from here on is seen by the next poll.
            if bell.rang.swap(false, Ordering::AcqRel)
                && let Poll::Ready(result) =
                    work.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
            {
                ended = Some((at, (*number, result)));
                break;
            }
        }
        match ended {
            Some((at, ended)) => {
                drop(self.0.remove(at));
                Poll::Ready(Some(ended))
            }
            None if self.0.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_told_once() {
        let mut lanes = Lanes::none();
        for n in 0..5usize {
            lanes.start(n, async move {
                for _ in 0..5 - n {
                    tokio::task::yield_now().await;
                }
                n * 2
            });
        }
        let mut seen = Vec::new();
        while let Some((n, twice)) = lanes.next().await {
            assert_eq!(twice, n * 2);
            seen.push(n);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert!(lanes.is_empty());
        assert_eq!(lanes.next().await, None);
    }

    /// As requests through a proxy do, of an operation whose caller drives it.
    #[test]
    fn one_that_wants_to_go_on_elsewhere_takes_all_with_it() {
        use crate::runtime::{block_on, on_engine, on_io_thread};
        let seen = block_on(Box::pin(async {
            let mut lanes = Lanes::none();
            for n in 0..3 {
                lanes.start(n, async {
                    on_engine().await;
                    on_io_thread()
                });
            }
            let mut seen = Vec::new();
            while let Some((_, there)) = lanes.next().await {
                seen.push(there);
            }
            Ok(seen)
        }));
        assert_eq!(seen.unwrap(), [true; 3]);
    }

    #[tokio::test]
    async fn only_what_was_woken_is_looked_at() {
        let looks = Arc::new(Mutex::new((0, None)));
        let mut lanes = Lanes::none();
        let seen = Arc::clone(&looks);
        lanes.start(
            1,
            poll_fn(move |cx| {
                let mut seen = seen.lock().unwrap();
                *seen = (seen.0 + 1, Some(cx.waker().clone()));
                if seen.0 < 2 { Poll::Pending } else { Poll::Ready(()) }
            }),
        );
        lanes.start(2, async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(lanes.next().await, Some((2, ())));
        assert_eq!(looks.lock().unwrap().0, 1);
        let later = looks.lock().unwrap().1.take().unwrap();
        tokio::spawn(async move { later.wake() });
        assert_eq!(lanes.next().await, Some((1, ())));
    }
}
