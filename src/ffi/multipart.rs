//! Uploads whose parts the program makes.

use std::ffi::c_void;

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::files::{cognite_upload, upload_of};
use super::guard::{Out, cognite_status, entry};
use super::handle::{Object, free, get, into_raw};
use super::notify::{cognite_notify, finish, notify_of};
use super::response::cognite_response;
use super::text::bytes;
use crate::api::files::Multipart;
use crate::runtime;

/// Content that is uploaded in parts. Free it with cognite_multipart_free().
pub struct cognite_multipart {
    _opaque: [u8; 0],
}

struct MultipartBox(Multipart);

impl Object for MultipartBox {
    type C = cognite_multipart;
    const TAG: u64 = 0x636f_675f_6d75_6c74;
    const NAME: &'static str = "cognite_multipart";
}

/// Begins an upload in parts that the program has in memory one after another: content larger than memory that lies in no
/// file. For a local file cognite_client_upload() is enough.
///
/// Nothing is asked of the service yet; the first part does. Storages want parts of at least 5 MiB, but for the last.
///
/// @param client          The client. Not NULL; may be freed before the upload is.
/// @param upload          Whose content it is; without content and path. Its time is for all parts together. Not NULL.
/// @param parts           How many parts there will be: 1 to 250.
/// @param[out] multipart  The upload. Not NULL.
/// @param[out] err        May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the upload. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_multipart_new(
    client: *mut cognite_client,
    upload: *const cognite_upload,
    parts: u32,
    multipart: *mut *mut cognite_multipart,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(multipart) };
    entry(err, || {
        out.required("multipart")?;
        // SAFETY: NULL or live objects of the caller's.
        let made = unsafe { get::<ClientBox>(client, "client")?.0.multipart(&upload_of(upload)?, parts) }?;
        out.set(into_raw(MultipartBox(made)));
        Ok(())
    })
}

/// Sends a part and waits until the storage has it. Parts go in any order, several at a time from several threads. One that
/// failed may be sent again; one that is there may not.
///
/// @param multipart  The upload. Not NULL.
/// @param number     Which part, counted from 0.
/// @param content    Its bytes; NULL only with `content_len` 0.
/// @param content_len How many.
/// @param[out] out   `{"part":0}`. May be NULL.
/// @param[out] err   May be NULL. An error has `extra` as that of cognite_client_upload(), but never is in doubt because of
///                   a part.
/// @return `COGNITE_OK`; INVALID_ARGUMENT also for a part that is there already; else as cognite_client_upload().
///
/// **Blocks:** on the network, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_multipart_part(
    multipart: *mut cognite_multipart,
    number: u32,
    content: *const c_void,
    content_len: usize,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let wanted = unsafe { Out::new(out) };
    entry(err, || {
        // SAFETY: NULL or a live upload, and `content_len` bytes.
        let work = unsafe {
            get::<MultipartBox>(multipart, "multipart")?.0.part(number, bytes(content, content_len, "content")?)
        }?;
        let response = runtime::block_on(work)?;
        if !out.is_null() {
            finish(wanted, response);
        }
        Ok(())
    })
}

/// cognite_multipart_part() that tells its result later. The part is copied before this returns.
///
/// @param multipart  The upload. Not NULL; may be freed before the result is told.
/// @param number     Which part, counted from 0.
/// @param content    Its bytes; NULL only with `content_len` 0.
/// @param content_len How many.
/// @param notify     Whom to tell. Not NULL.
/// @param[out] err   May be NULL; set when the part is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_multipart_part_async(
    multipart: *mut cognite_multipart,
    number: u32,
    content: *const c_void,
    content_len: usize,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's, and `content_len` bytes.
        let (work, notify) = unsafe {
            let notify = notify_of(notify)?;
            let given = bytes(content, content_len, "content")?;
            (get::<MultipartBox>(multipart, "multipart")?.0.part(number, given)?, notify)
        };
        runtime::spawn_notified(work, notify)
    })
}

/// Makes the parts, all of which were sent, the content of the file, and waits for it. Without it they are nothing; the
/// service forgets them after a while.
///
/// @param multipart  The upload. Not NULL.
/// @param[out] out   The file, as from cognite_client_upload(). Not NULL.
/// @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
/// @return `COGNITE_OK`; INVALID_ARGUMENT also while a part is missing; else as cognite_client_upload().
///
/// **Blocks:** on the network, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_multipart_complete(
    multipart: *mut cognite_multipart,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live upload.
        let work = unsafe { get::<MultipartBox>(multipart, "multipart") }?.0.complete()?;
        finish(out, runtime::block_on(work)?);
        Ok(())
    })
}

/// cognite_multipart_complete() that tells its result later.
///
/// @param multipart  The upload. Not NULL; may be freed before the result is told.
/// @param notify     Whom to tell. Not NULL.
/// @param[out] err   May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_multipart_complete_async(
    multipart: *mut cognite_multipart,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (multipart, notify) = unsafe { (get::<MultipartBox>(multipart, "multipart")?, notify_of(notify)?) };
        runtime::spawn_notified(multipart.0.complete()?, notify)
    })
}

/// Frees an upload. NULL does nothing. Parts under way go on and are told; one that was not completed is no content.
///
/// @param multipart  The upload; not used afterwards.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the upload. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_multipart_free(multipart: *mut cognite_multipart) {
    // SAFETY: NULL or an upload the caller gives up.
    unsafe { free::<MultipartBox>(multipart) }
}
