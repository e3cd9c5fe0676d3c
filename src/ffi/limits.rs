//! What ends an operation from outside.

use std::time::Duration;

use super::cancel::{CancelBox, cognite_cancel};
use super::handle::get_opt;
use super::notify::{Sized, read_sized};
use crate::api::datapoints::read::Limits;
use crate::error::Error;

/// What ends an operation from outside. Read during the call only. Begin with COGNITE_LIMITS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_limits {
    /// sizeof(cognite_limits), set by COGNITE_LIMITS_INIT.
    pub struct_size: usize,
    /// For the whole operation with all its requests, in milliseconds up to a week; 0: the client's.
    pub timeout_ms: u64,
    /// Cancels the operation when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
    pub cancel: *mut cognite_cancel,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_limits {
    const NAME: &'static str = "cognite_limits";
    const FIRST: usize = size_of::<cognite_limits>();
}

/// # Safety
/// `raw` is NULL or limits whose pointers are live.
pub(crate) unsafe fn limits_of(raw: *const cognite_limits) -> Result<Limits, Error> {
    if raw.is_null() {
        return Ok(Limits::default());
    }
    // SAFETY: passed on to the caller of this function, here and below.
    let l = unsafe { read_sized(raw, "limits") }?;
    // SAFETY: NULL or a live token.
    let cancel = unsafe { get_opt::<CancelBox>(l.cancel, "limits.cancel") }?;
    Ok(Limits { timeout: Duration::from_millis(l.timeout_ms), cancel: cancel.map(|c| c.0.clone()) })
}
