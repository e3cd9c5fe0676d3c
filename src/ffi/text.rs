//! Text and bytes in, text out.

use std::ffi::{CStr, CString, c_char, c_void};

use crate::error::Error;

/// A NUL-terminated UTF-8 text.
///
/// # Safety
/// `raw` is NULL or points to a NUL-terminated text that lives as long as `'a`.
pub(crate) unsafe fn text<'a>(raw: *const c_char, parameter: &str) -> Result<&'a str, Error> {
    if raw.is_null() {
        return Err(Error::argument(format!("{parameter} is NULL; text is needed")));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let bytes = unsafe { CStr::from_ptr(raw) };
    bytes.to_str().map_err(|e| Error::argument(format!("{parameter} is not valid UTF-8 (byte {})", e.valid_up_to())))
}

/// [`text`] for an optional parameter.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn text_opt<'a>(raw: *const c_char, parameter: &str) -> Result<Option<&'a str>, Error> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on to the caller of this function.
    unsafe { text(raw, parameter) }.map(Some)
}

/// Bytes with a length; NULL is allowed with length 0 only.
///
/// # Safety
/// `raw` is NULL or points to `len` readable bytes that live as long as `'a`.
pub(crate) unsafe fn bytes<'a>(raw: *const c_void, len: usize, parameter: &str) -> Result<&'a [u8], Error> {
    if len == 0 {
        return Ok(&[]);
    }
    if raw.is_null() {
        return Err(Error::argument(format!("{parameter} is NULL but its length is {len}")));
    }
    if isize::try_from(len).is_err() {
        return Err(Error::argument(format!("{parameter} has the impossible length {len}")));
    }
    // SAFETY: not NULL, a possible length, and the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts(raw.cast(), len) })
}

/// For C: without the NULs a C text cannot hold.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::new(text.replace('\0', "")).unwrap_or_default())
}

/// Elements with a count; NULL is allowed with count 0 only.
///
/// # Safety
/// `raw` is NULL or points to `count` readable elements that live as long as `'a`.
pub(crate) unsafe fn array<'a, T>(raw: *const T, count: usize, parameter: &str) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    if raw.is_null() {
        return Err(Error::argument(format!("{parameter} is NULL but its count is {count}")));
    }
    if !raw.is_aligned() || count.checked_mul(size_of::<T>()).is_none_or(|n| isize::try_from(n).is_err()) {
        return Err(Error::argument(format!("{parameter} has the impossible count {count} or lies across elements")));
    }
    // SAFETY: not NULL, aligned, a possible size, and the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts(raw, count) })
}

/// A few numbers: a list of settings.
///
/// # Safety
/// As for [`array`].
pub(crate) unsafe fn numbers<'a>(raw: *const i32, count: usize, parameter: &str) -> Result<&'a [i32], Error> {
    if count > 10_000 {
        return Err(Error::argument(format!("{parameter} has the impossible count {count}")));
    }
    // SAFETY: passed on to the caller of this function.
    unsafe { array(raw, count, parameter) }
}

/// Copies as much of `text` as fits, always ended by NUL; answers its whole length, as snprintf does.
///
/// # Safety
/// `into` is NULL or has room for `size` bytes.
pub(crate) unsafe fn copy_text(text: &str, into: *mut c_char, size: usize) -> usize {
    if !into.is_null() && size > 0 {
        let n = text.len().min(size - 1);
        // SAFETY: `n` bytes and the NUL fit into the `size` the caller promises; the two cannot overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), into.cast(), n);
            into.add(n).write(0);
        }
    }
    text.len()
}
