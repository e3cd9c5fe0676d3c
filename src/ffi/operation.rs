//! Operations of CDF by name.

use std::ffi::c_char;
use std::time::Duration;

use super::cancel::{CancelBox, cognite_cancel};
use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{get, get_opt, into_raw};
use super::notify::{Sized, blocking, cognite_notify, later, read_sized};
use super::response::{ResponseBox, cognite_response};
use super::text::{bytes, text};
use crate::api::operations::{self, OperationRequest};
use crate::error::Error;
use crate::http::Response;

/// For `flags` of an operation that writes items: a request that the API refuses for some of its items (400, 404, 409,
/// 422) is sent again in parts, so that the good items get in and the others are named. It takes more requests, in the worst
/// case two for each item.
pub const COGNITE_OPERATION_SPLIT: u32 = 1;

/// An operation of the API by name, with its arguments. Read during the call only. Begin with COGNITE_OPERATION_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_operation {
    /// sizeof(cognite_operation), set by COGNITE_OPERATION_INIT.
    pub struct_size: usize,
    /// `"assets.list"`, `"raw.rows.insert"`, …; cognite_operations_json() lists them. Not NULL.
    pub name: *const c_char,
    /// A JSON object; NULL only with `arguments_len` 0: none. See cognite_client_operate().
    pub arguments: *const c_char,
    /// Bytes of the arguments.
    pub arguments_len: usize,
    /// For the whole operation with all its requests, in milliseconds up to a week; 0: the client's.
    pub timeout_ms: u64,
    /// `COGNITE_OPERATION_SPLIT` or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Cancels the operation when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
    pub cancel: *mut cognite_cancel,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_operation {
    const NAME: &'static str = "cognite_operation";
    const FIRST: usize = std::mem::offset_of!(cognite_operation, cancel);
}

/// # Safety
/// `raw` is NULL or an operation whose pointers live as long as `'a`.
pub(crate) unsafe fn operation_of<'a>(raw: *const cognite_operation) -> Result<OperationRequest<'a>, Error> {
    // SAFETY: passed on to the caller of this function, here and below.
    let o = unsafe { read_sized(raw, "operation") }?;
    if o.reserved != 0 {
        return Err(Error::argument("operation.reserved must be 0"));
    }
    // SAFETY: as above.
    let given = unsafe { bytes(o.arguments.cast(), o.arguments_len, "operation.arguments") }?;
    let arguments = std::str::from_utf8(given)
        .map_err(|e| Error::argument(format!("operation.arguments is not valid UTF-8 (byte {})", e.valid_up_to())))?;
    // SAFETY: as above.
    unsafe {
        Ok(OperationRequest {
            name: text(o.name, "operation.name")?,
            arguments,
            timeout: Duration::from_millis(o.timeout_ms),
            flags: o.flags,
            cancel: get_opt::<CancelBox>(o.cancel, "operation.cancel")?.map(|c| &c.0),
        })
    }
}

/// Carries out an operation of the API, with as many requests as it takes, and waits for its result.
///
/// The arguments are one JSON object in the API's own names (`externalId`, `dbName`, `filter`, …). Parameters of the path
/// (`dbName`, `streamId`, …) are taken from it by name and escaped; the rest goes into the body or the query as the
/// operation has it, written as it was given: numbers keep every digit. What else depends on the operation's shape:
///
/// - `list`: `limit` is how many are wanted in all: absent, 25 (10 for views, data models and containers); null or -1, all.
///   `pageSize` is how many are asked for at a time; `cursor` where to begin; `partitions` (without sort, and of all but
///   RAW rows without a limit) how many parts are read side by side, one after the other in the result. Result:
///   `{"items":[…]}`, with `nextCursor` where a limit ended it and there is more.
/// - `items`: `items` holds any number of elements (one may be given without the brackets; when reading, also as an
///   identifier: `{"externalId":"a"}`). Where they are identifiers, lists do as well: `ids`, `externalIds`, `instanceIds`,
///   `keys`, `names`, `spaces`, `nodes`, `edges`. They are sent in as many requests as the API needs, in parallel within
///   its budget, instances with nodes before edges. Result: `{"items":[…]}` in the order given.
///   `….update` takes patches (`{"id":1,"update":{"name":{"set":"x"}}}`) and whole objects, of which `mode` makes patches:
///   `"replaceIgnoreNull"` (default; what is given is set), `"patch"` (lists and maps are added to) or `"replace"` (what is
///   not given is cleared). What is sent of whole objects is what the resource lets be changed.
/// - `one`: a single request. Result: the service's answer as it is. `limit` of a search: null or -1, as many as one gives.
///   Operations of organizations (`iam.principals…`) are answered by another host, to which the token goes only when it is
///   named: `authUrl`, such as `"https://auth.cognite.com"`.
/// - `binary`: the same with an answer that is no JSON.
/// - `composite`: made of several operations; takes the arguments of `base` and those in `also`:
///   - `assets.upsert` (also events, time_series, sequences, relationships): updates whole objects, creates those that do
///     not exist, in the order given. `mode` is `"patch"` (default) or `"replace"`.
///   - `assets.create_hierarchy`: parents, named by `parentExternalId`, before their children. Cycles, duplicates and
///     parents that are not among the items (unless `ignoreOrphans`) are told of before anything is sent.
///   - `assets.retrieve_subtree`: the asset `id` or `externalId` and what is below it, down to `depth`.
///   - `data_modeling.instances.query_all`: a query with all pages of each result set, `{"items":{"a":[…],…}}`. A page is as
///     long as the set's `limit` in `with` says; what starts from a set is read through for each page of that. `limit` is how
///     many are wanted of each set; `more` then names the sets of which there is more.
///   - `data_modeling.instances.sync_all`: all changes since `cursors`, or at least `limit`, with `nextCursor` for the next time.
///   - `sequences.data.retrieve` (all rows, or `limit`) and `sequences.data.delete_range` (`start`, `end`).
///   - `transformations.run_and_wait`, `functions.call_and_wait`, `workflows.executions.run_and_wait`: looks every
///     `pollMs` (1000) until the job has ended, well or not, and gives what the service says of it. When the wait is cut
///     short the error's `extra` has the `job`, which goes on.
///
/// An operation that writes items attempts all of them even if some fail, unless order forbids it. If not all succeeded, the
/// error places each item (see cognite_error_json()) and the status is PARTIAL where some were applied.
///
///     {"name":"raw.rows.insert", "arguments":{"dbName":"db","tableName":"t","ensureParent":true,"items":[{"key":"a","columns":{}}]}}
///
/// Requests are repeated as cognite_client_call() does, where the operation allows it.
///
/// @param client     The client. Not NULL.
/// @param operation  What to do. Not NULL.
/// @param[out] out   The response. Not NULL.
/// @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
/// @return `COGNITE_OK`, PARTIAL, and as cognite_client_call(); INVALID_ARGUMENT also for a name that does not exist (the nearest
///         are told), DECODE also for a list that would never end.
///
/// **Blocks:** on the network, until the deadline or `cancel`. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_operate(
    client: *mut cognite_client,
    operation: *const cognite_operation,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    blocking((out, "out"), err, || {
        // SAFETY: NULL or live objects of the caller's.
        let accepted = unsafe { get::<ClientBox>(client, "client")?.0.accept_operation(&operation_of(operation)?) }?;
        Ok(accepted.run())
    })
}

/// cognite_client_operate() that tells its result later. The arguments are copied before this returns; nothing of the
/// caller's memory is needed afterwards.
///
/// @param client     The client. Not NULL.
/// @param operation  What to do. Not NULL.
/// @param notify     Whom to tell. Not NULL.
/// @param[out] err   May be NULL; set when the operation is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_operate_async(
    client: *mut cognite_client,
    operation: *const cognite_operation,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or live objects of the caller's, here and below.
    unsafe {
        later(notify, err, || {
            Ok(get::<ClientBox>(client, "client")?.0.accept_operation(&operation_of(operation)?)?.run())
        })
    }
}

/// Every operation there is, so that bindings and tools can be generated:
///
///     {"operations":[
///       {"name":"assets.list","method":"POST","path":"/assets/list","shape":"list","defaultLimit":25,"pageSize":1000,
///        "pages":true,"partitions":true,"retry":"read","budget":"general.read"},
///       {"name":"raw.rows.insert","method":"POST","path":"/raw/dbs/{dbName}/tables/{tableName}/rows","shape":"items",
///        "pathParameters":["dbName","tableName"],"itemsPerRequest":5000,"query":["ensureParent"],"retry":"again",
///        "budget":"raw.write"},…]}
///
/// `shape` is list, items, one, binary, upload or composite (then with `base` and `also`, no path); `identifiers` name what addresses an element; `ignoreUnknownIds` says
/// where it goes, if it is taken; `query` names the members of a POST's arguments that go into the query; `retry` is read
/// (changes nothing), again (twice is the same as once) or once; `version` is the `cdf-version` sent, if not the config's,
/// where it has `versionWhen` only if one of these arguments is given, or has this value (`"debug.includePlan=true"`);
/// `answers` what is asked for if not JSON. A path that begins with `//` lies below the base URL, with `@` on the host of
/// organizations, else below the project. What does not apply is absent.
///
/// @param[out] out  A response whose body is the JSON. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_operations_json(
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        out.set(into_raw(ResponseBox::new(Response::of_json(&operations::listed()))));
        Ok(())
    })
}
