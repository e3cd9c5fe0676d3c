//! Datapoints on their way in, collected.

use std::ffi::c_char;

use super::column::{cognite_column, column_of};
use super::error::cognite_error;
use super::guard::{access, cognite_status, entry};
use super::handle::{Object, free, get, get_mut, into_raw};
use super::text::{array, text};
use crate::api::datapoints::column::{Column, Key, Values};
use crate::api::datapoints::points::Points;

/// Datapoints of any number of time series, collected to be written together. A collector: used by one thread at a time,
/// and copied from. Free it with cognite_points_free().
pub struct cognite_points {
    _opaque: [u8; 0],
}

pub(crate) struct PointsBox(pub Points);

impl Object for PointsBox {
    type C = cognite_points;
    const TAG: u64 = 0x636f_675f_706f_696e;
    const NAME: &'static str = "cognite_points";
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
