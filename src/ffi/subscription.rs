//! Subscriptions to datapoints, read step by step.

use std::ffi::c_char;

use super::client::{ClientBox, cognite_client};
use super::error::cognite_error;
use super::guard::{Out, cognite_status, entry};
use super::handle::{Object, free, get, into_raw};
use super::limits::{cognite_limits, limits_of};
use super::notify::{cognite_notify, finish, notify_of};
use super::response::cognite_response;
use super::text::bytes;
use crate::api::datapoints::subscription::{self, Subscription};
use crate::runtime;

/// A reader of a subscription. Free it with cognite_subscription_free().
pub struct cognite_subscription {
    _opaque: [u8; 0],
}

struct SubscriptionBox(Subscription);

impl Object for SubscriptionBox {
    type C = cognite_subscription;
    const TAG: u64 = 0x636f_675f_7375_6273;
    const NAME: &'static str = "cognite_subscription";
}

/// Begins to read what changes in the time series of a subscription. (To make, change and list subscriptions and their
/// members: cognite_client_operate() with `time_series.subscriptions.create` and its like.)
///
///     {"externalId": "s", "partitions": [0, {"index": 1, "cursor": "…"}], "limit": 100, "pollTimeoutSeconds": 5,
///      "initializeCursors": "2d-ago", "includeStatus": false, "ignoreBadDataPoints": true, "treatUncertainAsBad": true}
///
/// The partitions are those that this reader takes, 0 alone where nothing is said: of several machines each takes others, and
/// together they get everything. One that is given with the cursor kept of it goes on there; the others begin where
/// `initializeCursors` says, or with the oldest change that is kept.
///
/// @param client             The client. Not NULL; may be freed before the reader is.
/// @param query              JSON text. Not NULL.
/// @param len                Its length in bytes.
/// @param limits             NULL: the client's. The time is for each step.
/// @param[out] subscription  The reader. Not NULL.
/// @param[out] err           May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT. Nothing is asked of the service yet.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the caller the reader. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_subscription_new(
    client: *mut cognite_client,
    query: *const c_char,
    len: usize,
    limits: *const cognite_limits,
    subscription: *mut *mut cognite_subscription,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(subscription) };
    entry(err, || {
        out.required("subscription")?;
        // SAFETY: NULL or live objects of the caller's.
        let made = unsafe {
            let client = get::<ClientBox>(client, "client")?;
            subscription::begin(&client.0, bytes(query.cast(), len, "query")?, &limits_of(limits)?)?
        };
        out.set(into_raw(SubscriptionBox(made)));
        Ok(())
    })
}

/// Waits for the next step: what changed since the step before, or nothing when nothing did for `pollTimeoutSeconds`. The
/// new and overwritten datapoints are in the columns, had with cognite_columns_of(): a series for each change, in the
/// order of changes, so one may be there several times, and its times need not ascend. The body tells the rest:
///
///     {"partitions":[{"index":0,"cursor":"…"}],"hasNext":false,"series":2,"points":300,
///      "deletes":[{"series":1,"inclusiveBegin":0,"exclusiveEnd":1700000000000}],"added":[{"id":1,…}],"removed":[]}
///
/// `hasNext`: there is more to be had at once. `deletes` name the series by its number in the columns; without an
/// `exclusiveEnd` all that follows was deleted.
///
/// Keep the `partitions` where they survive, once what the step brought is safe, and give them to cognite_subscription_new()
/// the next time: then no change is lost, and those after the last kept step come once more. A step that failed is asked for
/// again by the next call.
///
/// @param subscription  The reader. Not NULL.
/// @param[out] step     The step. Not NULL.
/// @param[out] err      May be NULL. Exactly one of `*step` and `*err` is set.
/// @return `COGNITE_OK`; DECODE also for an answer that does not go on; else as cognite_client_call().
///
/// **Blocks:** on the network, for as long as a step may take. **Threads:** any number; each step goes to one of them.
/// **Owns:** the caller the step. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_subscription_next(
    subscription: *mut cognite_subscription,
    step: *mut *mut cognite_response,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(step) };
    entry(err, || {
        out.required("step")?;
        // SAFETY: NULL or a live reader.
        let next = unsafe { get::<SubscriptionBox>(subscription, "subscription") }?.0.next()?;
        finish(out, runtime::block_on(next)?);
        Ok(())
    })
}

/// cognite_subscription_next() that tells its result later.
///
/// @param subscription  The reader. Not NULL; may be freed before the result is told.
/// @param notify        Whom to tell. Not NULL.
/// @param[out] err      May be NULL; set when the call is not accepted.
/// @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_subscription_next_async(
    subscription: *mut cognite_subscription,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    entry(err, || {
        // SAFETY: NULL or live objects of the caller's.
        let (reader, notify) = unsafe { (get::<SubscriptionBox>(subscription, "subscription")?, notify_of(notify)?) };
        runtime::spawn_notified(reader.0.next()?, notify)
    })
}

/// Frees a reader. NULL does nothing. Steps that were asked for are told all the same.
///
/// @param subscription  The reader; not used afterwards.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the reader. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_subscription_free(subscription: *mut cognite_subscription) {
    // SAFETY: NULL or a reader the caller gives up.
    unsafe { free::<SubscriptionBox>(subscription) }
}
