//! What a client has done, in numbers.

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::get;
use super::notify::finish;
use super::response::cognite_response;

/// What a client has done since it was made, as a JSON object:
///
///     {"project":"p",
///      "requests":{"2xx":5,"4xx":0,…,"auth":0,"connection":0,"tls":0,"timeout":0,"decode":0,"cancelled":0,"other":0},
///      "attempts":6, "retries":{"429":1,…,"connection":0,"idle_timeout":0,"token_refused":0},
///      "sent_bytes":120, "received_bytes":3100,         bodies as they were on the wire
///      "token_refreshes":1, "token_failures":0,
///      "accepted":0, "in_flight":0,                     now
///      "pool_waits":0, "pool_waiting":0, "pool_wait_seconds":0.0,
///      "throttled":{"general.read":{"refused":3,"accepted":900,"per_second":49.5}},
///      "concurrency":{"raw.write":{"limit":2,"held":2,"waiting":7}},
///      "request_seconds":{"count":5,"sum_seconds":0.3,"buckets":[{"le":0.001,"count":0},…,{"le":null,"count":5}]},
///      "attempt_seconds":{…}}
///
/// `throttled` has the kinds of requests that were refused with 429, with the pace kept now (null: none), `concurrency` those
/// that have a limit (cognite_global_set_concurrency()); both are shared by all clients of the project.
/// `requests` counts calls that ended, by the class of the answer or by what went wrong; `request_seconds` is the time of
/// calls with repeats and pauses, `attempt_seconds` that of single requests. The numbers are not taken at one instant.
///
/// @param client    The client. Not NULL.
/// @param[out] out  A response whose body is the JSON. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_metrics(
    client: *const cognite_client,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live client.
        finish(out, unsafe { get::<ClientBox>(client, "client") }?.0.metrics());
        Ok(())
    })
}

/// The numbers of cognite_client_metrics() as a page for Prometheus (text format 0.0.4), each with the label `project`:
/// `cognite_requests_total{outcome}`, `cognite_attempts_total`, `cognite_retries_total{reason}`,
/// `cognite_sent_bytes_total`, `cognite_received_bytes_total`, `cognite_token_refreshes_total`,
/// `cognite_token_failures_total`, `cognite_accepted_calls`, `cognite_in_flight_requests`, `cognite_pool_waits_total`,
/// `cognite_pool_waiting`, `cognite_pool_wait_seconds_total`, `cognite_throttle_refused_total{kind}`,
/// `cognite_throttle_requests_per_second{kind}`, `cognite_concurrency_limit{kind}`, `cognite_concurrency_held{kind}`,
/// `cognite_concurrency_waiting{kind}`, and the histograms `cognite_request_duration_seconds` and
/// `cognite_attempt_duration_seconds`. The library opens no port: serve the text, or write it to a file.
///
/// @param client    The client. Not NULL.
/// @param[out] out  A response whose body is the text. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_client_metrics_prometheus(
    client: *const cognite_client,
    out: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        // SAFETY: NULL or a live client.
        finish(out, unsafe { get::<ClientBox>(client, "client") }?.0.metrics_prometheus());
        Ok(())
    })
}
