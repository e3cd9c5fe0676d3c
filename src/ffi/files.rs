//! Content of files, up and down.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use super::cancel::{CancelBox, cognite_cancel};
use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{get, get_opt};
use super::notify::{Sized, cognite_notify, finish, notify_of, read_sized};
use super::response::cognite_response;
use super::text::{bytes, text_opt};
use crate::api::files::{Content, DownloadRequest, UploadRequest};
use crate::error::Error;
use crate::runtime;

/// For `flags` of an upload: a file that has the same external id is replaced. Without it that is an error of the service's.
pub const COGNITE_UPLOAD_OVERWRITE: u32 = 1;
/// For `flags` of an upload: the content is for a file that exists, and replaces what it has.
pub const COGNITE_UPLOAD_EXISTING: u32 = 2;

/// Content to be uploaded, and whose it is. Read during the call only. Begin with COGNITE_UPLOAD_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_upload {
    /// sizeof(cognite_upload), set by COGNITE_UPLOAD_INIT.
    pub struct_size: usize,
    /// JSON. Of a new file its metadata, `{"name":"pump.pdf","externalId":"a","mimeType":"application/pdf","dataSetId":1}`;
    /// the name may be left out where there is a path. With COGNITE_UPLOAD_EXISTING which file: `{"id":1}`,
    /// `{"externalId":"a"}` or `{"instanceId":{"space":"s","externalId":"a"}}`. NULL only with `file_len` 0.
    pub file: *const c_char,
    /// Bytes of it.
    pub file_len: usize,
    /// The content; NULL with a path, or with `content_len` 0: an empty file.
    pub content: *const c_void,
    /// Bytes of the content.
    pub content_len: usize,
    /// The content is that of this local file, UTF-8; NULL: `content` is. A relative path is meant from where the process is
    /// when the call is made.
    pub path: *const c_char,
    /// For all of it, in milliseconds up to a week. 0: as long as bytes move; then each request to the API has the client's
    /// total time, and the content may stand still for its `file_transfer_timeout`.
    pub timeout_ms: u64,
    /// COGNITE_UPLOAD_*, or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Cancels the upload when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
    pub cancel: *mut cognite_cancel,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_upload {
    const NAME: &'static str = "cognite_upload";
    const FIRST: usize = size_of::<cognite_upload>();
}

/// Content to be downloaded, and where to. Read during the call only. Begin with COGNITE_DOWNLOAD_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_download {
    /// sizeof(cognite_download), set by COGNITE_DOWNLOAD_INIT.
    pub struct_size: usize,
    /// JSON, which file: `{"id":1}`, `{"externalId":"a"}` or `{"instanceId":{"space":"s","externalId":"a"}}`. Not NULL.
    pub file: *const c_char,
    /// Bytes of it.
    pub file_len: usize,
    /// Into this local file, UTF-8, which is replaced if it exists. NULL: into memory. Relative as in cognite_upload.
    pub path: *const c_char,
    /// As for an upload.
    pub timeout_ms: u64,
    /// 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Cancels the download when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
    pub cancel: *mut cognite_cancel,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_download {
    const NAME: &'static str = "cognite_download";
    const FIRST: usize = size_of::<cognite_download>();
}

fn words<'a>(given: &'a [u8], parameter: &str) -> Result<&'a str, Error> {
    std::str::from_utf8(given)
        .map_err(|e| Error::argument(format!("{parameter} is not valid UTF-8 (byte {})", e.valid_up_to())))
}

/// # Safety
/// `raw` is NULL or an upload whose pointers live as long as `'a`.
pub(crate) unsafe fn upload_of<'a>(raw: *const cognite_upload) -> Result<UploadRequest<'a>, Error> {
    // SAFETY: passed on to the caller of this function, here and below.
    let u = unsafe { read_sized(raw, "upload") }?;
    if u.reserved != 0 || u.flags & !(COGNITE_UPLOAD_OVERWRITE | COGNITE_UPLOAD_EXISTING) != 0 {
        return Err(Error::argument("upload.flags holds more than COGNITE_UPLOAD_*, or upload.reserved is not 0"));
    }
    // SAFETY: as above.
    unsafe {
        let memory = bytes(u.content, u.content_len, "upload.content")?;
        let content = match text_opt(u.path, "upload.path")? {
            None => Content::Memory(memory),
            Some(path) if memory.is_empty() => Content::Path(path),
            Some(_) => return Err(Error::argument("upload.content and upload.path are both set; one of them is sent")),
        };
        Ok(UploadRequest {
            file: words(bytes(u.file.cast(), u.file_len, "upload.file")?, "upload.file")?,
            existing: u.flags & COGNITE_UPLOAD_EXISTING != 0,
            overwrite: u.flags & COGNITE_UPLOAD_OVERWRITE != 0,
            content,
            timeout: Duration::from_millis(u.timeout_ms),
            cancel: get_opt::<CancelBox>(u.cancel, "upload.cancel")?.map(|c| &c.0),
        })
    }
}

/// # Safety
/// `raw` is NULL or a download whose pointers live as long as `'a`.
unsafe fn download_of<'a>(raw: *const cognite_download) -> Result<DownloadRequest<'a>, Error> {
    // SAFETY: passed on to the caller of this function, here and below.
    let d = unsafe { read_sized(raw, "download") }?;
    if d.flags != 0 || d.reserved != 0 {
        return Err(Error::argument("download.flags and download.reserved must be 0"));
    }
    // SAFETY: as above.
    unsafe {
        Ok(DownloadRequest {
            file: words(bytes(d.file.cast(), d.file_len, "download.file")?, "download.file")?,
            path: text_opt(d.path, "download.path")?,
            timeout: Duration::from_millis(d.timeout_ms),
            cancel: get_opt::<CancelBox>(d.cancel, "download.cancel")?.map(|c| &c.0),
        })
    }
}

/// Makes a file with content, or gives one that exists other content, and waits until the storage has it.
///
/// Content from memory is sent as a whole; the service takes up to 5 GiB so. Content from a path is sent in parts: below 50
/// MiB one, else up to 250 of 50 MiB or more, as many side by side as the limit `files.upload` allows, each read from disk
/// while it is sent (`file_upload_chunk_size` at a time), and again for a repeat. The file must stay as it is meanwhile;
/// one that changes is not completed. Storages get neither the token nor other headers of the API. What fails is
/// repeated as cognite_client_call() does.
///
/// The result is the file as the service told it before the content came (`uploaded` is false), without its links:
///
///     {"id":42,"name":"pump.pdf","uploaded":false,"createdTime":1700000000000,"lastUpdatedTime":1700000000000}
///
/// An error that comes after the file was made or found says so in its `extra`: `step` is `content` or `complete`, `file` is
/// the file. Its content is then missing or the old one, unless cognite_error_in_doubt(); to send it again use
/// COGNITE_UPLOAD_EXISTING with the id. An error without `extra.step` came before: nothing was made, unless in doubt.
///
/// @param client     The client. Not NULL.
/// @param upload     What to upload. Not NULL.
/// @param[out] out   The response. Not NULL.
/// @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
/// @return `COGNITE_OK`; IO for a local file that cannot be read; ACCESS also for a 403 about the right to write files; API
///         also for what the storage answers; else as cognite_client_call().
///
/// **Blocks:** on network and disk, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the
/// result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_upload(
    client: *mut cognite_client,
    upload: *const cognite_upload,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or live objects of the caller's.
        let work = unsafe { get::<ClientBox>(client, "client")?.0.accept_upload(&upload_of(upload)?) }?;
        finish(out, runtime::block_on(work)?);
        Ok(())
    })
}

/// cognite_client_upload() that tells its result later. The content in memory is copied before this returns; a local file is
/// read later, and must stay until then.
///
/// @param client     The client. Not NULL.
/// @param upload     What to upload. Not NULL.
/// @param notify     Whom to tell. Not NULL.
/// @param[out] err   May be NULL; set when the upload is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_upload_async(
    client: *mut cognite_client,
    upload: *const cognite_upload,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (work, notify) = unsafe {
            let notify = notify_of(notify)?;
            (get::<ClientBox>(client, "client")?.0.accept_upload(&upload_of(upload)?)?, notify)
        };
        runtime::spawn_notified(work, notify)
    })
}

/// Gets the content of a file and waits until it is there.
///
/// Into memory: the response's body is the content, of `max_response_bytes` at most. Into a local file: the response is
/// `{"length":1234}`; the content is written to a file beside the one that is named (`.NAME.NUMBER.part`), which takes its
/// place when it is whole and on the disk. So there is never a part of it under the name, and what was there stays until
/// then; when the download fails or is cancelled the other file is removed.
///
/// A content that breaks off is continued where it broke off if the storage says which version it is (ETag), else it is
/// begun anew. A link that has ended meanwhile is asked for again. The `extra` of an error has `step`: `content` where the
/// storage or the way to it failed.
///
/// @param client     The client. Not NULL.
/// @param download   What to download. Not NULL.
/// @param[out] out   The response. Not NULL.
/// @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
/// @return `COGNITE_OK`; NOT_FOUND for an unknown file; IO for a local file that cannot be written; API also for what the
///         storage answers; DECODE also for content too large for memory; else as cognite_client_call().
///
/// **Blocks:** on network and disk, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the
/// result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_download(
    client: *mut cognite_client,
    download: *const cognite_download,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or live objects of the caller's.
        let work = unsafe { get::<ClientBox>(client, "client")?.0.accept_download(&download_of(download)?) }?;
        finish(out, runtime::block_on(work)?);
        Ok(())
    })
}

/// cognite_client_download() that tells its result later.
///
/// @param client     The client. Not NULL.
/// @param download   What to download. Not NULL.
/// @param notify     Whom to tell. Not NULL.
/// @param[out] err   May be NULL; set when the download is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_download_async(
    client: *mut cognite_client,
    download: *const cognite_download,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (work, notify) = unsafe {
            let notify = notify_of(notify)?;
            (get::<ClientBox>(client, "client")?.0.accept_download(&download_of(download)?)?, notify)
        };
        runtime::spawn_notified(work, notify)
    })
}
