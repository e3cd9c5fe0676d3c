//! Datapoints as columns of the library's: borrowed.

use std::any::Any;
use std::ffi::{CString, c_char};
use std::sync::{Arc, OnceLock};

use super::error::{ErrorBox, cognite_error};
use super::guard::{Out, access, cognite_status, entry, glance};
use super::handle::{Object, free, get, into_raw};
use super::response::{ResponseBox, cognite_response};
use super::text::{c_text, text_opt};
use crate::api::datapoints::columns::{Columns, Points, Series};
use crate::api::datapoints::json_items;
use crate::api::datapoints::state_sums::NAMES;
use crate::error::Error;
use crate::http::Response;

/// Datapoints that were read, a column each of times, values, status codes and aggregates per series. Read-only; may be
/// read by any number of threads. Free it with cognite_columns_free().
pub struct cognite_columns {
    _opaque: [u8; 0],
}

pub(crate) struct ColumnsBox {
    pub columns: Arc<Columns>,
    infos: Vec<OnceLock<CString>>,
}

impl ColumnsBox {
    pub fn new(columns: Arc<Columns>) -> Self {
        let infos = columns.series.iter().map(|_| OnceLock::new()).collect();
        Self { columns, infos }
    }
}

impl Object for ColumnsBox {
    type C = cognite_columns;
    const TAG: u64 = 0x636f_675f_636f_6c75;
    const NAME: &'static str = "cognite_columns";
}

/// Hands out what a response or an error holds.
pub(crate) fn hand_out(
    payload: Option<&Arc<dyn Any + Send + Sync>>,
    of: &str,
    out: Out<cognite_columns>,
) -> Result<(), Error> {
    let columns = payload.and_then(|p| Arc::clone(p).downcast::<Columns>().ok());
    let columns = columns.ok_or_else(|| Error::argument(format!("{of} holds no columns")))?;
    out.set(into_raw(ColumnsBox::new(columns)));
    Ok(())
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
        hand_out(unsafe { get::<ResponseBox>(response, "response") }?.payload(), "the response", out)
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
        hand_out(unsafe { get::<ErrorBox>(error, "error") }?.partial(), "the error", out)
    })
}

/// One fact of one series; `default` for NULL and for a number past the last.
fn of_series<T>(columns: *const cognite_columns, series: usize, default: T, read: impl FnOnce(&Series) -> T) -> T {
    glance(default, || {
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
    glance(0, || Ok(unsafe { get::<ColumnsBox>(columns, "columns") }?.columns.series.len()))
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

/// Which item of the query a series answers, from 0. In pages, columns hold only some of them.
///
/// @param columns  The columns; NULL gives 0.
/// @param series   Which one, from 0.
/// @return The number of the item.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_item(columns: *const cognite_columns, series: usize) -> usize {
    of_series(columns, series, 0, |s| s.item)
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
    let name = glance(Some("\0"), || unsafe { text_opt(aggregate, "aggregate") });
    of_series(columns, series, std::ptr::null(), |s| match name {
        None => start(&s.points.numbers),
        Some(name) => {
            let column = s.aggregates.iter().position(|a| *a == name).and_then(|n| s.points.aggregates.get(n));
            column.map_or(std::ptr::null(), |c| start(c))
        }
    })
}

/// What single states did in each bucket: the aggregates `stateCount`, `stateTransitions` and `stateDuration` (ms). A bucket
/// has an entry for each state that occurs in it or lasts into it: those of bucket `n` are numbers `buckets[n]` to
/// `buckets[n + 1] - 1` of this column, and of cognite_columns_text(), which has their names.
///
/// @param columns       The columns, or NULL.
/// @param series        Which one, from 0.
/// @param aggregate     Its name; NULL: the numbers of the states.
/// @param[out] buckets  As many as there are buckets and one more; NULL when no bucket has an entry. May be NULL.
/// @return A number for each entry; NULL when there are none, and for what was not asked for.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_state_aggregates(
    columns: *const cognite_columns,
    series: usize,
    aggregate: *const c_char,
    buckets: *mut *const i64,
) -> *const i64 {
    // SAFETY: NULL or a text.
    let name = glance(Some("\0"), || unsafe { text_opt(aggregate, "aggregate") });
    let none = (std::ptr::null(), std::ptr::null());
    let (column, from) = of_series(columns, series, none, |s| {
        let sums = &s.points.of_states;
        let column = name.map_or(Some(&sums.states), |name| {
            let at = NAMES.iter().position(|(n, _)| *n == name && s.of_states.contains(n));
            at.and_then(|at| sums.sums.get(at))
        });
        if sums.states.is_empty() {
            none
        } else {
            (column.map_or(std::ptr::null(), |c| start(c)), start(&sums.buckets))
        }
    });
    if !buckets.is_null() {
        // SAFETY: not NULL, so by the contract a place that may be written.
        unsafe { buckets.write(from) };
    }
    column
}

/// The texts of a string series, or the names of states: value `n` lies from `offsets[n]` to `offsets[n + 1]`. Of aggregates
/// of single states a name for each entry, see cognite_columns_state_aggregates(); empty for one no longer in the set.
///
/// @param columns       The columns, or NULL.
/// @param series        Which one, from 0.
/// @param[out] offsets  As many offsets as texts and one more; NULL when there are none. May be NULL.
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
        let texts = if s.of_states.is_empty() { &s.points.texts } else { &s.points.of_states.names };
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

/// Writes columns as JSON in the service's own form, for programs that want text: one item for each series that exists, all its
/// datapoints in it, however many requests they took. Of an asynchronous read: cognite_columns_of() first. (The operation
/// `time_series.data.retrieve` asks once: it gives a page of each series, and its `nextCursor`.)
///
///     {"items":[{"id":1,"externalId":"a","unit":"bar","type":"numeric","isString":false,"isStep":false,"datapoints":[
///        {"timestamp":1700000000000,"value":2.5},{"timestamp":1700000001000,"status":{"code":2147483648}}]}]}
///
/// States have `numericValue` and `stringValue` instead of `value`; buckets have their aggregates by name, without those that
/// do not exist, `maxDatapoint` and its like as `{"timestamp":…,"value":…}`, those of single states in `stateAggregates`, a list.
/// Numbers that are not finite are `"NaN"`, `"Infinity"` and `"-Infinity"`. Status codes have no `symbol`, and interpolated
/// states no `stringValue`.
///
/// @param columns   The columns. Not NULL.
/// @param[out] out  A response whose body is the JSON; cognite_response_item() gives one series. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result, which outlives the columns. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_to_json(
    columns: *const cognite_columns,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or live columns.
        let columns = &unsafe { get::<ColumnsBox>(columns, "columns") }?.columns;
        let body = json_items::write(columns);
        out.set(into_raw(ResponseBox::new(Response { body, ..Response::of_text(String::new()) })));
        Ok(())
    })
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
