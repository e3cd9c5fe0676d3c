//! What the library holds in this process, counted as it goes: cheap enough to be always on.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that guards add to and take from.
pub struct Counter(AtomicU64);

/// Calls accepted and not finished.
pub static CALLS: Counter = Counter::new();
/// Completions in queues, waiting to be fetched.
pub static QUEUED: Counter = Counter::new();
/// Bytes of bodies: of requests under way, of answers being read, of responses that were not freed.
pub static BODY_BYTES: Counter = Counter::new();
/// Threads of the library.
pub static THREADS: Counter = Counter::new();

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn add(&self, n: u64) {
        // Every core that counts has to have the counter to itself for a moment: not for nothing.
        if n > 0 {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    pub fn sub(&self, n: u64) {
        if n > 0 {
            self.0.fetch_sub(n, Ordering::Relaxed);
        }
    }

    /// Counts `n` until the guard is dropped.
    pub fn hold(&'static self, n: usize) -> Held {
        self.add(n as u64);
        Held { counter: self, n: n as u64 }
    }
}

/// A part of a counter, given back on drop.
pub struct Held {
    counter: &'static Counter,
    n: u64,
}

impl Held {
    /// Makes it `n`.
    pub fn set(&mut self, n: usize) {
        let n = n as u64;
        if n >= self.n {
            self.counter.add(n - self.n)
        } else {
            self.counter.sub(self.n - n)
        }
        self.n = n;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counter.sub(self.n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        static OWN: Counter = Counter::new();
        let mut a = OWN.hold(5);
        let b = OWN.hold(1);
        a.set(7);
        assert_eq!(OWN.now(), 8);
        a.set(2);
        drop(b);
        assert_eq!(OWN.now(), 2);
        drop(a);
        assert_eq!(OWN.now(), 0);
    }
}
