//! How many requests of a kind may be on their way at a time, in the process and for one client.

use std::ffi::c_char;

use super::config::cognite_config;
use super::config_values;
use super::error::cognite_error;
use super::global_values;
use super::guard::{access, cognite_status};
use super::text::text;
use crate::config::concurrency::BudgetKey;
use crate::config::global;
use crate::error::Error;

/// # Safety
/// NULL, or texts ended by NUL.
unsafe fn kind(category: *const c_char, operation: *const c_char) -> Result<BudgetKey, Error> {
    // SAFETY: passed on to the caller of this function.
    unsafe { BudgetKey::limited(text(category, "category")?, text(operation, "operation")?) }
}

/// How many requests of a kind may be on their way at a time, for all clients of one origin and project together.
/// What comes later waits in line, and the wait counts into the call's time. May be changed at any time: a limit that
/// grows lets waiting calls in, one that shrinks takes effect as calls end. A config can have its own limits.
///
///     general        read 5, write 4, delete 2                    # everything that is not below
///     raw            read 5, write 2, delete 2
///     datapoints     read 5, write 5, delete 5
///     data_modeling  read 1, write 1, delete 1, search 2, read_schema 2, write_schema 1
///     files          read 4, write 2, delete 2, upload 5, download 5, open_files 15
///     records        read 1, write 2                              # deletes have as many again as writes
///
/// Requests whose URL the program gives itself (cognite_client_get() and its like) have no such limit; they are bounded
/// by cognite_global_set_max_connection_pool_size(), as all requests of a client are.
///
/// @param category   One of the categories above.
/// @param operation  One of its operations.
/// @param limit      1 to 1000000.
/// @param[out] err   May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_concurrency(
    category: *const c_char,
    operation: *const c_char,
    limit: u32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    global_values::change(err, |g| {
        // SAFETY: NULL or texts.
        let key = unsafe { kind(category, operation) }?;
        g.concurrency.set(key, limit, 1)
    })
}

/// See cognite_global_set_concurrency(). All limits are in cognite_global_settings(), under `concurrency_settings`.
///
/// @param category   One of the categories.
/// @param operation  One of its operations.
/// @return The limit; 0: NULL was given, or there is no such category or operation.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_concurrency(category: *const c_char, operation: *const c_char) -> u32 {
    access(0, || {
        // SAFETY: NULL or texts.
        let key = unsafe { kind(category, operation) }?;
        Ok(global::current().concurrency.get(key))
    })
}

/// The client's own limit in the place of the process's. Its requests of that kind are then counted for this client
/// alone, beside those of other clients.
///
/// @param config     The config. Not NULL.
/// @param category   As for cognite_global_set_concurrency().
/// @param operation  As there.
/// @param limit      1 to 1000000; 0: the process's.
/// @param[out] err   May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_config_set_concurrency(
    config: *mut cognite_config,
    category: *const c_char,
    operation: *const c_char,
    limit: u32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    config_values::change(config, err, |c| {
        // SAFETY: NULL or texts.
        let key = unsafe { kind(category, operation) }?;
        c.network.own.concurrency.set(key, limit, 0)
    })
}
