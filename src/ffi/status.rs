//! Status codes: what the program should do next. The numbers never change.

use std::ffi::c_char;

use crate::error::Status;

/// `COGNITE_OK` or one of `COGNITE_ERR_*`: what the program should do next. New values may appear; treat one you do not
/// know as a failure.
pub type cognite_status = i32;

/// Success.
pub const COGNITE_OK: i32 = 0;
/// A parameter is NULL, out of range, not UTF-8, or a struct has a wrong size. Mend the program.
pub const COGNITE_ERR_INVALID_ARGUMENT: i32 = 1;
/// Settings are missing, contradictory or unknown. Mend the configuration.
pub const COGNITE_ERR_CONFIG: i32 = 2;
/// No token could be had from the identity provider or the token provider.
pub const COGNITE_ERR_AUTH: i32 = 3;
/// The service answered 401: the token gives no access to the project; or, to an upload, 403: no right to write that file.
pub const COGNITE_ERR_ACCESS: i32 = 4;
/// The service answered with any other status than 2xx.
pub const COGNITE_ERR_API: i32 = 5;
/// Something asked for does not exist; the error lists what, if the service says it.
pub const COGNITE_ERR_NOT_FOUND: i32 = 6;
/// Something to be created exists already; the error lists what.
pub const COGNITE_ERR_DUPLICATED: i32 = 7;
/// Some items were applied, some not; the error's JSON lists which.
pub const COGNITE_ERR_PARTIAL: i32 = 8;
/// No connection could be made, or it was lost.
pub const COGNITE_ERR_CONNECTION: i32 = 10;
/// No secure connection could be made: an untrusted or wrong certificate.
pub const COGNITE_ERR_TLS: i32 = 11;
/// No answer within the time allowed.
pub const COGNITE_ERR_TIMEOUT: i32 = 12;
/// The call was cancelled by its cognite_cancel.
pub const COGNITE_ERR_CANCELLED: i32 = 13;
/// There was an answer that cannot be understood: not HTTP, damaged, or larger than allowed.
pub const COGNITE_ERR_DECODE: i32 = 14;
/// A local file, thread or other resource of the system failed.
pub const COGNITE_ERR_IO: i32 = 15;
/// A queue had nothing within the time given.
pub const COGNITE_ERR_EMPTY: i32 = 20;
/// The library was shut down while the call was made or running; or the queue was closed.
pub const COGNITE_ERR_SHUTDOWN: i32 = 21;
/// This process was forked while the library was in use; nothing works in the child.
pub const COGNITE_ERR_FORKED: i32 = 22;
/// The call would wait for itself: it may not be made from a callback.
pub const COGNITE_ERR_WOULD_DEADLOCK: i32 = 23;
/// Too many calls of this client are under way, or the queue is full; wait for some to finish, or fetch.
pub const COGNITE_ERR_BUSY: i32 = 24;
/// A defect of the library, contained. Please report it.
pub const COGNITE_ERR_INTERNAL: i32 = 99;

/// The name of a status, such as `NOT_FOUND`; `UNKNOWN` for a number this version does not know.
///
/// @param status  Any number.
/// @return Static text, never NULL.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the library. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn cognite_status_name(status: cognite_status) -> *const c_char {
    Status::name_of(status).as_ptr()
}
