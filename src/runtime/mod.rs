//! The one engine of the process: I/O threads, callback threads, their start, their end, and what happens on fork and
//! exit. Nothing here knows about HTTP.

pub mod cancel;
pub mod completion;
pub mod dispatcher;
#[cfg(unix)]
mod drive;
#[cfg(unix)]
mod driven;
pub mod engine;
pub mod panics;
pub mod queue;
pub mod socket;
pub mod threads;
pub mod usage;
mod workers;

pub use cancel::CancelToken;
pub use completion::{Completion, Notify, Via};
#[cfg(unix)]
pub use drive::on_engine;
pub use engine::{
    block_on, enter, in_callback, is_forked_child, run_later, run_to_the_last, shutdown, spawn_notified, stopping,
};
pub use queue::{Place, Queue};
pub use threads::Threads;
pub use workers::on_io_thread;

/// Calls are always on an I/O thread here.
#[cfg(not(unix))]
pub async fn on_engine() {}
