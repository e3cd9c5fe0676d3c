//! The door of every exported function: outputs cleared, process rules checked, panics kept in, errors handed over.

use super::error::cognite_error;
use super::handle::into_raw;
pub(crate) use super::status::cognite_status;
use crate::error::{Error, Status};
use crate::runtime;
use crate::sys::cancellation::Uncancelled;

/// Runs the body of a fallible function. `err` is the caller's error slot, NULL or overwritten.
pub(crate) fn entry(err: *mut *mut cognite_error, body: impl FnOnce() -> Result<(), Error>) -> cognite_status {
    let _uncancelled = Uncancelled::begin();
    if !err.is_null() {
        // SAFETY: not NULL, so by the contract of every function a slot that may be written.
        unsafe { err.write(std::ptr::null_mut()) };
    }
    // In a forked child any lock may be held for ever, so nothing else may be touched.
    let result = if runtime::is_forked_child() {
        Err(runtime::engine::forked())
    } else {
        runtime::panics::contain(body).and_then(|r| r)
    };
    match result {
        Ok(()) => Status::Ok.code(),
        Err(e) => {
            let status = e.status().code();
            if !err.is_null() {
                // SAFETY: as above.
                unsafe { err.write(into_raw(super::error::ErrorBox::new(e))) };
            }
            status
        }
    }
}

/// Runs the body of an accessor, which cannot fail but for our own defects.
pub(crate) fn access<T>(default: T, body: impl FnOnce() -> Result<T, Error>) -> T {
    let _uncancelled = Uncancelled::begin();
    glance(default, body)
}

/// [`access`] for what is asked of each item, where every nanosecond counts: the body only reads and allocates memory, and
/// nothing of that is a place where a pthread_cancel strikes.
pub(crate) fn glance<T>(default: T, body: impl FnOnce() -> Result<T, Error>) -> T {
    match runtime::panics::contain(body) {
        Ok(Ok(value)) => value,
        _ => default,
    }
}

/// An out-parameter: cleared when taken, written once on success.
pub(crate) struct Out<T>(*mut *mut T);

impl<T> Out<T> {
    /// # Safety
    /// `raw` is NULL or a slot that may be written for the time of the call.
    pub(crate) unsafe fn new(raw: *mut *mut T) -> Self {
        if !raw.is_null() {
            // SAFETY: not NULL, and the caller promises the rest.
            unsafe { raw.write(std::ptr::null_mut()) };
        }
        Self(raw)
    }

    /// Refuses a NULL slot before any work is done.
    pub(crate) fn required(&self, parameter: &str) -> Result<(), Error> {
        if self.0.is_null() {
            Err(Error::argument(format!("{parameter} is NULL; a place for the result is needed")))
        } else {
            Ok(())
        }
    }

    pub(crate) fn set(self, value: *mut T) {
        if !self.0.is_null() {
            // SAFETY: not NULL, and `new` was promised a slot that may be written during the call.
            unsafe { self.0.write(value) };
        }
    }
}

/// A pointer of the host's that only the host understands. Handed back, never looked into.
#[derive(Clone, Copy)]
pub(crate) struct UserData(pub *mut std::ffi::c_void);

// SAFETY: the library only passes the pointer on; what may be done with it on our threads is the host's promise when it
// registers a callback, which the header says.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}
