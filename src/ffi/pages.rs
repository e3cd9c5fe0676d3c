//! Lists read page by page.

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{Object, free, get, into_raw};
use super::notify::{blocking, cognite_notify, later};
use super::operation::{cognite_operation, operation_of};
use super::response::cognite_response;
use crate::api::operations::Pages;
use crate::api::operations::pages::UNCHECKED;

/// For cognite_operation.flags, of pages: hand each page out as it came. Only its last bytes are read, to find the cursor;
/// it is neither checked to be JSON nor counted, so there can be no `limit`. The last page is always checked.
pub const COGNITE_OPERATION_UNCHECKED: u32 = 0x100;

const _: () = assert!(COGNITE_OPERATION_UNCHECKED == UNCHECKED);

/// A list being read page by page. Free it with cognite_pages_free().
pub struct cognite_pages {
    _opaque: [u8; 0],
}

struct PagesBox(Pages);

impl Object for PagesBox {
    type C = cognite_pages;
    const TAG: u64 = 0x636f_675f_7061_6765;
    const NAME: &'static str = "cognite_pages";
}

/// Begins to read a list page by page: memory stays bounded, whatever its length.
///
/// The operation is one of shape `list`, with the arguments of cognite_client_operate(), but without a limit all is read.
/// Its `timeout_ms` is for each page. With `partitions` that many parts are read side by side, and pages come in the order
/// in which they arrive; without, in the list's order.
///
/// @param client      The client. Not NULL; may be freed before the pages are.
/// @param operation   What to read. Not NULL.
/// @param prefetch    Pages that are fetched before they are asked for, of each part read at the time: 0 to 16, usually 1
///                    or 2. 0: only when asked for.
/// @param[out] pages  The pages. Not NULL.
/// @param[out] err    May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT. Nothing is asked of the service yet.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the pages. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_pages_new(
    client: *mut cognite_client,
    operation: *const cognite_operation,
    prefetch: u32,
    pages: *mut *mut cognite_pages,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(pages) };
    entry(err, || {
        out.required("pages")?;
        // SAFETY: NULL or live objects of the caller's.
        let made = unsafe { get::<ClientBox>(client, "client")?.0.pages(&operation_of(operation)?, prefetch) }?;
        out.set(into_raw(PagesBox(made)));
        Ok(())
    })
}

/// Waits for the next page.
///
/// Its body is the service's answer, `{"items":[…],"nextCursor":"…"}`; cognite_response_item() gives its elements and
/// cognite_response_next_cursor() the place to resume from, also after an error. An error ends the pages: it is told again
/// by each further call.
///
/// @param pages      The pages. Not NULL.
/// @param[out] page  The page. Not NULL.
/// @param[out] err   May be NULL. Exactly one of `*page` and `*err` is set.
/// @return `COGNITE_OK`; EMPTY after the last page; else as cognite_client_operate().
///
/// **Blocks:** on the network, for as long as a page may take. **Threads:** any number; each page goes to one of them.
/// **Owns:** the caller the page. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_pages_next(
    pages: *mut cognite_pages,
    page: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(page) };
    // SAFETY: NULL or live pages.
    blocking((out, "page"), err, || unsafe { get::<PagesBox>(pages, "pages") }?.0.next())
}

/// cognite_pages_next() that tells its result later.
///
/// @param pages     The pages. Not NULL; may be freed before the result is told: then it may be SHUTDOWN.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_pages_next_async(
    pages: *mut cognite_pages,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or live objects of the caller's, here and below.
    unsafe { later(notify, err, || get::<PagesBox>(pages, "pages")?.0.next()) }
}

/// Ends the reading and frees the pages. NULL does nothing.
///
/// @param pages  The pages; not used afterwards. Pages handed out before stay valid.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the pages. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_pages_free(pages: *mut cognite_pages) {
    // SAFETY: NULL or pages the caller gives up.
    unsafe { free::<PagesBox>(pages) }
}
