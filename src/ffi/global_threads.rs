//! Further settings of the process: files, what is accepted without effect, and the threads.

use std::ffi::c_char;

use super::config_values::flag;
use super::error::cognite_error;
use super::global_values::{change, read};
use super::guard::{cognite_status, entry};
use super::text::{copy_text, text_opt};
use crate::config::global;

/// Bytes that are written to a local file at a time when file content is downloaded: more of them cost memory, fewer cost time.
///
/// @param bytes  1 or more, of which 16 MiB at most are used; 0: the default, 256 KiB.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_file_download_chunk_size(
    bytes: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        g.file_download_chunk_size = Some(bytes).filter(|n| *n != 0);
        Ok(())
    })
}

/// See cognite_global_set_file_download_chunk_size().
///
/// @return Bytes; 0: the default.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_file_download_chunk_size() -> u64 {
    read(0, |g| g.file_download_chunk_size.unwrap_or(0))
}

/// Bytes that are read from a local file at a time when file content is uploaded: more of them cost memory, fewer cost time.
///
/// @param bytes  1 or more, of which 16 MiB at most are used; 0: the default, 256 KiB.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_file_upload_chunk_size(
    bytes: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        g.file_upload_chunk_size = Some(bytes).filter(|n| *n != 0);
        Ok(())
    })
}

/// See cognite_global_set_file_upload_chunk_size().
///
/// @return Bytes; 0: the default.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_file_upload_chunk_size() -> u64 {
    read(0, |g| g.file_upload_chunk_size.unwrap_or(0))
}

/// Accepted for the sake of programs that set it: the library has no warnings about previews.
///
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_silence_feature_preview_warnings(
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        g.silence_feature_preview_warnings = flag("on", on)?;
        Ok(())
    })
}

/// See cognite_global_set_silence_feature_preview_warnings().
///
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_silence_feature_preview_warnings() -> i32 {
    read(0, |g| i32::from(g.silence_feature_preview_warnings))
}

/// Accepted for the sake of programs that set it: the library makes no call that was not asked for.
///
/// @param on  1 or 0; the default is 0.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_disable_pypi_version_check(
    on: i32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| {
        g.disable_pypi_version_check = flag("on", on)?;
        Ok(())
    })
}

/// See cognite_global_set_disable_pypi_version_check().
///
/// @return 1 or 0.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_disable_pypi_version_check() -> i32 {
    read(0, |g| i32::from(g.disable_pypi_version_check))
}

/// Deprecated in the reference and without effect, which a warning in the log says: concurrency is bounded by the pool
/// size and `concurrency_settings`.
///
/// @param count  Any number; the default is 5.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_max_workers(count: i64, err: *mut *mut cognite_error) -> cognite_status {
    entry(err, || {
        global::update(|g| {
            g.max_workers = count;
            Ok(())
        })?;
        global::warn_if_without_effect("max_workers");
        Ok(())
    })
}

/// See cognite_global_set_max_workers().
///
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_max_workers() -> i64 {
    read(0, |g| g.max_workers)
}

/// Threads that do the network I/O of all clients.
/// Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
///
/// @param count  1 to 256; 0: the default, one per CPU and at most 2.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_io_threads(count: u32, err: *mut *mut cognite_error) -> cognite_status {
    change(err, |g| g.threads.set_io(count.into()))
}

/// See cognite_global_set_io_threads().
///
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_io_threads() -> u32 {
    read(0, |g| g.threads.io() as u32)
}

/// Threads that run completion callbacks. With more than one, callbacks run at the same time and in no order.
/// Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
///
/// @param count  1 to 256; 0: the default, 1.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_callback_threads(
    count: u32,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| g.threads.set_callback(count.into()))
}

/// See cognite_global_set_callback_threads().
///
/// @return The number.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_callback_threads() -> u32 {
    read(0, |g| g.threads.callback() as u32)
}

/// Stack of each thread of the library, callback threads included.
/// Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
///
/// @param bytes  512 KiB to 1 GiB; 0: the default, 2 MiB.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_thread_stack_size(
    bytes: u64,
    err: *mut *mut cognite_error,
) -> cognite_status {
    change(err, |g| g.threads.set_stack_size(bytes))
}

/// See cognite_global_set_thread_stack_size().
///
/// @return Bytes.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_thread_stack_size() -> u64 {
    read(0, |g| g.threads.stack_size() as u64)
}

/// How the names of the threads begin, in debuggers and `top -H`; `-io` or `-cb` follows.
/// Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
///
/// @param prefix    At most 12 visible ASCII characters; NULL or empty: the default, `cognite`.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_set_thread_name_prefix(
    prefix: *const c_char,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a text.
    change(err, |g| g.threads.set_name_prefix(unsafe { text_opt(prefix, "prefix") }?.unwrap_or_default()))
}

/// See cognite_global_set_thread_name_prefix().
///
/// @param[out] text  Filled with at most `size` bytes, a terminating NUL among them; may be NULL.
/// @param size       Room in `text`; 0 for NULL.
/// @return The length of the whole text without its NUL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_global_get_thread_name_prefix(text: *mut c_char, size: usize) -> usize {
    // SAFETY: NULL or room for `size` bytes.
    read(0, |g| unsafe { copy_text(g.threads.name_prefix(), text, size) })
}
