//! Defects on demand, for the tests of how they are contained. Not in the product: the feature `testing` is for
//! `cargo xtask hazards` only, and the symbol check refuses a library that has it.

use super::error::cognite_error;
use super::guard::{cognite_status, entry};
use super::notify::{cognite_notify, notify_of};
use crate::error::Error;
use crate::http::Response;
use crate::runtime;

/// Panics. `place` 0: in the call itself; 1: in the task a blocking call waits for; 2: in the task of an asynchronous
/// call, told to `notify`; 3: on the callback thread, in place of a callback (nobody is told); 4: in a task, with a
/// payload that panics again when dropped.
///
/// cbindgen:ignore
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_testing_panic(
    place: u32,
    notify: *const cognite_notify,
    err: *mut *mut cognite_error,
) -> cognite_status {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            panic!("testing: again");
        }
    }
    entry(err, || match place {
        0 => panic!("testing: in a call"),
        1 => runtime::block_on(Box::pin(async { panic!("testing: in a task") })),
        2 => {
            // SAFETY: NULL or a cognite_notify.
            let notify = unsafe { notify_of(notify) }?;
            runtime::spawn_notified(Box::pin(async { panic!("testing: in a task") }), notify)
        }
        3 => runtime::spawn_notified(
            Box::pin(async { Ok(Response::of_json(&serde_json::Value::Null)) }),
            runtime::Notify { deliver: Box::new(|_| panic!("testing: in a callback")), via: runtime::Via::Callback },
        ),
        4 => runtime::block_on(Box::pin(async { std::panic::panic_any(Again) })),
        _ => Err(Error::argument("place is 0 to 4")),
    })
}
