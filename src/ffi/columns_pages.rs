//! Ranges of datapoints read page by page.

use std::ffi::c_char;

use super::client::{ClientBox, cognite_client};
use super::columns::{cognite_columns, hand_out};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{Object, free, get, into_raw};
use super::limits::{cognite_limits, limits_of};
use super::notify::{cognite_notify, notify_of};
use super::text::bytes;
use crate::api::datapoints::pages::{self, ColumnPages};
use crate::runtime;

/// Datapoints being read page by page. Free it with cognite_columns_pages_free().
pub struct cognite_columns_pages {
    _opaque: [u8; 0],
}

struct ColumnPagesBox(ColumnPages);

impl Object for ColumnPagesBox {
    type C = cognite_columns_pages;
    const TAG: u64 = 0x636f_675f_6370_6167;
    const NAME: &'static str = "cognite_columns_pages";
}

/// Begins to read datapoints or aggregates page by page: memory stays bounded, however many there are.
///
/// The query is that of cognite_columns_read(), without `includeOutsidePoints`. A page is what one request brings: up to
/// 100,000 datapoints or 10,000 buckets. Few series come one after the other; many begin together, several to a page. The
/// datapoints of one series come in the order of time, page after page, each once; cognite_columns_item() says which
/// item of the query a series of a page is. A series without datapoints is on no page. Where a range can be cut, its pages are read
/// side by side, as many at a time as are read ahead and the budget has room for.
///
/// @param client      The client. Not NULL; may be freed before the pages are.
/// @param query       JSON text. Not NULL.
/// @param len         Its length in bytes.
/// @param prefetch    Pages that are read before they are asked for: 0 to 16. 0: only when asked for.
/// @param limits      NULL: the client's. The time is for each page.
/// @param[out] pages  The pages. Not NULL.
/// @param[out] err    May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT. Nothing is asked of the service yet.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the pages. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_pages_new(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    prefetch: u32,
    limits: *const cognite_limits,
    pages: *mut *mut cognite_columns_pages,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(pages) };
    entry(err, || {
        out.required("pages")?;
        // SAFETY: NULL or live objects of the caller's.
        let made = unsafe {
            let client = get::<ClientBox>(client, "client")?;
            pages::begin(&client.0, bytes(query.cast(), len, "query")?, prefetch, &limits_of(limits)?)?
        };
        out.set(into_raw(ColumnPagesBox(made)));
        Ok(())
    })
}

/// Waits for the next page. An error ends the pages: it is told again by each further call. (`complete` is false in every
/// page; the end is told by EMPTY.)
///
/// @param pages         The pages. Not NULL.
/// @param[out] columns  The page. Not NULL.
/// @param[out] err      May be NULL. Exactly one of `*columns` and `*err` is set.
/// @return `COGNITE_OK`; EMPTY after the last page; NOT_FOUND, DECODE also for answers that repeat themselves or are not in
///         order; else as cognite_client_call().
///
/// **Blocks:** on the network, for as long as a page may take. **Threads:** any number; each page goes to one of them.
/// **Owns:** the caller the page. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_pages_next(
    pages: *mut cognite_columns_pages,
    columns: *mut *mut cognite_columns,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(columns) };
    entry(err, || {
        out.required("columns")?;
        // SAFETY: NULL or live pages.
        let next = unsafe { get::<ColumnPagesBox>(pages, "pages") }?.0.next()?;
        hand_out(runtime::block_on(next)?.payload.as_ref(), "the page", out)
    })
}

/// cognite_columns_pages_next() that tells its result later. The response is as for cognite_columns_read_async(); its
/// columns are had with cognite_columns_of().
///
/// @param pages     The pages. Not NULL; may be freed before the result is told: then it may be SHUTDOWN.
/// @param notify    Whom to tell. Not NULL.
/// @param[out] err  May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_pages_next_async(
    pages: *mut cognite_columns_pages,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (pages, notify) = unsafe { (get::<ColumnPagesBox>(pages, "pages")?, notify_of(notify)?) };
        runtime::spawn_notified(pages.0.next()?, notify)
    })
}

/// Ends the reading and frees the pages. NULL does nothing.
///
/// @param pages  The pages; not used afterwards. Columns handed out before stay valid.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the pages. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_pages_free(pages: *mut cognite_columns_pages) {
    // SAFETY: NULL or pages the caller gives up.
    unsafe { free::<ColumnPagesBox>(pages) }
}
