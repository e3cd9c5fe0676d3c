//! The promise of an asynchronous call: told exactly once, whatever happens to the task that should tell.

use std::sync::Arc;

use super::engine::Engine;
use crate::error::Error;

type Deliver<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// Delivers on the callback thread: by [`Completion::complete`], or on drop (cancel, shutdown) with SHUTDOWN.
pub struct Completion<T: Send + 'static> {
    deliver: Option<Deliver<T>>,
    engine: Arc<Engine>,
}

impl<T: Send + 'static> Completion<T> {
    pub(super) fn new(engine: Arc<Engine>, deliver: impl FnOnce(Result<T, Error>) + Send + 'static) -> Self {
        Self { deliver: Some(Box::new(deliver)), engine }
    }

    pub fn complete(mut self, result: Result<T, Error>) {
        self.tell(result);
    }

    fn tell(&mut self, result: Result<T, Error>) {
        if let Some(deliver) = self.deliver.take() {
            self.engine.dispatcher().push(Box::new(move || deliver(result)));
        }
    }
}

impl<T: Send + 'static> Drop for Completion<T> {
    fn drop(&mut self) {
        if self.deliver.is_some() {
            self.tell(Err(Error::shutdown()));
        }
    }
}
