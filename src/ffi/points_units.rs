//! Times and qualities of other systems.

use super::error::cognite_error;
use super::guard::{cognite_status, entry};
use crate::api::datapoints::quality;
use crate::api::datapoints::time::Unit;
use crate::error::Error;

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
