//! Datapoints written: what was collected, or straight from the caller's columns.

use std::ffi::c_char;
use std::time::Duration;

use super::cancel::{CancelBox, cognite_cancel};
use super::client::{ClientBox, cognite_client};
use super::column::{cognite_column, column_of};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{get, get_opt};
use super::notify::{Sized, cognite_notify, finish, notify_of, read_sized};
use super::points::{PointsBox, cognite_points};
use super::response::cognite_response;
use super::text::{array, bytes};
use crate::api::datapoints::column::Column;
use crate::api::datapoints::create::Template;
use crate::api::datapoints::insert::{self, Options};
use crate::api::datapoints::points::Points;
use crate::error::Error;
use crate::runtime;

/// How an insert is made. Read during the call only. Begin with COGNITE_INSERT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_insert {
    /// sizeof(cognite_insert), set by COGNITE_INSERT_INIT.
    pub struct_size: usize,
    /// For the whole insert with all its requests, in milliseconds up to a week; 0: the client's.
    pub timeout_ms: u64,
    /// Cancels the insert when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
    pub cancel: *mut cognite_cancel,
    /// 1: numbers and texts go as JSON, as the service took them before protobuf: slower, for gateways that look inside.
    pub json: u32,
    /// 0.
    pub reserved: u32,
    /// NULL: a series that does not exist fails its request. JSON text: it is made, see cognite_points_insert().
    pub create_missing: *const c_char,
    /// Bytes of it.
    pub create_missing_len: usize,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_insert {
    const NAME: &'static str = "cognite_insert";
    const FIRST: usize = std::mem::offset_of!(cognite_insert, create_missing);
}

/// # Safety
/// `raw` is NULL or options whose pointers are live.
unsafe fn options_of(raw: *const cognite_insert) -> Result<Options, Error> {
    if raw.is_null() {
        return Ok(Options::default());
    }
    // SAFETY: passed on to the caller of this function, here and below.
    let o = unsafe { read_sized(raw, "options") }?;
    if o.json > 1 || o.reserved != 0 {
        return Err(Error::argument("options: json is 0 or 1, reserved is 0"));
    }
    // SAFETY: NULL or a live token.
    let cancel = unsafe { get_opt::<CancelBox>(o.cancel, "options.cancel") }?;
    // SAFETY: NULL or so many bytes.
    let template = unsafe { bytes(o.create_missing.cast(), o.create_missing_len, "options.create_missing") }?;
    Ok(Options {
        timeout: Duration::from_millis(o.timeout_ms),
        cancel: cancel.map(|c| c.0.clone()),
        json: o.json == 1,
        create: if template.is_empty() { None } else { Some(Template::parse(template)?) },
    })
}

/// # Safety
/// `raw` is NULL or so many pointers, each NULL or a column whose arrays live as long as `'a`.
unsafe fn columns_of<'a>(raw: *const *const cognite_column, count: usize) -> Result<Vec<Column<'a>>, Error> {
    // SAFETY: passed on to the caller of this function, here and below.
    let given = unsafe { array(raw, count, "columns") }?;
    given.iter().map(|column| unsafe { column_of(*column, "columns") }).collect()
}

/// Writes what was collected, and waits. The collection keeps it.
///
/// It goes out in requests of at most 100,000 datapoints and 10,000 series, compressed, several at a time; of one series
/// each request only after the one before it was taken, so that a series has no gaps. A point that is there already is
/// overwritten. The response is `{"series":2,"points":300,"requests":1}`.
///
/// With `options.create_missing` series that do not exist are made, and their datapoints written then. It says what they are
/// like besides their names and whether they are numeric, string or state: `timeSeries` for those named by external id, as
/// `time_series.create` takes them; `node` for those named as instances, with its `sources` or, without, as a
/// CogniteTimeSeries of `cdf_cdm`. Those named by id cannot be made. That somebody else makes them at the same time does no
/// harm. The response then has also the number of series made, the error in its `extra`: `{"series":2,…,"created":1}`.
///
///     {"timeSeries": {"unit": "bar", "isStep": false, "dataSetId": 5},
///      "node": {"sources": [{"source": {"type": "view", "space": "…", "externalId": "…", "version": "…"}, "properties": {…}}]}}
///
/// When requests fail, the others are made all the same (but not after a deadline, a cancel or a login that failed). The
/// status is PARTIAL if datapoints were written, else that of the first failure. The error's JSON then has the series in
/// four lists, `succeeded`, `failed`, `unknown` (in doubt) and `skipped` (not attempted); a series of which only the
/// first datapoints were written has their number:
///
///     {"status":8,…,"succeeded":[{"externalId":"a"}],"failed":[{"externalId":"b","pointsApplied":100000}],
///      "unknown":[{"id":3}],"skipped":[]}
///
/// @param client    The client. Not NULL.
/// @param points    What to write. Not NULL.
/// @param options   NULL: the usual.
/// @param[out] out  The response; NULL: not wanted.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, PARTIAL, or as cognite_client_call().
///
/// **Blocks:** on the network, until the total timeout at most. **Threads:** any number on one client; one at a time on one
/// collection. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_insert(
    client: *mut cognite_client,
    points: *const cognite_points,
    options: *const cognite_insert,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let wanted = unsafe { Out::new(out) };
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (client, points, options) =
            unsafe { (get::<ClientBox>(client, "client")?, get::<PointsBox>(points, "points")?, options_of(options)?) };
        let response = insert::blocking(&client.0, &points.0.columns(), &options)?;
        if !out.is_null() {
            finish(wanted, response);
        }
        Ok(())
    })
}

/// cognite_points_insert() that tells its result later. The collection may be changed or freed at once.
///
/// @param client    The client. Not NULL.
/// @param points    What to write. Not NULL.
/// @param options   NULL: the usual.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number on one client; one at a time on one collection. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_insert_async(
    client: *mut cognite_client,
    points: *const cognite_points,
    options: *const cognite_insert,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (client, points, options, notify) = unsafe {
            let notify = notify_of(notify)?;
            (get::<ClientBox>(client, "client")?, get::<PointsBox>(points, "points")?, options_of(options)?, notify)
        };
        let insert = insert::accept(&client.0, &points.0, &options)?;
        runtime::spawn_notified(insert.run(), notify)
    })
}

/// Writes columns straight from the caller's memory, and waits: cognite_points_insert() without a collection. However many
/// datapoints there are, no more than a few megabytes are needed beside them: while requests are on their way, the next is
/// encoded from the columns on the calling thread.
///
/// @param client    The client. Not NULL.
/// @param columns   `count` pointers, none NULL. Those of one series are taken in their order. NULL only with `count` 0.
/// @param count     How many.
/// @param options   NULL: the usual.
/// @param[out] out  The response; NULL: not wanted.
/// @param[out] err  May be NULL.
/// @return As cognite_points_insert().
///
/// **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_insert_columns(
    client: *mut cognite_client,
    columns: *const *const cognite_column,
    count: usize,
    options: *const cognite_insert,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let wanted = unsafe { Out::new(out) };
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's, and `count` pointers.
        let (client, options, columns) =
            unsafe { (get::<ClientBox>(client, "client")?, options_of(options)?, columns_of(columns, count)?) };
        let response = insert::blocking(&client.0, &columns, &options)?;
        if !out.is_null() {
            finish(wanted, response);
        }
        Ok(())
    })
}

/// cognite_points_insert_columns() that tells its result later. The columns are copied before this returns.
///
/// @param client    The client. Not NULL.
/// @param columns   `count` pointers, none NULL. Those of one series are taken in their order. NULL only with `count` 0.
/// @param count     How many.
/// @param options   NULL: the usual.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_insert_columns_async(
    client: *mut cognite_client,
    columns: *const *const cognite_column,
    count: usize,
    options: *const cognite_insert,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's, and `count` pointers.
        let (client, columns, options, notify) = unsafe {
            let notify = notify_of(notify)?;
            (get::<ClientBox>(client, "client")?, columns_of(columns, count)?, options_of(options)?, notify)
        };
        let mut points = Points::default();
        columns.iter().try_for_each(|column| points.add(column))?;
        let insert = insert::accept(&client.0, &points, &options)?;
        runtime::spawn_notified(insert.run(), notify)
    })
}
