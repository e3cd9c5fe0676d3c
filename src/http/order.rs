//! Calls of one operation of which some must not overtake others: edges not the nodes they connect, a pause or not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The steps of one operation. All of them are made before the first call begins; calls of a rank are sent once all calls
/// of lower ranks have ended, with whatever outcome, and beside one another.
#[derive(Clone, Default)]
pub struct Order(Arc<Ranks>);

#[derive(Default)]
struct Ranks {
    /// Calls not ended, by rank.
    open: Mutex<BTreeMap<u32, usize>>,
    ended: Notify,
}

impl Ranks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Order {
    pub fn step(&self, rank: u32) -> Step {
        *self.0.lock().entry(rank).or_default() += 1;
        Step { ranks: Arc::clone(&self.0), rank }
    }
}

/// A call's place in its operation; ended when dropped.
pub struct Step {
    ranks: Arc<Ranks>,
    rank: u32,
}

impl Step {
    /// Waits until no call of a lower rank is left.
    pub async fn come(&self) {
        loop {
            // Listened to before it is looked at, so that no end is missed.
            let mut ended = std::pin::pin!(self.ranks.ended.notified());
            ended.as_mut().enable();
            if self.ranks.lock().first_key_value().is_none_or(|(rank, _)| *rank >= self.rank) {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        let mut open = self.ranks.lock();
        if let Some(n) = open.get_mut(&self.rank) {
            *n -= 1;
            if *n == 0 {
                open.remove(&self.rank);
            }
        }
        drop(open);
        self.ranks.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    fn ready(step: &Step) -> bool {
        let mut come = std::pin::pin!(step.come());
        come.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn a_rank_waits_for_all_before_it_also_when_one_between_gives_up() {
        let order = Order::default();
        let (a, b) = (order.step(0), order.step(0));
        let between = order.step(1);
        let last = order.step(2);
        assert!(ready(&a) && ready(&b) && !ready(&between) && !ready(&last));
        drop(between);
        drop(a);
        assert!(!ready(&last));
        drop(b);
        assert!(ready(&last));
        // Another operation has nothing to do with it.
        assert!(ready(&Order::default().step(7)));
    }

    #[test]
    fn who_waits_is_woken() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        for _ in 0..200 {
            let order = Order::default();
            let (first, second, third) = (order.step(0), order.step(1), order.step(1));
            runtime.block_on(async {
                let waiting: Vec<_> =
                    [second, third].into_iter().map(|step| tokio::spawn(async move { step.come().await })).collect();
                drop(first);
                for task in waiting {
                    task.await.unwrap();
                }
            });
        }
    }
}
