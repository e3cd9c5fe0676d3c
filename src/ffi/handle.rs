//! Handles: a tagged box behind an opaque pointer. The tag catches the wrong kind of handle (C#, Go and Julia hold
//! plain pointers), not a handle that was freed.

use crate::error::Error;
use crate::runtime;
use crate::sys::cancellation::Uncancelled;

/// What a kind of handle is: its C type, its tag, its name in errors.
pub(crate) trait Object: Sized {
    type C;
    const TAG: u64;
    const NAME: &'static str;
}

#[repr(C)]
struct Tagged<T> {
    tag: u64,
    value: T,
}

/// What a freed handle's tag becomes: most uses after free are then told apart from a wrong type.
const DEAD: u64 = 0xdead_c0de_dead_c0de;

pub(crate) fn into_raw<T: Object>(value: T) -> *mut T::C {
    Box::into_raw(Box::new(Tagged { tag: T::TAG, value })).cast()
}

fn check<T: Object>(raw: *const T::C, parameter: &str) -> Result<*const Tagged<T>, Error> {
    if raw.is_null() {
        return Err(Error::argument(format!("{parameter} is NULL; a {} is needed", T::NAME)));
    }
    let tagged = raw.cast::<Tagged<T>>();
    if !tagged.is_aligned() {
        return Err(Error::argument(format!("{parameter} is not a {}", T::NAME)));
    }
    // SAFETY: the caller promises a live handle of ours; every handle begins with a u64 tag, whatever its kind.
    match unsafe { tagged.cast::<u64>().read() } {
        tag if tag == T::TAG => Ok(tagged),
        DEAD => Err(Error::argument(format!("{parameter} was freed before"))),
        _ => Err(Error::argument(format!("{parameter} is not a {} but another handle", T::NAME))),
    }
}

/// Borrows what a handle holds.
///
/// # Safety
/// `raw` is NULL or a live handle of this library, not freed while `'a` lasts.
pub(crate) unsafe fn get<'a, T: Object>(raw: *const T::C, parameter: &str) -> Result<&'a T, Error> {
    let tagged = check::<T>(raw, parameter)?;
    // SAFETY: the tag says that a `Tagged<T>` lies here; the caller keeps it alive.
    Ok(unsafe { &(*tagged).value })
}

/// [`get`] for an optional parameter.
///
/// # Safety
/// As for [`get`].
pub(crate) unsafe fn get_opt<'a, T: Object>(raw: *const T::C, parameter: &str) -> Result<Option<&'a T>, Error> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on to the caller of this function.
    unsafe { get::<T>(raw, parameter) }.map(Some)
}

/// Borrows what a collector holds, to change it.
///
/// # Safety
/// As for [`get`], and no other thread uses the handle meanwhile.
pub(crate) unsafe fn get_mut<'a, T: Object>(raw: *mut T::C, parameter: &str) -> Result<&'a mut T, Error> {
    let tagged = check::<T>(raw, parameter)?.cast_mut();
    // SAFETY: as in `get`; a collector is used by one thread at a time.
    Ok(unsafe { &mut (*tagged).value })
}

/// Takes what a handle holds; the handle is gone.
///
/// # Safety
/// As for [`get`], and the handle is not used afterwards.
pub(crate) unsafe fn take<T: Object>(raw: *mut T::C, parameter: &str) -> Result<T, Error> {
    let tagged = check::<T>(raw, parameter)?.cast_mut();
    // SAFETY: made by `into_raw`, and owned by the caller who gives it up. The tag is overwritten first, with a
    // volatile write that is not optimised away, so that a second take is noticed as long as the memory is not reused.
    let boxed = unsafe {
        std::ptr::write_volatile(&raw mut (*tagged).tag, DEAD);
        Box::from_raw(tagged)
    };
    Ok(boxed.value)
}

/// Frees a handle. NULL, the wrong kind, and a forked child (where the threads that may hold locks of it are missing)
/// do nothing.
///
/// # Safety
/// As for [`take`].
pub(crate) unsafe fn free<T: Object>(raw: *mut T::C) {
    if raw.is_null() || runtime::is_forked_child() {
        return;
    }
    // Closing is a place where a pthread_cancel strikes.
    let _uncancelled = Uncancelled::begin();
    let _ = runtime::panics::contain(|| {
        // SAFETY: passed on to the caller of this function.
        drop(unsafe { take::<T>(raw, "the handle") });
    });
}
