//! How an asynchronous call tells its result, and the sized structs of the ABI.

use std::ffi::c_void;
use std::pin::Pin;

use super::error::{ErrorBox, cognite_error};
use super::guard::{Out, UserData, cognite_status, entry};
use super::handle::{get, into_raw};
use super::queue::{Finished, QueueBox, cognite_queue};
use super::response::{ResponseBox, cognite_response};
use crate::error::{Error, Status};
use crate::http::Response;
use crate::runtime::{self, Notify, Via};

/// Told once, on a callback thread of the library: never inside the call that was accepted, never on the caller's thread.
/// Any function of the library may be called from it but cognite_shutdown(). It must not throw, longjmp or end the
/// thread; one that takes long delays other callbacks, not the network. A child that is forked in it should end in it, or
/// call exec: where it returns, it ends as by exit(0).
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

/// Whom an asynchronous call tells: a callback or a queue, one of the two. Read during the call only. Begin with
/// COGNITE_NOTIFY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_notify {
    /// sizeof(cognite_notify), set by COGNITE_NOTIFY_INIT.
    pub struct_size: usize,
    /// The callback; NULL with a queue.
    pub done: cognite_done,
    /// Handed to `done`.
    pub user_data: *mut c_void,
    /// Takes the completion; NULL with a callback. May be freed at any time after the call was made.
    pub queue: *mut cognite_queue,
    /// Comes back with the completion from the queue: names the call.
    pub tag: u64,
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
    const FIRST: usize = std::mem::offset_of!(cognite_notify, queue);
}

/// Largest struct a caller can mean.
const LARGEST: usize = 4096;

/// Copies a sized struct: what the caller does not have is zero, what we do not know must be zero.
///
/// # Safety
/// `raw` is NULL or points to as many readable bytes as its first field says.
pub(crate) unsafe fn read_sized<T: Sized>(raw: *const T, parameter: &str) -> Result<T, Error> {
    // SAFETY: passed on to the caller of this function.
    let size = unsafe { size_of_sized(raw, parameter) }?;
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

/// The size of a sized struct as its owner knows it; refuses what cannot be one.
///
/// # Safety
/// `raw` is NULL or points to a readable size.
unsafe fn size_of_sized<T: Sized>(raw: *const T, parameter: &str) -> Result<usize, Error> {
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
    Ok(size)
}

/// Fills a sized struct of the caller's: no further than its struct_size, and what is beyond our knowledge with zero.
///
/// # Safety
/// `raw` is NULL or points to as many writable bytes as its first field says.
pub(crate) unsafe fn write_sized<T: Sized>(raw: *mut T, value: &T, parameter: &str) -> Result<(), Error> {
    // SAFETY: passed on to the caller of this function. Refuses what is no such struct.
    let size = unsafe { size_of_sized(raw.cast_const(), parameter) }?;
    let head = size_of::<usize>();
    let known = size.min(size_of::<T>());
    // SAFETY: `size` bytes are writable, of which the first field is left as it is; `value` is larger than that field.
    unsafe {
        let to = raw.cast::<u8>();
        std::ptr::copy_nonoverlapping((&raw const *value).cast::<u8>().add(head), to.add(head), known - head);
        to.add(known).write_bytes(0, size - known);
    }
    Ok(())
}

/// What delivers a result to the caller's callback or queue.
///
/// # Safety
/// `raw` is NULL or points to a cognite_notify.
pub(crate) unsafe fn notify_of(raw: *const cognite_notify) -> Result<Notify<Response>, Error> {
    // SAFETY: passed on to the caller of this function.
    let notify = unsafe { read_sized(raw, "notify") }?;
    let done = match (notify.done, notify.queue.is_null()) {
        (Some(done), true) => done,
        (None, false) => {
            // SAFETY: a live queue, as far as the caller says.
            let place = unsafe { get::<QueueBox>(notify.queue, "notify.queue") }?.0.reserve()?;
            let tag = notify.tag;
            let put = move |result: Result<Response, Error>| {
                place.fill(Finished { tag, result: result.map(ResponseBox::new) });
            };
            return Ok(Notify { deliver: Box::new(put), via: Via::Here });
        }
        (None, true) => return Err(Error::argument("notify.done and notify.queue are NULL: nobody to tell")),
        (Some(_), false) => {
            return Err(Error::argument("notify.done and notify.queue are both set: one of them is told, not both"));
        }
    };
    let user_data = UserData(notify.user_data);
    let call_back = move |result: Result<Response, Error>| {
        let user_data = user_data;
        let (status, response, error) = match result {
            Ok(r) => (Status::Ok, into_raw(ResponseBox::new(r)), std::ptr::null_mut()),
            Err(e) => (e.status(), std::ptr::null_mut(), into_raw(ErrorBox::new(e))),
        };
        // SAFETY: the host's own function with the host's own pointer; the objects are the callee's.
        unsafe { done(user_data.0, status.code(), response, error) }
    };
    Ok(Notify { deliver: Box::new(call_back), via: Via::Callback })
}

/// A response to come.
pub(crate) type Coming = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// A blocking call: what is accepted is waited for.
pub(crate) fn blocking(
    (out, parameter): (Out<cognite_response>, &str),
    err: *mut *mut cognite_error,
    accept: impl FnOnce() -> Result<Coming, Error>,
) -> cognite_status {
    entry(err, || {
        out.required(parameter)?;
        finish(out, runtime::block_on(accept()?)?);
        Ok(())
    })
}

/// The same call told later.
///
/// # Safety
/// `notify` is NULL or points to a cognite_notify.
pub(crate) unsafe fn later(
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
    accept: impl FnOnce() -> Result<Coming, Error>,
) -> cognite_status {
    entry(err, || {
        // SAFETY: passed on to the caller of this function.
        let notify = unsafe { notify_of(notify) }?;
        runtime::spawn_notified(accept()?, notify)
    })
}

/// Hands a response out.
pub(crate) fn finish(out: Out<cognite_response>, response: Response) {
    out.set(into_raw(ResponseBox::new(response)));
}
