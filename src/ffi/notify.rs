//! How an asynchronous call tells its result, and the sized structs of the ABI.

use std::ffi::c_void;

use super::error::{ErrorBox, cognite_error};
use super::guard::{Out, UserData, cognite_status};
use super::handle::into_raw;
use super::response::{ResponseBox, cognite_response};
use crate::error::{Error, Status};
use crate::http::Response;

/// Told once, on a callback thread of the library: never inside the call that was accepted, never on the caller's thread.
/// Any function of the library may be called from it but cognite_shutdown(). It must not throw, longjmp or end the
/// thread; one that takes long delays other callbacks, not the network.
///
/// @param user_data  As given in the cognite_notify.
/// @param status     `COGNITE_OK` or what went wrong.
/// @param response   On success: owned by the callee, to be freed. Else NULL.
/// @param error      On failure: owned by the callee, to be freed. Else NULL.
pub type cognite_done = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        status: cognite_status,
        response: *mut cognite_response,
        error: *mut cognite_error,
    ),
>;

/// Whom an asynchronous call tells. Read during the call only. Begin with COGNITE_NOTIFY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_notify {
    /// sizeof(cognite_notify), set by COGNITE_NOTIFY_INIT.
    pub struct_size: usize,
    /// Not NULL.
    pub done: cognite_done,
    /// Handed to `done`.
    pub user_data: *mut c_void,
}

/// A struct that begins with its size and may be zeroed: of one of our callers', older or newer than us.
///
/// # Safety
/// `T` is repr(C), its first field is the usize size, and all zero is a valid value of it.
pub(crate) unsafe trait Sized: Copy {
    const NAME: &'static str;
    /// The size it had in the first version of the ABI.
    const FIRST: usize;
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and no function are all zero.
unsafe impl Sized for cognite_notify {
    const NAME: &'static str = "cognite_notify";
    const FIRST: usize = size_of::<cognite_notify>();
}

/// Largest struct a caller can mean.
const LARGEST: usize = 4096;

/// Copies a sized struct: what the caller does not have is zero, what we do not know must be zero.
///
/// # Safety
/// `raw` is NULL or points to as many readable bytes as its first field says.
pub(crate) unsafe fn read_sized<T: Sized>(raw: *const T, parameter: &str) -> Result<T, Error> {
    if raw.is_null() {
        return Err(Error::argument(format!("{parameter} is NULL; a {} is needed", T::NAME)));
    }
    if !raw.is_aligned() {
        return Err(Error::argument(format!("{parameter} is not a {}", T::NAME)));
    }
    // SAFETY: not NULL, aligned, and the first field is the size.
    let size = unsafe { raw.cast::<usize>().read() };
    if size < T::FIRST || size > LARGEST {
        return Err(Error::argument(format!(
            "{parameter}: struct_size is {size}, a {} has {}; begin with its _INIT macro",
            T::NAME,
            size_of::<T>()
        )));
    }
    // SAFETY: all zero is valid by the trait's contract.
    let mut value: T = unsafe { std::mem::zeroed() };
    let known = size.min(size_of::<T>());
    // SAFETY: `known` bytes are readable there and writable here, and the two do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(raw.cast::<u8>(), (&raw mut value).cast::<u8>(), known) };
    // SAFETY: the caller promises `size` readable bytes.
    let tail = unsafe { std::slice::from_raw_parts(raw.cast::<u8>().add(known), size - known) };
    if tail.iter().any(|b| *b != 0) {
        return Err(Error::argument(format!(
            "{parameter}: a field of {} is set that this version of the library does not know",
            T::NAME
        )));
    }
    Ok(value)
}

/// What delivers a result to the caller's `done`.
///
/// # Safety
/// `raw` is NULL or points to a cognite_notify.
pub(crate) unsafe fn notify_of(
    raw: *const cognite_notify,
) -> Result<impl FnOnce(Result<Response, Error>) + Send + 'static, Error> {
    // SAFETY: passed on to the caller of this function.
    let notify = unsafe { read_sized(raw, "notify") }?;
    let done = notify.done.ok_or_else(|| Error::argument("notify.done is NULL: nobody to tell"))?;
    let user_data = UserData(notify.user_data);
    Ok(move |result: Result<Response, Error>| {
        let user_data = user_data;
        let (status, response, error) = match result {
            Ok(r) => (Status::Ok, into_raw(ResponseBox::new(r)), std::ptr::null_mut()),
            Err(e) => (e.status(), std::ptr::null_mut(), into_raw(ErrorBox::new(e))),
        };
        // SAFETY: the host's own function with the host's own pointer; the objects are the callee's.
        unsafe { done(user_data.0, status.code(), response, error) }
    })
}

/// Hands a response out.
pub(crate) fn finish(out: Out<cognite_response>, response: Response) {
    out.set(into_raw(ResponseBox::new(response)));
}
