//! The calls that are driven by the threads that made them: how each is woken, and how a shutdown ends those that do not
//! end by themselves.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::drive::{self, Bell};
use super::panics::contain;
use crate::error::Error;
use crate::sys::wait::stack_left;

/// Calls driven at once. Each costs a descriptor, of which the host has not many; further threads hand their calls over.
const MOST: usize = 128;

#[derive(Default)]
pub struct Driven {
    bells: Mutex<Bells>,
    left: Condvar,
    /// Whoever still drives a call gives it up.
    ended: AtomicBool,
}

#[derive(Default)]
struct Bells {
    used: Vec<Arc<Bell>>,
    unused: Vec<Arc<Bell>>,
}

/// For one call.
pub struct Place<'a> {
    driven: &'a Driven,
    bell: Arc<Bell>,
}

fn lock(m: &Mutex<Bells>) -> MutexGuard<'_, Bells> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driven {
    /// `None`: this thread should not drive its call.
    pub fn place(&self) -> Option<Place<'_>> {
        if stack_left() < drive::STACK || !drive::can_drive() {
            return None;
        }
        let mut bells = lock(&self.bells);
        if bells.used.len() >= MOST {
            return None;
        }
        let bell = match bells.unused.pop() {
            Some(bell) => bell,
            None => Bell::new().ok()?,
        };
        bells.used.push(Arc::clone(&bell));
        Some(Place { driven: self, bell })
    }

    /// Has every call that is left given up, and waits until it is.
    pub fn end(&self, at_most: Duration) {
        self.ended.store(true, Ordering::Release);
        let until = Instant::now() + at_most;
        let mut bells = lock(&self.bells);
        while !bells.used.is_empty() {
            bells.used.iter().for_each(|bell| bell.ring());
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            bells = self.left.wait_timeout(bells, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        bells.unused.clear();
    }
}

impl Place<'_> {
    pub fn run<T, F>(self, engine: &Handle, future: F) -> drive::Driven<T, F>
    where
        F: Future<Output = Result<T, Error>> + Unpin,
    {
        // For timers and for what is spawned. A thread that is ending may have lost what this needs.
        let _entered = match contain(|| engine.enter()) {
            Ok(entered) => entered,
            Err(defect) => return drive::Driven::Done(Err(defect)),
        };
        drive::run(future, &self.bell, || self.driven.ended.load(Ordering::Acquire))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut bells = lock(&self.driven.bells);
        if let Some(at) = bells.used.iter().position(|b| Arc::ptr_eq(b, &self.bell)) {
            let bell = bells.used.swap_remove(at);
            bells.unused.push(bell);
        }
        if bells.used.is_empty() {
            self.driven.left.notify_all();
        }
    }
}
