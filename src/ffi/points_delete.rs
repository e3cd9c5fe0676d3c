//! Deleting ranges of datapoints.

use std::ffi::c_char;

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::get;
use super::limits::{cognite_limits, limits_of};
use super::notify::{cognite_notify, finish, notify_of};
use super::response::cognite_response;
use super::text::bytes;
use crate::api::datapoints::delete::{self, Delete};
use crate::error::Error;
use crate::runtime;

/// # Safety
/// Every pointer is NULL or what the header says, for the time of the call.
unsafe fn accept(
    client: *mut cognite_client,
    ranges: *const c_char,
    len: usize,
    limits: *const cognite_limits,
) -> Result<Delete, Error> {
    // SAFETY: passed on to the caller of this function.
    unsafe {
        let client = get::<ClientBox>(client, "client")?;
        delete::accept(&client.0, bytes(ranges.cast(), len, "ranges")?, &limits_of(limits)?)
    }
}

/// Deletes ranges of datapoints, and waits. Any number of them: 10,000 go into one request. Each has a start and an end, in
/// the forms of cognite_columns_read(); what is at the end stays. The response is `{"ranges":2,"requests":1}`; a failure
/// lists the series as cognite_points_insert() does.
///
///     {"items": [{"externalId": "a", "start": "1d-ago", "end": "now"}, {"id": 5, "start": 0, "end": 1700000000000}]}
///
/// @param client    The client. Not NULL.
/// @param ranges    JSON text. Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param[out] out  The response; NULL: not wanted.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, PARTIAL, NOT_FOUND, or as cognite_client_call().
///
/// **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_delete(
    client: *mut cognite_client,
    ranges: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let wanted = unsafe { Out::new(out) };
    entry(err, || {
        // SAFETY: what the caller passed.
        let work = unsafe { accept(client, ranges, len, limits) }?;
        let response = runtime::block_on(work.run())?;
        if !out.is_null() {
            finish(wanted, response);
        }
        Ok(())
    })
}

/// cognite_points_delete() that tells its result later.
///
/// @param client    The client. Not NULL.
/// @param ranges    JSON text. Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_delete_async(
    client: *mut cognite_client,
    ranges: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: what the caller passed.
        let (work, notify) = unsafe {
            let notify = notify_of(notify)?;
            (accept(client, ranges, len, limits)?, notify)
        };
        runtime::spawn_notified(work.run(), notify)
    })
}
