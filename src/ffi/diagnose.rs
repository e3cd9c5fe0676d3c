//! What works and what does not, on the way from this machine to the project.

use std::time::Duration;

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::get;
use super::notify::{cognite_notify, finish, notify_of};
use super::response::cognite_response;
use crate::runtime;

/// Looks at everything between this program and its project, step by step, and says what is wrong and what to do:
///
///     {"ok":false,
///      "checks":[{"name":"dns","ok":true,"detail":"api.example.com is 192.0.2.1","advice":"","elapsed_ms":3},…],
///      "text":"ok       config  …\nFAILED   tcp  …\n           -> what to do\n"}
///
/// The checks, in this order: `config`, `proxy`, `dns`, `tcp`, `tls` (issuer and end of the certificate), `token`,
/// `inspect` (`GET /api/v1/token/inspect`), `project` (`GET /api/v1/projects/{project}`), `clock` (against the server's
/// `Date`). `ok` of a check is null when it was left out, as it does not apply or an earlier one failed. `text` is for a
/// person. No secret is in either. A check that fails is a result, not an error.
///
/// @param client      The client. Not NULL.
/// @param timeout_ms  For all of it; what is not done by then is said to have failed. 0: 30000.
/// @param[out] out    A response whose body is the JSON. Not NULL.
/// @param[out] err    May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** on the network, `timeout_ms` at most. **Threads:** any number. **Owns:** the caller the result.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_diagnose(
    client: *mut cognite_client,
    timeout_ms: u64,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live client.
        let accepted = unsafe { get::<ClientBox>(client, "client") }?.0.accept_diagnosis()?;
        finish(out, runtime::block_on(Box::pin(accepted.diagnose(Duration::from_millis(timeout_ms))))?);
        Ok(())
    })
}

/// cognite_client_diagnose() that tells its result later.
///
/// @param client      The client. Not NULL.
/// @param timeout_ms  For all of it. 0: 30000.
/// @param notify      Whom to tell. Not NULL.
/// @param[out] err    May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_diagnose_async(
    client: *mut cognite_client,
    timeout_ms: u64,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (client, notify) = unsafe { (get::<ClientBox>(client, "client")?, notify_of(notify)?) };
        let accepted = client.0.accept_diagnosis()?;
        runtime::spawn_notified(Box::pin(accepted.diagnose(Duration::from_millis(timeout_ms))), notify)
    })
}
