//! Panics are our defects: contained, kept off the host's stderr, and reported with their place.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use crate::error::Error;
use crate::log::{self, Level, Record};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Puts our hook before the one that is there. Ours acts only on panics inside [`contain`]; every other panic of the
/// process (Rust hosts link this crate too) goes on to the hook that was set before.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if DEPTH.with(Cell::get) == 0 {
                return before(info);
            }
            let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
            LAST.with(|l| *l.borrow_mut() = Some(place));
        }));
    });
}

/// Runs `f`; a panic inside becomes an INTERNAL error with the place of the panic. Its text stays out: it could hold
/// a value of the host's.
pub fn contain<T>(f: impl FnOnce() -> T) -> Result<T, Error> {
    install_hook();
    DEPTH.with(|d| d.set(d.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let place = LAST.with(|l| l.borrow_mut().take()).unwrap_or_default();
        drop_quietly(payload);
        // In a forked child the inbox may be locked for ever.
        if log::enabled(Level::Error) && !super::is_forked_child() {
            let message = format!("a defect of libcognite was contained: panic at {place}; please report it");
            log::emit(Record::new(Level::Error, "panic", message).with("place", place.as_str()));
        }
        Error::internal(format!("panic at {place}"))
    });
    DEPTH.with(|d| d.set(d.get() - 1));
    result
}

/// A payload may itself panic when dropped, and so may what that leaves; in the end it is leaked rather than let out.
fn drop_quietly(mut payload: Box<dyn Any + Send>) {
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(move || drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    std::mem::forget(payload);
}

/// [`contain`] for a future: every poll is guarded, and after a panic the future is not polled again.
pub struct Contained<F>(Option<F>);

/// Takes futures that can be moved (`Box::pin` makes any such).
pub fn contained<F: Future + Unpin>(future: F) -> Contained<F> {
    Contained(Some(future))
}

impl<F: Future + Unpin> Future for Contained<F> {
    type Output = Result<F::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(inner) = self.0.as_mut() else {
            return Poll::Ready(Err(Error::internal("a finished task was polled")));
        };
        match contain(|| Pin::new(inner).poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => {
                self.0 = None;
                Poll::Ready(Ok(value))
            }
            Err(e) => {
                if let Some(inner) = self.0.take() {
                    let _ = contain(move || drop(inner));
                }
                Poll::Ready(Err(e))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_place_and_without_its_text() {
        let e = contain(|| panic!("canary {}", 1)).map(|_: ()| ()).unwrap_err();
        assert!(e.message().contains("panics.rs:") && !e.message().contains("canary"), "{e}");
        assert_eq!(contain(|| 5).unwrap(), 5);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Again;
        impl Drop for Again {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let e = contain(|| std::panic::panic_any(Again)).unwrap_err();
        assert!(e.message().contains("panics.rs:"), "{e}");
        assert_eq!(DEPTH.with(Cell::get), 0);
    }
}
