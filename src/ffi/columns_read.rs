//! Datapoints read into columns.

use std::ffi::c_char;
use std::sync::Arc;

use super::client::{ClientBox, cognite_client};
use super::columns::{cognite_columns, hand_out};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::get;
use super::limits::{cognite_limits, limits_of};
use super::notify::{cognite_notify, notify_of};
use super::text::bytes;
use crate::api::Client;
use crate::api::datapoints::read::{self, Limits};
use crate::api::datapoints::{Work, latest, synthetic};
use crate::error::Error;
use crate::runtime;

/// What is done with a query.
type Accept = fn(&Arc<Client>, &[u8], &Limits) -> Result<Work, Error>;

/// What the functions that take a query have in common.
struct Parts {
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
}

impl Parts {
    /// # Safety
    /// Every pointer is NULL or what the header says, for the time of the call.
    unsafe fn accept(&self, accept: Accept) -> Result<Work, Error> {
        // SAFETY: passed on to the caller of this function.
        let (client, query, limits) = unsafe {
            let client = get::<ClientBox>(self.client, "client")?;
            (client, bytes(self.query.cast(), self.len, "query")?, limits_of(self.limits)?)
        };
        accept(&client.0, query, &limits)
    }
}

fn blocking(parts: &Parts, accept: Accept, out: Out<cognite_columns>, err: *mut *mut cognite_error) -> cognite_status {
    entry(err, || {
        out.required("out")?;
        // SAFETY: what the caller of the exported function passed.
        let work = unsafe { parts.accept(accept) }?;
        hand_out(runtime::block_on(work)?.payload.as_ref(), "the response", out)
    })
}

fn later(parts: &Parts, accept: Accept, notify: *const cognite_notify, err: *mut *mut cognite_error) -> cognite_status {
    entry(err, || {
        // SAFETY: what the caller of the exported function passed.
        let (work, notify) = unsafe {
            let notify = notify_of(notify)?;
            (parts.accept(accept)?, notify)
        };
        runtime::spawn_notified(work, notify)
    })
}

/// Reads datapoints or aggregates of any number of series into columns, and waits. The query is in the service's own words,
/// but without its limits: what does not fit into one answer is asked for piece by piece, several requests at a time.
///
///     {"items": [{"externalId": "a"}, {"id": 5, "limit": 10}, {"instanceId": {"space": "s", "externalId": "x"}}],
///      "start": "2w-ago", "end": "now", "limit": null, "includeStatus": true, "ignoreBadDataPoints": false,
///      "treatUncertainAsBad": true, "includeOutsidePoints": false, "ignoreUnknownIds": false,
///      "targetUnit": "temperature:deg_c", "targetUnitSystem": "SI",
///      "aggregates": ["average", "max"], "granularity": "15m", "timeZone": "Europe/Oslo"}
///
/// What an item does not say is taken from beside the items; one series may stand there without any. Times are milliseconds
/// since 1970, `now`, distances (`30s-ago`, `2w-ahead`: s, m, h, d, w) or RFC 3339. Without a start it begins in 1970,
/// without an end it ends now, without a limit (or with null) everything is read. `now` is the same for all series.
///
/// Granularities are a number and s, m, h, d, w, mo, q or y. Days and longer ones are those of the calendar of `timeZone`, so
/// a day may have 23 or 25 hours. How many datapoints there are is one bucket: `"aggregates": ["count"], "granularity": "100000d"`.
///
/// When a request fails, the query fails; what was read until then is had with cognite_columns_of_error().
///
/// @param client    The client. Not NULL.
/// @param query     JSON text. Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param[out] out  The columns, with the series in the order of the query. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, NOT_FOUND (the error lists all that is missing), or as cognite_client_call().
///
/// **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_read(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    out: *mut *mut cognite_columns,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    blocking(&Parts { client, query, len, limits }, read::work, unsafe { Out::new(out) }, err)
}

/// cognite_columns_read() that tells its result later. The response is `{"series":2,"points":300}`; its columns are had with
/// cognite_columns_of().
///
/// @param client    The client. Not NULL.
/// @param query     JSON text. Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_read_async(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    later(&Parts { client, query, len, limits }, read::work, notify, err)
}

/// Reads the newest datapoint of each series before a time, and waits. A series without one has an empty column.
///
///     {"items": [{"externalId": "a"}, {"id": 5, "before": "1d-ago"}], "before": "now", "includeStatus": true,
///      "ignoreBadDataPoints": false, "treatUncertainAsBad": true, "targetUnit": "…", "ignoreUnknownIds": false}
///
/// When a request fails, the query fails; what the others brought is had with cognite_columns_of_error().
///
/// @param client    The client. Not NULL.
/// @param query     JSON text, as for cognite_columns_read(). Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param[out] out  The columns, with the series in the order of the query. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, NOT_FOUND, or as cognite_client_call().
///
/// **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_read_latest(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    out: *mut *mut cognite_columns,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    blocking(&Parts { client, query, len, limits }, latest::work, unsafe { Out::new(out) }, err)
}

/// cognite_columns_read_latest() that tells its result later; as cognite_columns_read_async().
///
/// @param client    The client. Not NULL.
/// @param query     JSON text. Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_read_latest_async(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    later(&Parts { client, query, len, limits }, latest::work, notify, err)
}

/// Evaluates expressions over time series into columns of numbers, one for each expression, and waits. Pages of 10,000
/// datapoints follow one another until all are there; several expressions are evaluated at a time. A datapoint that cannot
/// be computed, such as one divided by zero, is missing.
///
///     {"items": [{"expression": "TS{externalId='a', aggregate='average', granularity='1h'} * 2", "limit": 500}],
///      "start": "2w-ago", "end": "now", "timeZone": "Europe/Oslo"}
///
/// What an item does not say is taken from beside the items, as for cognite_columns_read().
///
/// @param client    The client. Not NULL.
/// @param query     JSON text. Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param[out] out  The columns, in the order of the query. Not NULL.
/// @param[out] err  May be NULL.
/// @return As cognite_columns_read().
///
/// **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_read_synthetic(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    out: *mut *mut cognite_columns,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    blocking(&Parts { client, query, len, limits }, synthetic::work, unsafe { Out::new(out) }, err)
}

/// cognite_columns_read_synthetic() that tells its result later; as cognite_columns_read_async().
///
/// @param client    The client. Not NULL.
/// @param query     JSON text. Not NULL.
/// @param len       Its length in bytes.
/// @param limits    NULL: the client's.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_read_synthetic_async(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    later(&Parts { client, query, len, limits }, synthetic::work, notify, err)
}
