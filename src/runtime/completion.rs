//! The promise of an asynchronous call: told exactly once, whatever happens to the task that should tell.

use super::engine::Running;
use super::panics;
use crate::error::Error;

type Deliver<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// Where the result is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// On a callback thread: code of the host's runs.
    Callback,
    /// At once, on the thread that has the result: it is only put somewhere.
    Here,
}

/// Whom to tell, and how.
pub struct Notify<T> {
    pub deliver: Deliver<T>,
    pub via: Via,
}

/// Delivers by [`Completion::complete`], or on drop (a shutdown that could not wait) with SHUTDOWN.
pub struct Completion<T: Send + 'static> {
    notify: Option<Notify<T>>,
    /// Counted until it has told.
    running: Running,
}

impl<T: Send + 'static> Completion<T> {
    pub(super) fn new(running: Running, notify: Notify<T>) -> Self {
        Self { notify: Some(notify), running }
    }

    pub fn complete(mut self, result: Result<T, Error>) {
        self.tell(result);
    }

    fn tell(&mut self, result: Result<T, Error>) {
        if let Some(Notify { deliver, via }) = self.notify.take() {
            match via {
                Via::Callback => {
                    self.running.dispatcher().push(Box::new(move || deliver(result)));
                }
                Via::Here => {
                    let _ = panics::contain(move || deliver(result));
                }
            }
        }
    }
}

impl<T: Send + 'static> Drop for Completion<T> {
    fn drop(&mut self) {
        if self.notify.is_some() {
            self.tell(Err(Error::shutdown()));
        }
    }
}
