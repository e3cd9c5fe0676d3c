//! Datapoints on their way in: columns of the caller's, collected or written at once.

use std::ffi::c_char;
use std::time::Duration;

use super::cancel::{CancelBox, cognite_cancel};
use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, access, cognite_status, entry};
use super::handle::{Object, free, get, get_mut, get_opt, into_raw};
use super::notify::{Sized, cognite_notify, finish, notify_of, read_sized};
use super::response::cognite_response;
use super::text::{array, bytes, text, text_opt};
use crate::api::datapoints::column::{Column, Key, Values};
use crate::api::datapoints::insert::{self, Options};
use crate::api::datapoints::points::Points;
use crate::api::datapoints::quality;
use crate::api::datapoints::time::Unit;
use crate::error::Error;
use crate::runtime;

/// Datapoints of any number of time series, collected to be written together. A collector: used by one thread at a time,
/// and copied from. Free it with cognite_points_free().
pub struct cognite_points {
    _opaque: [u8; 0],
}

struct PointsBox(Points);

impl Object for PointsBox {
    type C = cognite_points;
    const TAG: u64 = 0x636f_675f_706f_696e;
    const NAME: &'static str = "cognite_points";
}

/// Datapoints of one time series as columns of the caller's. Read during the call only. Begin with COGNITE_COLUMN_INIT.
///
/// The series is named by `id`, by `external_id`, or by `space` and `external_id` (an instance). Its values are `numbers`, or
/// texts (`text` and `text_offsets`), or states: `states`, or texts with `state_text` 1. States are written by instance id.
///
/// Numbers are written as they are, also NaN and infinities: CDF takes those only with a bad status code, and refuses the
/// request that holds one without.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_column {
    /// sizeof(cognite_column), set by COGNITE_COLUMN_INIT.
    pub struct_size: usize,
    /// The id; 0: named by `external_id`.
    pub id: i64,
    /// The external id, of the series or of the instance; NULL with `id`.
    pub external_id: *const c_char,
    /// The space of the instance; NULL: `external_id` is the series' own.
    pub space: *const c_char,
    /// The number of datapoints: the length of all columns.
    pub count: usize,
    /// Milliseconds since 1970, 1900 to 2099, in any order. Of equal ones the last wins.
    pub timestamps_ms: *const i64,
    /// Numeric values; NULL: other values.
    pub numbers: *const f64,
    /// Numbers of states; NULL: other values.
    pub states: *const i64,
    /// UTF-8 without NULs between the values; NULL: no texts.
    pub text: *const c_char,
    /// `count` + 1 offsets into `text`: value `n` lies from `text_offsets[n]` to `text_offsets[n + 1]`.
    pub text_offsets: *const i64,
    /// OPC UA status codes; NULL: all good.
    pub status_codes: *const u32,
    /// A bit for each value, from the low end of the first byte on: 0 says that the value is missing (which CDF takes with a
    /// bad status code only). NULL: all are there.
    pub validity: *const u8,
    /// 1: the texts are names of states.
    pub state_text: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_column {
    const NAME: &'static str = "cognite_column";
    const FIRST: usize = size_of::<cognite_column>();
}

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
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_insert {
    const NAME: &'static str = "cognite_insert";
    const FIRST: usize = size_of::<cognite_insert>();
}

/// Times are seconds since 1970.
pub const COGNITE_TIME_S: u32 = 1;
/// Times are milliseconds since 1970.
pub const COGNITE_TIME_MS: u32 = 2;
/// Times are microseconds since 1970.
pub const COGNITE_TIME_US: u32 = 3;
/// Times are nanoseconds since 1970.
pub const COGNITE_TIME_NS: u32 = 4;
/// Times are Windows' FILETIME: 100 ns since 1601.
pub const COGNITE_TIME_FILETIME: u32 = 5;

/// # Safety
/// `raw` is NULL or a column whose pointers live as long as `'a`.
unsafe fn column_of<'a>(raw: *const cognite_column, parameter: &str) -> Result<Column<'a>, Error> {
    // SAFETY: passed on to the caller of this function, here and below.
    let c = unsafe { read_sized(raw, parameter) }?;
    // SAFETY: NULL or texts.
    let (external_id, space) =
        unsafe { (text_opt(c.external_id, "column.external_id")?, text_opt(c.space, "column.space")?) };
    let key = match (c.id, external_id, space) {
        (0, Some(external_id), Some(space)) => Key::Instance { space, external_id },
        (0, Some(external_id), None) => Key::External(external_id),
        (id, None, None) if id != 0 => Key::Id(id),
        _ => {
            return Err(Error::argument(
                "column: the series is named by id, by external_id, or by space and external_id",
            ));
        }
    };
    let n = c.count;
    let given = [!c.numbers.is_null(), !c.states.is_null(), !c.text_offsets.is_null()];
    if n > 0 && given.iter().filter(|g| **g).count() != 1 {
        return Err(Error::argument(format!("column: one of numbers, states and text_offsets is needed, for {key}")));
    }
    if c.state_text > 1 || c.reserved != 0 {
        return Err(Error::argument("column: state_text is 0 or 1, reserved is 0"));
    }
    // SAFETY: NULL or `count` elements each; the text is as long as its last offset says.
    unsafe {
        let values = if !c.states.is_null() {
            Values::StateNumbers(array(c.states, n, "column.states")?)
        } else if !c.text_offsets.is_null() {
            let offsets = array(c.text_offsets, n.saturating_add(1), "column.text_offsets")?;
            let last = offsets.last().copied().and_then(|o| usize::try_from(o).ok());
            let last =
                last.ok_or_else(|| Error::argument(format!("column: the last text offset of {key} is negative")))?;
            let text = std::str::from_utf8(bytes(c.text.cast(), last, "column.text")?).map_err(|e| {
                Error::argument(format!("column.text of {key} is not valid UTF-8 (byte {})", e.valid_up_to()))
            })?;
            if c.state_text == 1 { Values::StateTexts { offsets, text } } else { Values::Texts { offsets, text } }
        } else {
            Values::Numbers(array(c.numbers, n, "column.numbers")?)
        };
        let optional = |there: bool| there && n > 0;
        Ok(Column {
            key,
            timestamps: array(c.timestamps_ms, n, "column.timestamps_ms")?,
            values,
            status: match optional(!c.status_codes.is_null()) {
                true => Some(array(c.status_codes, n, "column.status_codes")?),
                false => None,
            },
            validity: match optional(!c.validity.is_null()) {
                true => Some(array(c.validity, n.div_ceil(8), "column.validity")?),
                false => None,
            },
        })
    }
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
    Ok(Options { timeout: Duration::from_millis(o.timeout_ms), cancel: cancel.map(|c| c.0.clone()), json: o.json == 1 })
}

/// Makes an empty collection.
///
/// @return The collection, never NULL.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn cognite_points_new() -> *mut cognite_points {
    access(std::ptr::null_mut(), || Ok(into_raw(PointsBox(Points::default()))))
}

/// Adds datapoints of one series; all of them or none. Series may be added to in any order and any number of times.
///
/// @param points    The collection. Not NULL.
/// @param column    Copied. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_add(
    points: *mut cognite_points,
    column: *const cognite_column,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or a live collection; NULL or a column.
        let (points, column) = unsafe { (get_mut::<PointsBox>(points, "points")?, column_of(column, "column")?) };
        points.0.add(&column)
    })
}

/// Adds good numbers of one series named by external id: the usual case of cognite_points_add().
///
/// @param points         The collection. Not NULL.
/// @param external_id    The series. Not NULL.
/// @param timestamps_ms  `count` times, in milliseconds since 1970. NULL only with `count` 0.
/// @param values         `count` numbers. NULL only with `count` 0.
/// @param count          How many.
/// @param[out] err       May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_add_f64(
    points: *mut cognite_points,
    external_id: *const c_char,
    timestamps_ms: *const i64,
    values: *const f64,
    count: usize,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or a live collection; NULL or a text; NULL or `count` elements.
        let (points, column) = unsafe {
            let column = Column {
                key: Key::External(text(external_id, "external_id")?),
                timestamps: array(timestamps_ms, count, "timestamps_ms")?,
                values: Values::Numbers(array(values, count, "values")?),
                status: None,
                validity: None,
            };
            (get_mut::<PointsBox>(points, "points")?, column)
        };
        points.0.add(&column)
    })
}

/// How many datapoints were collected.
///
/// @param points  The collection; NULL gives 0.
/// @return The number.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_count(points: *const cognite_points) -> u64 {
    // SAFETY: NULL or a live collection.
    access(0, || Ok(unsafe { get::<PointsBox>(points, "points") }?.0.len()))
}

/// Empties a collection. Inserts that run keep what they were given.
///
/// @param points  The collection; NULL does nothing.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_clear(points: *mut cognite_points) {
    access((), || {
        // SAFETY: NULL or a live collection.
        unsafe { get_mut::<PointsBox>(points, "points") }?.0.clear();
        Ok(())
    });
}

/// Writes what was collected, and waits. The collection keeps it.
///
/// It goes out in requests of at most 100,000 datapoints and 10,000 series, compressed, several at a time; of one series
/// each request only after the one before it was taken, so that a series has no gaps. A point that is there already is
/// overwritten. The response is `{"series":2,"points":300,"requests":1}`.
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
        let (client, options, given) =
            unsafe { (get::<ClientBox>(client, "client")?, options_of(options)?, array(columns, count, "columns")?) };
        let mut columns = Vec::with_capacity(given.len());
        for column in given {
            // SAFETY: NULL or a column of the caller's.
            columns.push(unsafe { column_of(*column, "columns") }?);
        }
        let response = insert::blocking(&client.0, &columns, &options)?;
        if !out.is_null() {
            finish(wanted, response);
        }
        Ok(())
    })
}

/// Turns times of another clock into milliseconds, always rounded down (also before 1970): no datapoint moves to a later
/// millisecond, and those in order stay so.
///
/// @param unit                One of COGNITE_TIME_*.
/// @param times               `count` times. NULL only with `count` 0.
/// @param count               How many.
/// @param[out] timestamps_ms  Room for `count`; may be `times` itself. NULL only with `count` 0.
/// @param[out] err            May be NULL.
/// @return `COGNITE_OK`; INVALID_ARGUMENT for a time outside 1900 to 2099, and `timestamps_ms` is written up to there.
///
/// **Blocks:** no. **Threads:** any. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_times(
    unit: u32,
    times: *const i64,
    count: usize,
    timestamps_ms: *mut i64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        let unit = match unit {
            COGNITE_TIME_S => Unit::Seconds,
            COGNITE_TIME_MS => Unit::Milliseconds,
            COGNITE_TIME_US => Unit::Microseconds,
            COGNITE_TIME_NS => Unit::Nanoseconds,
            COGNITE_TIME_FILETIME => Unit::Filetime,
            other => return Err(Error::argument(format!("unit is {other}, which is none of COGNITE_TIME_*"))),
        };
        if count > 0 && (times.is_null() || timestamps_ms.is_null()) {
            return Err(Error::argument(format!("times or timestamps_ms is NULL but count is {count}")));
        }
        for n in 0..count {
            // SAFETY: `count` numbers are readable there. By pointer, as the two may be one.
            let time = unsafe { times.add(n).read() };
            let ms = unit.to_ms(time).ok_or_else(|| {
                Error::argument(format!("the time {time} (number {n}) is outside 1900 to 2099; is the unit right?"))
            })?;
            // SAFETY: `count` numbers are writable there.
            unsafe { timestamps_ms.add(n).write(ms) };
        }
        Ok(())
    })
}

/// The OPC UA status code, as CDF keeps it, of an OPC DA quality. The vendor's byte and the limit bits are left out.
///
/// @param quality  The quality as OPC DA gives it, such as 0xC0 for good.
/// @return The status code.
///
/// **Blocks:** no. **Threads:** any. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn cognite_points_status_of_opc_da(quality: u32) -> u32 {
    quality::of_opc_da(quality)
}

/// Frees a collection. NULL does nothing. Inserts that run go on and are told.
///
/// @param points  The collection; not used afterwards.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the collection. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_points_free(points: *mut cognite_points) {
    // SAFETY: NULL or a collection the caller gives up.
    unsafe { free::<PointsBox>(points) }
}
