//! What the library holds.

use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::into_raw;
use super::response::{ResponseBox, cognite_response};
use crate::http::Response;
use crate::runtime::usage;

/// What the library holds in this process at this moment, of all clients and queues:
/// `{"accepted_calls":3,"queued_completions":0,"body_bytes":4096,"threads":3}`.
///
/// `accepted_calls`: made and not finished. `queued_completions`: waiting in queues. `body_bytes`: bodies of requests under
/// way, of answers being read, and of responses that were not freed. `threads`: of the library.
///
/// @param[out] out  A response whose body is the JSON. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_process_usage(
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        let now = serde_json::json!({
            "accepted_calls": usage::CALLS.now(),
            "queued_completions": usage::QUEUED.now(),
            "body_bytes": usage::BODY_BYTES.now(),
            "threads": usage::THREADS.now(),
        });
        out.set(into_raw(ResponseBox::new(Response::of_json(&now))));
        Ok(())
    })
}
