//! The settings of the process that concern requests: one typed setter and one getter each.

use std::ffi::c_char;
use std::time::Duration;

use super::config_values::flag;
use super::error::cognite_error;
use super::guard::{access, cognite_status, entry};
use super::text::{copy_text, numbers, text_opt};
use crate::config::global::{self, Global};
use crate::error::Error;

pub(super) fn change(
    err: *mut *mut cognite_error,
    apply: impl FnOnce(&mut Global) -> Result<(), Error>,
) -> cognite_status {
    entry(err, || global::update(apply))
}

pub(super) fn read<T>(default: T, value: impl FnOnce(&Global) -> T) -> T {
    access(default, || Ok(value(&global::current())))
}

fn count_of(key: &str, count: u32, least: u64) -> Result<u32, Error> {
    global::count(key, &count.into(), least)
}

/// Switches the compression of request bodies off.
/// Read for each call. A config can have its own value.
///
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_disable_gzip(on: i32, err: *mut *mut cognite_error) -> cognite_status {
    change(err, |g| {
        g.disable_gzip = flag("on", on)?;
        Ok(())
    })
}

/// See cognite_global_set_disable_gzip().
///
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_disable_gzip() -> i32 {
    read(0, |g| i32::from(g.disable_gzip))
}

/// The answers that are repeated where that is safe. A create is repeated after 429 only, whatever the list says.
/// Read for each call. A config can have its own list.
///
/// @param statuses  HTTP status codes from 100 to 599; NULL with count 0: none. The default is 429, 502, 503, 504.
/// @param count     How many.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_status_forcelist(
    statuses: *const i32,
    count: usize,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        // SAFETY: NULL or `count` numbers.
        let given = unsafe { numbers(statuses, count, "statuses") }?;
        g.status_forcelist = global::status_list(given.iter().map(|n| i64::from(*n)))?;
        Ok(())
    })
}

/// See cognite_global_set_status_forcelist().
///
/// @param[out] statuses  Filled with at most `capacity` codes, in the order they were given; may be NULL.
/// @param capacity       Room in `statuses`; 0 for NULL.
/// @return How many there are, which may be more than `capacity`.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_status_forcelist(statuses: *mut i32, capacity: usize) -> usize {
    read(0, |g| {
        if !statuses.is_null() {
            for (i, status) in g.status_forcelist.iter().take(capacity).enumerate() {
                // SAFETY: not NULL, and below the capacity the caller promises.
                unsafe { statuses.add(i).write(i32::from(*status)) };
            }
        }
        g.status_forcelist.len()
    })
}

/// Repeats of a call, of all kinds together.
/// Read for each call. A config can have its own value.
///
/// @param count  0 to 1000000; the default is 10.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_max_retries(count: u32, err: *mut *mut cognite_error) -> cognite_status {
    change(err, |g| {
        g.max_retries = count_of("max_retries", count, 0)?;
        Ok(())
    })
}

/// See cognite_global_set_max_retries().
///
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_max_retries() -> u32 {
    read(0, |g| g.max_retries)
}

/// Of these, repeats after connections that failed or broke.
/// Read for each call. A config can have its own value.
///
/// @param count  0 to 1000000; the default is 3.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_max_retries_connect(
    count: u32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        g.max_retries_connect = count_of("max_retries_connect", count, 0)?;
        Ok(())
    })
}

/// See cognite_global_set_max_retries_connect().
///
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_max_retries_connect() -> u32 {
    read(0, |g| g.max_retries_connect)
}

/// The longest pause between two attempts; the first is at most 0.5 s, the least 0.1 s.
/// Read for each call. A config can have its own value.
///
/// @param max_retry_backoff_ms  Milliseconds; the default is 60000.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_max_retry_backoff_ms(
    max_retry_backoff_ms: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        g.max_retry_backoff = Duration::from_millis(max_retry_backoff_ms);
        Ok(())
    })
}

/// See cognite_global_set_max_retry_backoff_ms().
///
/// @return Milliseconds.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_max_retry_backoff_ms() -> u64 {
    read(0, |g| u64::try_from(g.max_retry_backoff.as_millis()).unwrap_or(u64::MAX))
}

/// Exchanges at a time, and connections kept, per client.
/// Concerns clients that are made afterwards. A config can have its own value.
///
/// @param count  1 to 1000000; the default is 20.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_max_connection_pool_size(
    count: u32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        g.pool_size = count_of("max_connection_pool_size", count, 1)?;
        Ok(())
    })
}

/// See cognite_global_set_max_connection_pool_size().
///
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_max_connection_pool_size() -> u32 {
    read(0, |g| g.pool_size)
}

/// Accepts any certificate. For tests only: anyone on the way can then read and change what is sent.
/// Concerns clients that are made afterwards. A config can have its own value; to trust your own
/// authority use cognite_config_set_ca_pem().
///
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_disable_ssl(on: i32, err: *mut *mut cognite_error) -> cognite_status {
    change(err, |g| {
        g.disable_ssl = flag("on", on)?;
        Ok(())
    })
}

/// See cognite_global_set_disable_ssl().
///
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_disable_ssl() -> i32 {
    read(0, |g| i32::from(g.disable_ssl))
}

/// The proxy of all requests, those for tokens included. Concerns clients that are made afterwards. A config can have its
/// own.
///
/// @param proxy     `http://user:password@host:port` or https; `none`: none at all; NULL: what the environment variables
///                  HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (either case) say.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_proxy(
    proxy: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        // SAFETY: NULL or a text.
        g.proxy = unsafe { text_opt(proxy, "proxy") }?.map(global::proxy).transpose()?;
        Ok(())
    })
}

/// See cognite_global_set_proxy(). Without user name and password.
///
/// @param[out] text  Filled with at most `size` bytes, a terminating NUL among them; may be NULL.
/// @param size       Room in `text`; 0 for NULL.
/// @return The length of the whole text without its NUL; 0: not set.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_proxy(text: *mut c_char, size: usize) -> usize {
    // SAFETY: NULL or room for `size` bytes.
    read(0, |g| unsafe { copy_text(&global::shown_proxy(g.proxy.as_ref()).unwrap_or_default(), text, size) })
}

/// Follows redirects, at most five in a row: 301, 302 and 303 of GET, 307 and 308 of every method.
/// The token and headers that may be secret are not sent to another origin, and https never leads to http. Read for each call. A config can
/// have its own value. Requests for tokens have theirs in the credentials.
///
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_follow_redirects(on: i32, err: *mut *mut cognite_error) -> cognite_status {
    change(err, |g| {
        g.follow_redirects = flag("on", on)?;
        Ok(())
    })
}

/// See cognite_global_set_follow_redirects().
///
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_follow_redirects() -> i32 {
    read(0, |g| i32::from(g.follow_redirects))
}
