//! A queue of finished calls that a host drains at its own pace, with a handle its event loop can wait on.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::engine::forked;
use super::usage::QUEUED;
use crate::error::{Error, Status};
use crate::sys::process;
use crate::sys::readiness::Readiness;

struct State<T> {
    items: VecDeque<T>,
    /// Calls that will still be told here.
    coming: usize,
    closed: bool,
    /// Nobody will fetch any more.
    abandoned: bool,
    /// What `signal` was last set to.
    readable: bool,
    signal: Option<Readiness>,
}

pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    limit: usize,
    /// The process it was made in. A forked child shares the handle's descriptor with its parent and must keep off.
    owner: u32,
}

/// A place in a queue for a call that is being made. Given back when dropped unused.
pub struct Place<T: Send + 'static>(Option<Arc<Queue<T>>>);

impl<T> State<T> {
    /// Under the lock, so that the handle is readable exactly while a fetch would answer something.
    fn signal(&mut self) {
        let wanted = self.closed || !self.items.is_empty();
        if wanted != self.readable {
            self.readable = wanted;
            if let Some(signal) = &self.signal {
                if wanted { signal.raise() } else { signal.clear() }
            }
        }
    }
}

impl<T: Send + 'static> Queue<T> {
    /// `limit`: completions that wait or are still to come, at most.
    pub fn new(limit: usize) -> Result<Arc<Self>, Error> {
        let signal = Readiness::new()
            .map_err(|e| Error::new(Status::Io, format!("the handle of a queue could not be made: {e}")))?;
        Ok(Arc::new(Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                coming: 0,
                closed: false,
                abandoned: false,
                readable: false,
                signal: Some(signal),
            }),
            changed: Condvar::new(),
            limit,
            owner: process::id(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_owner(&self) -> bool {
        self.owner == process::id()
    }

    fn check_owner(&self) -> Result<(), Error> {
        if self.is_owner() { Ok(()) } else { Err(forked()) }
    }

    /// For a call that is about to be accepted: completions are never dropped, so the bound is here.
    pub fn reserve(self: &Arc<Self>) -> Result<Place<T>, Error> {
        self.check_owner()?;
        let mut state = self.lock();
        if state.closed {
            return Err(Error::new(Status::Shutdown, "the queue was closed; calls cannot be told to it any more"));
        }
        if state.items.len() + state.coming >= self.limit {
            return Err(Error::new(
                Status::Busy,
                format!(
                    "{} completions wait in this queue or are still to come; fetch some with cognite_queue_next",
                    self.limit
                ),
            ));
        }
        state.coming += 1;
        Ok(Place(Some(Arc::clone(self))))
    }

    /// The oldest completion. Waits for one as long as said, for ever without a time.
    pub fn next(&self, wait: Option<Duration>) -> Result<T, Error> {
        self.check_owner()?;
        // A time too far away to be told is for ever.
        let until = wait.and_then(|w| Instant::now().checked_add(w));
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                QUEUED.sub(1);
                state.signal();
                return Ok(item);
            }
            if state.closed {
                return Err(Error::new(Status::Shutdown, "the queue was closed and is empty"));
            }
            state = match until {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error::new(Status::Empty, "nothing came within the time given"));
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// -1: none. Valid until the queue is freed.
    pub fn handle(&self) -> isize {
        if !self.is_owner() {
            return -1;
        }
        self.lock().signal.as_ref().map_or(-1, Readiness::handle)
    }

    /// No more calls are taken; those who wait are woken. What is there or still comes can be fetched.
    pub fn close(&self) {
        if !self.is_owner() {
            return;
        }
        let mut state = self.lock();
        state.closed = true;
        state.signal();
        drop(state);
        self.changed.notify_all();
    }

    /// Nobody will fetch again: frees what was not fetched, and what still comes as it comes.
    pub fn abandon(&self) {
        self.close();
        let mut state = self.lock();
        state.abandoned = true;
        state.signal = None;
        let items = std::mem::take(&mut state.items);
        drop(state);
        QUEUED.sub(items.len() as u64);
    }

    fn put(&self, item: Option<T>) {
        let mut state = self.lock();
        state.coming -= 1;
        let Some(item) = item else { return };
        if state.abandoned {
            drop(state);
            return drop(item);
        }
        QUEUED.add(1);
        state.items.push_back(item);
        state.signal();
        drop(state);
        self.changed.notify_one();
    }
}

impl<T: Send + 'static> Place<T> {
    pub fn fill(mut self, item: T) {
        if let Some(queue) = self.0.take() {
            queue.put(Some(item));
        }
    }
}

impl<T: Send + 'static> Drop for Place<T> {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.put(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn bounded_by_what_waits_and_what_comes() {
        let q = Queue::new(2).unwrap();
        let a = q.reserve().unwrap();
        let b = q.reserve().unwrap();
        assert_eq!(q.reserve().err().unwrap().status(), Status::Busy);
        drop(b);
        a.fill(1);
        let c = q.reserve().unwrap();
        assert_eq!(q.reserve().err().unwrap().status(), Status::Busy);
        assert_eq!(q.next(NOW).unwrap(), 1);
        assert_eq!(q.next(NOW).unwrap_err().status(), Status::Empty);
        q.close();
        assert_eq!(q.next(None).unwrap_err().status(), Status::Shutdown);
        c.fill(2); // accepted before: still told
        assert_eq!(q.next(None).unwrap(), 2);
        assert_eq!(q.reserve().err().unwrap().status(), Status::Shutdown);
    }

    #[test]
    fn what_is_not_fetched_is_freed() {
        let counted = Arc::new(());
        let q = Queue::new(9).unwrap();
        let late = q.reserve().unwrap();
        q.reserve().unwrap().fill(Arc::clone(&counted));
        q.abandon();
        assert_eq!(Arc::strong_count(&counted), 1);
        assert_eq!(q.handle(), -1);
        late.fill(Arc::clone(&counted));
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn close_wakes_every_waiter() {
        let q = Queue::<u8>::new(1).unwrap();
        thread::scope(|s| {
            let waiting: Vec<_> = (0..4).map(|_| s.spawn(|| q.next(None).unwrap_err().status())).collect();
            thread::sleep(Duration::from_millis(20));
            q.close();
            waiting.into_iter().for_each(|w| assert_eq!(w.join().unwrap(), Status::Shutdown));
        });
    }

    /// Producers and consumers race; nothing is lost or doubled, and nobody sleeps while there is something.
    #[test]
    fn many_to_many() {
        const EACH: usize = 2000;
        let q = Queue::new(usize::MAX).unwrap();
        let sum = AtomicUsize::new(0);
        let got = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    while got.load(Ordering::SeqCst) < 2 * EACH {
                        if let Ok(n) = q.next(Some(Duration::from_millis(1))) {
                            sum.fetch_add(n, Ordering::SeqCst);
                            got.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            for _ in 0..2 {
                s.spawn(|| (0..EACH).for_each(|n| q.reserve().unwrap().fill(n)));
            }
        });
        assert_eq!(sum.into_inner(), EACH * (EACH - 1));
        assert_eq!(q.next(NOW).unwrap_err().status(), Status::Empty);
    }
}
