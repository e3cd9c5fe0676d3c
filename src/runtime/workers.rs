//! Starting the I/O threads. A system that is short of threads, and a caller that is about to end, get an error or an
//! engine, never a hang.

use std::cell::Cell;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};

use super::dispatcher;
use super::panics::contain;
use super::threads::Threads;
use super::usage::THREADS;
use crate::error::{Error, Status};
use crate::sys::signals::{Kind, Masked, mask_this_thread};

/// Threads for blocking system calls (host name look-ups) at most.
const MAX_BLOCKING: usize = 8;

thread_local! {
    static IO_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is one of ours that must run no code of the host's.
pub fn on_io_thread() -> bool {
    IO_THREAD.with(Cell::get)
}

pub fn start(threads: &Threads) -> Result<Runtime, Error> {
    // The I/O threads inherit this mask, so there is no moment in which one could take a signal.
    let _mask = Masked::while_starting(Kind::Io);
    rehearse(threads).map_err(cannot)?;
    if Handle::try_current().is_err_and(|e| e.is_missing_context()) {
        return build(threads);
    }
    // This thread is ending (an exit handler after a shutdown) and has lost what building needs, or is a runtime's itself.
    thread::scope(|s| match thread::Builder::new().spawn_scoped(s, || build(threads)) {
        Ok(builds) => builds.join().unwrap_or_else(|_| Err(Error::internal("the I/O threads"))),
        Err(e) => Err(cannot(e)),
    })
}

fn cannot(e: io::Error) -> Error {
    Error::new(Status::Io, format!("the I/O threads could not be started: {e}"))
}

/// Starts as many threads as will be wanted, all at once, and ends them: tokio panics where it gets fewer, and leaves
/// behind those it got. Of one there is nothing to leave.
fn rehearse(threads: &Threads) -> io::Result<()> {
    if threads.io() == 1 {
        return Ok(());
    }
    let on_stage = Mutex::new(());
    thread::scope(|s| {
        let _held = on_stage.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..threads.io() {
            let thread = thread::Builder::new().name(name(threads)).stack_size(threads.stack_size());
            thread.spawn_scoped(s, || drop(on_stage.lock()))?;
        }
        Ok(())
    })
}

fn name(threads: &Threads) -> String {
    format!("{}-io", threads.name_prefix())
}

fn build(threads: &Threads) -> Result<Runtime, Error> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(threads.io())
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name(name(threads))
        .thread_stack_size(threads.stack_size())
        .on_thread_start(|| {
            mask_this_thread(Kind::Io);
            IO_THREAD.with(|c| c.set(true));
            THREADS.add(1);
        })
        .on_thread_stop(|| THREADS.sub(1))
        // An I/O thread that runs out of work tells the callback thread of what it has finished: one wake-up for
        // many completions under load, none delayed without.
        .on_thread_park(dispatcher::wake_pending)
        .enable_io()
        .enable_time();
    // Threads may have become short since the rehearsal. What then unwinds must not wait for the threads that were
    // started, which do not end; inside a runtime it does not.
    let around = Builder::new_current_thread().build().map_err(cannot)?;
    let built = contain(|| around.block_on(async { builder.build() }));
    built.unwrap_or_else(|_| Err(io::ErrorKind::WouldBlock.into())).map_err(cannot)
}
