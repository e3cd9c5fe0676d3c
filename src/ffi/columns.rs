//! Datapoints on their way out: borrowed columns.

use std::any::Any;
use std::ffi::{CString, c_char};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::cancel::{CancelBox, cognite_cancel};
use super::client::{ClientBox, cognite_client};
use super::error::{ErrorBox, cognite_error};
use super::guard::{Out, access, cognite_status, entry};
use super::handle::{Object, free, get, get_opt, into_raw};
use super::notify::{Sized, cognite_notify, finish, notify_of, read_sized};
use super::response::{ResponseBox, cognite_response};
use super::text::{bytes, c_text, text_opt};
use crate::api::datapoints::columns::{Columns, Points, Series};
use crate::api::datapoints::read::{self, Limits};
use crate::api::datapoints::{delete, latest};
use crate::error::Error;
use crate::http::Response;
use crate::runtime;

/// Datapoints that were read, a column each of times, values, status codes and aggregates per series. Read-only; may be
/// read by any number of threads. Free it with cognite_columns_free().
pub struct cognite_columns {
    _opaque: [u8; 0],
}

struct ColumnsBox {
    columns: Arc<Columns>,
    infos: Vec<OnceLock<CString>>,
}

impl ColumnsBox {
    fn new(columns: Arc<Columns>) -> Self {
        let infos = columns.series.iter().map(|_| OnceLock::new()).collect();
        Self { columns, infos }
    }
}

impl Object for ColumnsBox {
    type C = cognite_columns;
    const TAG: u64 = 0x636f_675f_636f_6c75;
    const NAME: &'static str = "cognite_columns";
}

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
unsafe fn limits_of(raw: *const cognite_limits) -> Result<Limits, Error> {
    if raw.is_null() {
        return Ok(Limits::default());
    }
    // SAFETY: passed on to the caller of this function, here and below.
    let l = unsafe { read_sized(raw, "limits") }?;
    // SAFETY: NULL or a live token.
    let cancel = unsafe { get_opt::<CancelBox>(l.cancel, "limits.cancel") }?;
    Ok(Limits { timeout: Duration::from_millis(l.timeout_ms), cancel: cancel.map(|c| c.0.clone()) })
}

type Work = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

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
    unsafe fn read(&self, newest: bool) -> Result<Work, Error> {
        // SAFETY: passed on to the caller of this function.
        let (client, query, limits) = unsafe {
            let client = get::<ClientBox>(self.client, "client")?;
            (client, bytes(self.query.cast(), self.len, "query")?, limits_of(self.limits)?)
        };
        Ok(match newest {
            true => latest::accept(&client.0, query, &limits)?.run(),
            false => read::accept(&client.0, query, &limits)?.run(),
        })
    }

    /// # Safety
    /// As for `read`.
    unsafe fn delete(&self) -> Result<Work, Error> {
        // SAFETY: passed on to the caller of this function.
        unsafe {
            let client = get::<ClientBox>(self.client, "client")?;
            let ranges = bytes(self.query.cast(), self.len, "ranges")?;
            Ok(delete::accept(&client.0, ranges, &limits_of(self.limits)?)?.run())
        }
    }
}

fn blocking(parts: &Parts, newest: bool, out: Out<cognite_columns>, err: *mut *mut cognite_error) -> cognite_status {
    entry(err, || {
        out.required("out")?;
        // SAFETY: what the caller of the exported function passed.
        let work = unsafe { parts.read(newest) }?;
        held(runtime::block_on(work)?.payload.as_ref(), "the response", out)
    })
}

fn later(parts: &Parts, newest: bool, notify: *const cognite_notify, err: *mut *mut cognite_error) -> cognite_status {
    entry(err, || {
        // SAFETY: what the caller of the exported function passed.
        let (work, notify) = unsafe {
            let notify = notify_of(notify)?;
            (parts.read(newest)?, notify)
        };
        runtime::spawn_notified(work, notify)
    })
}

/// Hands out what a response or an error holds.
fn held(payload: Option<&Arc<dyn Any + Send + Sync>>, of: &str, out: Out<cognite_columns>) -> Result<(), Error> {
    let columns = payload.and_then(|p| Arc::clone(p).downcast::<Columns>().ok());
    let columns = columns.ok_or_else(|| Error::argument(format!("{of} holds no columns")))?;
    out.set(into_raw(ColumnsBox::new(columns)));
    Ok(())
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
    blocking(&Parts { client, query, len, limits }, false, unsafe { Out::new(out) }, err)
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
    later(&Parts { client, query, len, limits }, false, notify, err)
}

/// Reads the newest datapoint of each series before a time, and waits. A series without one has an empty column.
///
///     {"items": [{"externalId": "a"}, {"id": 5, "before": "1d-ago"}], "before": "now", "includeStatus": true,
///      "ignoreBadDataPoints": false, "treatUncertainAsBad": true, "targetUnit": "…", "ignoreUnknownIds": false}
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
    blocking(&Parts { client, query, len, limits }, true, unsafe { Out::new(out) }, err)
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
    later(&Parts { client, query, len, limits }, true, notify, err)
}

/// The columns that an asynchronous read brought. May be asked for any number of times; the memory is shared.
///
/// @param response  A response of cognite_columns_read_async() or its like. Not NULL.
/// @param[out] out  The columns. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result, which outlives the response. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_of(
    response: *const cognite_response,
    out: *mut *mut cognite_columns,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live response.
        held(unsafe { get::<ResponseBox>(response, "response") }?.payload(), "the response", out)
    })
}

/// What a read had got before it failed. Each series has its datapoints up to the first that is missing; `complete` in
/// cognite_columns_info() says whether all are there.
///
/// @param error     The error of a read. Not NULL.
/// @param[out] out  The columns. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`; INVALID_ARGUMENT when the error holds none.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result, which outlives the error. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_of_error(
    error: *const cognite_error,
    out: *mut *mut cognite_columns,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live error.
        held(unsafe { get::<ErrorBox>(error, "error") }?.partial(), "the error", out)
    })
}

/// One fact of one series; `default` for NULL and for a number past the last.
fn of_series<T>(columns: *const cognite_columns, series: usize, default: T, read: impl FnOnce(&Series) -> T) -> T {
    access(default, || {
        // SAFETY: NULL or live columns, by the contract of every accessor.
        let c = unsafe { get::<ColumnsBox>(columns, "columns") }?;
        c.columns.series.get(series).map(read).ok_or_else(|| Error::argument("series"))
    })
}

/// Where a column begins; NULL when it is empty.
fn start<T>(column: &[T]) -> *const T {
    if column.is_empty() { std::ptr::null() } else { column.as_ptr() }
}

/// How many series there are.
///
/// @param columns  The columns; NULL gives 0.
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_series(columns: *const cognite_columns) -> usize {
    // SAFETY: NULL or live columns.
    access(0, || Ok(unsafe { get::<ColumnsBox>(columns, "columns") }?.columns.series.len()))
}

/// What is known of a series besides its datapoints. `type` is numeric, string or state; `found` is false for one that does
/// not exist (only when unknown ones were to be ignored); `complete` when all datapoints asked for are here.
///
///     {"id":1,"externalId":"a","unit":"…","unitExternalId":"…","timeZone":"…","instanceId":{"space":"…","externalId":"…"},
///      "type":"numeric","isString":false,"isStep":false,"found":true,"complete":true,"aggregates":["average"]}
///
/// @param columns  The columns; NULL gives `{}`.
/// @param series   Which one, from 0.
/// @return JSON text, never NULL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_info(columns: *const cognite_columns, series: usize) -> *const c_char {
    access(c"{}".as_ptr(), || {
        // SAFETY: NULL or live columns.
        let c = unsafe { get::<ColumnsBox>(columns, "columns") }?;
        match (c.columns.series.get(series), c.infos.get(series)) {
            (Some(s), Some(info)) => Ok(info.get_or_init(|| c_text(&s.info_json().to_string())).as_ptr()),
            _ => Err(Error::argument("series")),
        }
    })
}

/// The number of datapoints of a series: the length of its columns.
///
/// @param columns  The columns; NULL gives 0.
/// @param series   Which one, from 0.
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_count(columns: *const cognite_columns, series: usize) -> usize {
    of_series(columns, series, 0, |s| s.points.len())
}

/// The times of a series' datapoints, or the starts of its buckets, in milliseconds since 1970, ascending.
///
/// @param columns  The columns, or NULL.
/// @param series   Which one, from 0.
/// @return The column; NULL when it is empty.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_timestamps(columns: *const cognite_columns, series: usize) -> *const i64 {
    of_series(columns, series, std::ptr::null(), |s| start(&s.points.timestamps))
}

/// Numbers: the values of a numeric series, or one aggregate. An aggregate that does not exist for a bucket is NaN. The two
/// that are datapoints are three columns each: `maxDatapoint` (the value), `maxDatapoint.timestamp`, `maxDatapoint.status`.
///
/// @param columns    The columns, or NULL.
/// @param series     Which one, from 0.
/// @param aggregate  Its name as in cognite_columns_info(), such as `average`; NULL: the values.
/// @return The column; NULL when there is none.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_numbers(
    columns: *const cognite_columns,
    series: usize,
    aggregate: *const c_char,
) -> *const f64 {
    // SAFETY: NULL or a text.
    let name = access(Some("\0"), || unsafe { text_opt(aggregate, "aggregate") });
    of_series(columns, series, std::ptr::null(), |s| match name {
        None => start(&s.points.numbers),
        Some(name) => {
            let column = s.aggregates.iter().position(|a| *a == name).and_then(|n| s.points.aggregates.get(n));
            column.map_or(std::ptr::null(), |c| start(c))
        }
    })
}

/// The texts of a string series, or the names of states: value `n` lies from `offsets[n]` to `offsets[n + 1]`.
///
/// @param columns       The columns, or NULL.
/// @param series        Which one, from 0.
/// @param[out] offsets  As many offsets as datapoints and one more; NULL when there are none. May be NULL.
/// @return UTF-8 without NULs between; NULL when there are none.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_text(
    columns: *const cognite_columns,
    series: usize,
    offsets: *mut *const i64,
) -> *const c_char {
    let none = (std::ptr::null(), std::ptr::null());
    let (text, from) = of_series(columns, series, none, |s| {
        let texts = &s.points.texts;
        // A column of empty texts is one all the same.
        if texts.offsets.is_empty() { none } else { (texts.bytes.as_ptr().cast(), texts.offsets.as_ptr()) }
    });
    if !offsets.is_null() {
        // SAFETY: not NULL, so by the contract a place that may be written.
        unsafe { offsets.write(from) };
    }
    text
}

/// The numbers of states.
///
/// @param columns  The columns, or NULL.
/// @param series   Which one, from 0.
/// @return The column; NULL when there is none.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_states(columns: *const cognite_columns, series: usize) -> *const i64 {
    of_series(columns, series, std::ptr::null(), |s| start(&s.points.states))
}

/// The status codes of raw datapoints, as OPC UA has them.
///
/// @param columns  The columns, or NULL.
/// @param series   Which one, from 0.
/// @return The column; NULL when all are good, and when the query did not include them.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_status_codes(columns: *const cognite_columns, series: usize) -> *const u32 {
    of_series(columns, series, std::ptr::null(), |s| s.points.status().map_or(std::ptr::null(), start))
}

/// Which values are there: a bit for each, from the low end of the first byte on; 0 for a missing one (whose number is NaN).
///
/// @param columns  The columns, or NULL.
/// @param series   Which one, from 0.
/// @return The bits; NULL when all are there.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_validity(columns: *const cognite_columns, series: usize) -> *const u8 {
    of_series(columns, series, std::ptr::null(), |s| Points::validity(&s.points).map_or(std::ptr::null(), start))
}

/// Frees columns. NULL does nothing.
///
/// @param columns  The columns; not used afterwards, nor anything borrowed from them.
///
/// **Blocks:** no. **Threads:** one, no other using them. **Owns:** takes the columns. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_free(columns: *mut cognite_columns) {
    // SAFETY: NULL or columns the caller gives up.
    unsafe { free::<ColumnsBox>(columns) }
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
        let work = unsafe { Parts { client, query: ranges, len, limits }.delete() }?;
        let response = runtime::block_on(work)?;
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
            (Parts { client, query: ranges, len, limits }.delete()?, notify)
        };
        runtime::spawn_notified(work, notify)
    })
}
